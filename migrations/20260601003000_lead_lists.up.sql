-- The lists of leads, by score and by last contact, page by page.
CREATE INDEX lead_analytics_score_idx ON public.lead_analytics (user_id, total_score DESC, contact_id DESC)
WHERE analysis_type = 'complete' AND total_score IS NOT NULL;
CREATE INDEX contacts_last_contact_idx ON public.contacts (user_id, last_contact_at DESC, id DESC)
WHERE last_contact_at IS NOT NULL;
