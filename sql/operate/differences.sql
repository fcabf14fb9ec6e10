-- Returns tenants with differences that a verification found and that are kept, the newest first, at most $1: how many, those of
-- samples, when the newest was found, up to five of the figures.
SELECT u.id AS "user_id!", u.name AS "name!", d.differences AS "differences!", d.sampled AS "sampled!", d.newest AS "newest!",
       d.figures AS "figures!"
FROM (
    SELECT user_id, count(*) AS differences, count(*) FILTER (WHERE found_by = 'sample') AS sampled, max(detected_at) AS newest,
           array_to_string((array_agg(DISTINCT figure))[1:5], ', ') AS figures
    FROM tally.audit_differences
    GROUP BY user_id
) d
JOIN public.users u ON u.id = d.user_id
ORDER BY d.newest DESC, u.id
LIMIT $1
