-- Calls of each given tenant, and the sum of their charges in micro-credits (not positive).
SELECT t.user_id AS "user_id!",
       (SELECT count(*) FROM public.calls c WHERE c.user_id = t.user_id) AS "calls!",
       (SELECT coalesce(sum(x.amount_micros), 0)::bigint
        FROM public.credit_transactions x
        WHERE x.user_id = t.user_id AND x.call_id IS NOT NULL) AS "credit_change_micros!"
FROM unnest($1::uuid[]) AS t (user_id)
