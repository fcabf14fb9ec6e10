DROP TRIGGER users_forget_audit ON public.users;
DROP FUNCTION tally.forget_audit();
DROP TABLE tally.audit_differences;
