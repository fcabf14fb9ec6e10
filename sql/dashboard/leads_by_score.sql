-- Returns the contacts of tenant $1 with a score, the best first, at most $4, behind ($2, $3) if not null.
SELECT k.id, k.name, k.phone_number, k.email, k.company, k.is_customer, k.last_contact_at,
       a.total_score, a.score_scale AS "score_scale?", a.quality, a.lead_status_tag, a.company_name
FROM public.lead_analytics a
JOIN public.contacts k ON k.user_id = a.user_id AND k.id = a.contact_id
WHERE a.user_id = $1 AND a.analysis_type = 'complete' AND a.total_score IS NOT NULL
  AND ($2::integer IS NULL OR (a.total_score, a.contact_id) < ($2, $3::uuid))
ORDER BY a.total_score DESC, a.contact_id DESC
LIMIT $4
