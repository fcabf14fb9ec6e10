-- Returns of tenant $1 the balance, the sum of all ledger entries (micro-credits), and how many entries do not follow from
-- the one before them, the first one from nothing.
SELECT u.credits_micros,
       coalesce(sum(e.amount_micros), 0)::bigint AS "ledger_micros!",
       count(*) FILTER (WHERE e.balance_after_micros <> e.balance_before_micros + e.amount_micros) AS "entries_out_of_chain!"
FROM public.users u
LEFT JOIN (
    SELECT x.user_id, x.amount_micros, x.balance_after_micros,
           lag(x.balance_after_micros, 1, 0::bigint) OVER (ORDER BY x.entry_no) AS balance_before_micros
    FROM public.credit_transactions x
    WHERE x.user_id = $1
) e ON e.user_id = u.id
WHERE u.id = $1
GROUP BY u.credits_micros
