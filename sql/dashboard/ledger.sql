-- Returns the ledger of tenant $1, the newest entry first, at most $3, before the entry $2 if not null.
SELECT entry_no, type AS kind, amount_micros, balance_after_micros, description, call_id, created_at
FROM public.credit_transactions
WHERE user_id = $1 AND ($2::bigint IS NULL OR entry_no < $2)
ORDER BY entry_no DESC
LIMIT $3
