-- Returns a tenant's follow-ups, the next first, with the contact of the number. $1 tenant, $2 status or null, $3 rows.
SELECT f.id, f.follow_up_date, f.follow_up_status AS status, f.source, f.lead_phone, f.phone_e164, f.lead_email, f.lead_name, f.remark,
       f.call_id, c.id AS "contact_id?", f.edited_at, f.reminded_date, f.completed_at
FROM public.follow_ups f
LEFT JOIN public.contacts c ON c.user_id = f.user_id AND c.phone_e164 = f.phone_e164
WHERE f.user_id = $1 AND f.follow_up_status = coalesce($2, f.follow_up_status)
ORDER BY f.follow_up_date, f.created_at, f.id
LIMIT $3
