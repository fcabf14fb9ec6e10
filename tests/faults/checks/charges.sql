-- Calls whose charges are not what they cost.
SELECT concat_ws(' ', 'call', c.id, 'costs', c.credits_micros, 'and was charged', coalesce(-t.charged, 0))
FROM public.calls c
LEFT JOIN (
    SELECT user_id, call_id, sum(amount_micros) AS charged FROM public.credit_transactions
    WHERE call_id IS NOT NULL GROUP BY user_id, call_id
) t ON t.user_id = c.user_id AND t.call_id = c.id
WHERE c.credits_micros <> -coalesce(t.charged, 0)
