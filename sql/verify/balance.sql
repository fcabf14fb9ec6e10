-- Returns the balance of tenant $1 and what its newest ledger entry says it is (null without entries), in micro-credits.
SELECT u.credits_micros,
       (SELECT x.balance_after_micros FROM public.credit_transactions x WHERE x.user_id = u.id
        ORDER BY x.entry_no DESC LIMIT 1) AS balance_after_micros
FROM public.users u
WHERE u.id = $1
