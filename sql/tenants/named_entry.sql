-- The ledger entry of tenant $1 that the payment $2 or the key $3 names, if there is one.
SELECT id, entry_no, type AS kind, amount_micros, balance_after_micros, description, stripe_payment_id AS payment_id, call_id, created_at
FROM public.credit_transactions
WHERE user_id = $1 AND (stripe_payment_id = $2 OR idempotency_key = $3)
