-- Opening entries stay: they are entries like others.
DROP TRIGGER users_open_ledger ON public.users;
DROP FUNCTION tally.open_ledger();
ALTER TABLE public.credit_transactions
    DROP CONSTRAINT credit_transactions_idempotency_key_check,
    DROP CONSTRAINT credit_transactions_user_id_idempotency_key_key,
    DROP COLUMN idempotency_key;
COMMENT ON TABLE public.credit_transactions IS 'Append-only ledger. For each call the sum of amount_micros is minus calls.credits_micros.';
