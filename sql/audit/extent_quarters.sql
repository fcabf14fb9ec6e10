-- Returns now, and the first and last instant of tenant $1 at which there is a call or a quarter; nulls when there is none.
SELECT now() AS "now!",
       least((SELECT min(c.started_at) FROM public.calls c WHERE c.user_id = $1),
             (SELECT min(r.bucket_start) FROM tally.quarter_rollups r WHERE r.user_id = $1)) AS first_instant,
       greatest((SELECT max(c.started_at) FROM public.calls c WHERE c.user_id = $1),
                (SELECT max(r.bucket_start) FROM tally.quarter_rollups r WHERE r.user_id = $1)) AS last_instant
