COMMENT ON COLUMN public.users.low_credit_level IS NULL;
DROP TRIGGER credit_transactions_low_credit ON public.credit_transactions;
DROP FUNCTION tally.settle_low_credit();
DROP FUNCTION tally.low_credit_levels();
