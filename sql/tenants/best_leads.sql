-- Returns the $2 contacts of tenant $1 with the best scores that are no customers, and the tenant's day.
SELECT k.id AS contact_id, k.name, k.phone_number, (now() AT TIME ZONE u.timezone)::date AS "today!"
FROM public.lead_analytics a
JOIN public.contacts k ON k.user_id = a.user_id AND k.id = a.contact_id
JOIN public.users u ON u.id = a.user_id
WHERE a.user_id = $1 AND a.analysis_type = 'complete' AND a.total_score IS NOT NULL AND NOT k.is_customer
ORDER BY a.total_score DESC, a.contact_id
LIMIT $2
