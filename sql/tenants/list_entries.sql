-- The newest ledger entries of tenant $1, at most $2, newest first.
SELECT id, entry_no, type AS kind, amount_micros, balance_after_micros, description, stripe_payment_id AS payment_id, call_id, created_at
FROM public.credit_transactions
WHERE user_id = $1
ORDER BY entry_no DESC
LIMIT $2
