-- Returns what the figures of the days of the agents of tenant $1 in [$2, $3) depend on, as one text: how often the days were
-- recomputed, and when the agents themselves changed. The text is another one when a figure or an agent is.
SELECT concat_ws('-', b.buckets, b.generations, a.agents, a.changed) AS "stamp!"
FROM (
    SELECT count(*) AS buckets, coalesce(sum(generation), 0) AS generations
    FROM tally.rollup_buckets WHERE user_id = $1 AND tier = 2 AND bucket_start >= $2 AND bucket_start < $3
) b
CROSS JOIN (
    SELECT count(*) AS agents, coalesce(sum(extract(epoch FROM updated_at)), 0) AS changed FROM public.agents WHERE user_id = $1
) a
