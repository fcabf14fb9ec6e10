-- Every figure of every row of the three roll-up tables, in the order of their keys, as one digest; and how many rows there are.
-- Left out is what tells of the writing and not of the calls: ids, times of writing, generations.
SELECT md5(string_agg(md5(line), '' ORDER BY tbl, user_id, agent_id, grain, bucket_start)) AS digest, count(*) AS rows
FROM (
    SELECT 1 AS tbl, user_id, agent_id, 'quarter' AS grain, bucket_start, (to_jsonb(r) - 'generation')::text AS line
    FROM tally.quarter_rollups r
    UNION ALL
    SELECT 2, user_id, agent_id, grain, bucket_start, (to_jsonb(r) - ARRAY['id', 'generation', 'created_at', 'updated_at'])::text
    FROM public.agent_analytics r
    UNION ALL
    SELECT 3, user_id, NULL, grain, bucket_start, (to_jsonb(r) - ARRAY['id', 'generation', 'created_at', 'updated_at'])::text
    FROM public.user_analytics r
) t
