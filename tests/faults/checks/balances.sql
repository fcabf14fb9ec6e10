-- Tenants whose balance is not the sum of their ledger.
SELECT concat_ws(' ', 'tenant', u.id, 'has', u.credits_micros, 'and its ledger', coalesce(sum(t.amount_micros), 0))
FROM public.users u
LEFT JOIN public.credit_transactions t ON t.user_id = u.id
GROUP BY u.id
HAVING u.credits_micros <> coalesce(sum(t.amount_micros), 0)
