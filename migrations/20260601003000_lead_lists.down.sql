DROP INDEX public.contacts_last_contact_idx;
DROP INDEX public.lead_analytics_score_idx;
