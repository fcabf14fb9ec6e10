-- Returns the contacts of tenant $1 that calls were with, the last one first, at most $4, behind ($2, $3) if not null.
SELECT k.id, k.name, k.phone_number, k.email, k.company, k.is_customer, k.last_contact_at,
       a.total_score, a.score_scale AS "score_scale?", a.quality, a.lead_status_tag, a.company_name
FROM public.contacts k
LEFT JOIN public.lead_analytics a ON a.user_id = k.user_id AND a.contact_id = k.id AND a.analysis_type = 'complete'
WHERE k.user_id = $1 AND k.last_contact_at IS NOT NULL
  AND ($2::timestamptz IS NULL OR (k.last_contact_at, k.id) < ($2, $3::uuid))
ORDER BY k.last_contact_at DESC, k.id DESC
LIMIT $4
