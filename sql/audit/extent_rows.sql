-- Returns now, and the first and last instant of tenant $1 at which there is a quarter or a row of grain $2; nulls when
-- there is none.
SELECT now() AS "now!",
       least((SELECT min(r.bucket_start) FROM tally.quarter_rollups r WHERE r.user_id = $1),
             (SELECT min(u.bucket_start) FROM public.user_analytics u WHERE u.user_id = $1 AND u.grain = $2),
             (SELECT min(a.bucket_start) FROM public.agent_analytics a WHERE a.user_id = $1 AND a.grain = $2)) AS first_instant,
       greatest((SELECT max(r.bucket_start) FROM tally.quarter_rollups r WHERE r.user_id = $1),
                (SELECT max(u.bucket_start) FROM public.user_analytics u WHERE u.user_id = $1 AND u.grain = $2),
                (SELECT max(a.bucket_start) FROM public.agent_analytics a WHERE a.user_id = $1 AND a.grain = $2)) AS last_instant
