-- Calls of each given tenant, and the sum of their charges in micro-credits (not positive).
SELECT t.user_id AS "user_id!",
       (SELECT count(*) FROM public.calls c WHERE c.user_id = t.user_id) AS "calls!",
       (SELECT coalesce(sum(x.amount_micros), 0)::bigint
        FROM public.credit_transactions x
        WHERE x.user_id = t.user_id AND x.call_id IS NOT NULL) AS "credit_change_micros!",
       (SELECT count(*) FROM tally.call_legs l WHERE l.user_id = t.user_id) AS "call_legs!",
       k.contacts AS "contacts!", k.busy_dials AS "busy_dials!", k.no_answer_dials AS "no_answer_dials!",
       k.failed_dials AS "failed_dials!", k.not_connected AS "not_connected!"
FROM unnest($1::uuid[]) AS t (user_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS contacts, coalesce(sum(c.call_attempted_busy), 0) AS busy_dials,
           coalesce(sum(c.call_attempted_no_answer), 0) AS no_answer_dials,
           coalesce(sum(c.call_attempted_failed), 0) AS failed_dials, coalesce(sum(c.not_connected), 0) AS not_connected
    FROM public.contacts c WHERE c.user_id = t.user_id
) k
