-- Returns what the calls of tenant $1 cost, what the ledger charged for them (micro-credits), and how many calls differ.
SELECT coalesce(sum(c.credits_micros), 0)::bigint AS "calls_micros!",
       coalesce(sum(l.charged_micros), 0)::bigint AS "charged_micros!",
       count(*) FILTER (WHERE c.credits_micros <> coalesce(l.charged_micros, 0)) AS "calls_charged_wrongly!"
FROM public.calls c
LEFT JOIN (
    SELECT call_id, -sum(amount_micros) AS charged_micros
    FROM public.credit_transactions
    WHERE user_id = $1 AND call_id IS NOT NULL
    GROUP BY call_id
) l ON l.call_id = c.id
WHERE c.user_id = $1
