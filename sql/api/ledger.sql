-- Returns $3 entries of the ledger of the tenant $1 before the number $2, the newest first.
SELECT id, entry_no, type AS kind, amount_micros, balance_after_micros, description, call_id, created_at
FROM public.credit_transactions
WHERE user_id = $1 AND entry_no < $2
ORDER BY entry_no DESC
LIMIT $3
