-- Changes a pending follow-up by hand; returns its date before. $1 tenant, $2 follow-up, $3 status, $4 date or null: as it is,
-- $5 who completes it or null.
UPDATE public.follow_ups f
SET follow_up_status = $3::text, follow_up_date = coalesce($4, f.follow_up_date), edited_at = b.at,
    completed_at = CASE WHEN $3::text = 'completed' THEN b.at END, completed_by = $5
FROM (
    SELECT p.user_id, p.id, p.follow_up_date, now() AS at
    FROM public.follow_ups p WHERE p.user_id = $1 AND p.id = $2 AND p.follow_up_status = 'pending'
    FOR NO KEY UPDATE
) b
WHERE f.user_id = b.user_id AND f.id = b.id
RETURNING b.follow_up_date AS "date_before!"
