-- Marks every contact of tenant $1 that has a complete analysis.
INSERT INTO tally.lead_marks (user_id, contact_id)
SELECT l.user_id, l.contact_id
FROM public.lead_analytics l
WHERE l.user_id = $1 AND l.analysis_type = 'complete'
