-- Returns $5 follow-ups of the tenant $1 with the status $2 after ($3, $4), by date.
SELECT id, follow_up_date, follow_up_status AS status, source, lead_name, lead_phone, lead_email, remark, call_id, reminded_date,
       completed_at, created_at
FROM public.follow_ups
WHERE user_id = $1 AND follow_up_status = $2 AND (follow_up_date, id) > ($3, $4::uuid)
ORDER BY follow_up_date, id
LIMIT $5
