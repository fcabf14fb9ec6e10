-- Returns the follow-ups of tenant $1 in the status $2 on days from $3 to $4, the latest first, at most $7, behind ($5, $6) if not null.
SELECT f.id, f.follow_up_date, f.follow_up_status AS status, f.source, f.lead_name, f.lead_phone, f.lead_email, f.remark, f.call_id,
       f.completed_at, k.id AS "contact_id?"
FROM public.follow_ups f
LEFT JOIN public.contacts k ON k.user_id = f.user_id AND k.phone_e164 = f.phone_e164
WHERE f.user_id = $1 AND f.follow_up_status = $2 AND f.follow_up_date >= $3 AND f.follow_up_date <= $4
  AND ($5::date IS NULL OR (f.follow_up_date, f.id) < ($5, $6::uuid))
ORDER BY f.follow_up_date DESC, f.id DESC
LIMIT $7
