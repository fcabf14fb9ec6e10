DROP TRIGGER users_requalify ON public.users;
DROP TRIGGER users_forget_leads ON public.users;
DROP TRIGGER contacts_note_updated ON public.contacts;
DROP TRIGGER calls_note_updated ON public.calls;
DROP TRIGGER calls_note_deleted ON public.calls;
DROP TRIGGER leads_note_inserted ON public.lead_analytics;
DROP TRIGGER leads_note_updated ON public.lead_analytics;
DROP TRIGGER leads_note_deleted ON public.lead_analytics;
DROP FUNCTION tally.request_requalification;
DROP FUNCTION tally.forget_lead_marks;
DROP FUNCTION tally.mark_contacts;
DROP FUNCTION tally.mark_contacts_of_calls;
DROP FUNCTION tally.mark_contacts_of_leads;

CREATE OR REPLACE FUNCTION tally.refuse_frozen_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    tenants uuid[];
    changed uuid[];
    frozen_tenant uuid;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed FROM old_rows;
    ELSE
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed
        FROM (SELECT user_id, call_id FROM old_rows UNION SELECT user_id, call_id FROM new_rows) both_sides;
    END IF;
    PERFORM tally.hold_tenants(tenants);
    SELECT h.user_id INTO frozen_tenant
    FROM unnest(tenants, changed) AS k (user_id, call_id)
    JOIN tally.history_horizons h ON h.user_id = k.user_id
    JOIN public.users u ON u.id = k.user_id
    JOIN public.calls c ON c.user_id = k.user_id AND c.id = k.call_id AND c.started_at < h.frozen_before
    LIMIT 1;
    IF frozen_tenant IS NOT NULL THEN
        PERFORM tally.refuse_frozen(frozen_tenant);
    END IF;
    RETURN NULL;
END $$;

UPDATE public.transcripts SET analysis_status = 'pending' WHERE analysis_status IN ('skipped', 'off');
ALTER TABLE public.transcripts DROP CONSTRAINT transcripts_analysis_status_check;
ALTER TABLE public.transcripts ADD CONSTRAINT transcripts_analysis_status_check CHECK (analysis_status IN ('pending', 'completed', 'failed'));

DELETE FROM public.lead_analytics WHERE analysis_type = 'complete';
DROP INDEX public.lead_analytics_complete_key;
ALTER TABLE public.lead_analytics
    DROP COLUMN contact_id,
    DROP COLUMN previous_calls_analyzed,
    DROP COLUMN latest_call_id,
    DROP COLUMN transcript_summary;
CREATE UNIQUE INDEX lead_analytics_complete_key ON public.lead_analytics (user_id, phone_number) WHERE analysis_type = 'complete';

DROP TABLE tally.lead_marks;
DROP SEQUENCE tally.lead_mark_seq;
DROP TABLE tally.contact_analyses;
DROP TABLE tally.call_analyses;
DROP SEQUENCE tally.analysis_claim_seq;
DROP TABLE tally.analysis_spend;
DROP TABLE tally.analysis_settings;
DROP SEQUENCE tally.analysis_turn_seq;
