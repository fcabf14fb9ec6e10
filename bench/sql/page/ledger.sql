-- Charges the calls of the tenant $1 in their order, after a purchase that pays for them.
WITH used AS (
    SELECT coalesce(sum(credits_micros), 0)::bigint AS micros FROM public.calls WHERE user_id = $1
), tenant AS (
    UPDATE public.users u SET credits_micros = 1000000000 FROM used WHERE u.id = $1
)
INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no, created_at)
SELECT $1, e.type, e.amount, sum(e.amount) OVER (ORDER BY e.at, e.call_id) - e.before, e.description, e.call_id, e.charge_no, e.at
FROM (
    SELECT 'purchase' AS type, used.micros + 1000000000 AS amount, 0 AS before, 'Credits bought' AS description, NULL::uuid AS call_id,
           NULL::integer AS charge_no, now() - interval '100 days' AS at
    FROM used
    UNION ALL
    SELECT 'usage', -c.credits_micros, 0, 'Call of ' || c.duration_minutes || ' min', c.id, 0, c.started_at
    FROM public.calls c WHERE c.user_id = $1 AND c.credits_micros > 0
) e
ORDER BY e.at, e.call_id
