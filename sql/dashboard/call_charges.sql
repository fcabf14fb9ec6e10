-- Returns the ledger entries of the call $2 of tenant $1, oldest first.
SELECT entry_no, type AS kind, amount_micros, balance_after_micros, description, created_at
FROM public.credit_transactions
WHERE user_id = $1 AND call_id = $2
ORDER BY entry_no
LIMIT 200
