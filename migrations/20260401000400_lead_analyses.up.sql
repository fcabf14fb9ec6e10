-- Analyses that are made here: what each tenant wants, what is to be done, what it
-- costs; and the complete analysis of each contact.

-- ---------------------------------------------------------------------------
-- Settings of a tenant. No row is the same as `off`.
-- ---------------------------------------------------------------------------

CREATE SEQUENCE tally.analysis_turn_seq;
CREATE TABLE tally.analysis_settings (
    user_id                     uuid        PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
    provider                    text        NOT NULL DEFAULT 'off',
    -- Of an OpenAI-compatible endpoint, without /chat/completions.
    base_url                    text,
    model                       text,
    -- Sealed with the configuration's key; null for endpoints that want none.
    sealed_api_key              bytea,
    max_output_tokens           integer     NOT NULL DEFAULT 1000,
    input_price_micros          bigint,
    output_price_micros         bigint,
    daily_cap_micros            bigint,
    concurrency                 integer     NOT NULL DEFAULT 2,
    turn                        bigint      NOT NULL DEFAULT 0,
    updated_at                  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT analysis_settings_provider_check CHECK (provider IN ('bolna', 'openai', 'webhook', 'rules', 'off')),
    CONSTRAINT analysis_settings_openai_check CHECK (provider <> 'openai' OR (base_url IS NOT NULL AND model IS NOT NULL)),
    CONSTRAINT analysis_settings_base_url_check CHECK (base_url ~ '^https?://[^/]' AND base_url !~ '/$'),
    CONSTRAINT analysis_settings_model_check CHECK (model <> ''),
    CONSTRAINT analysis_settings_tokens_check CHECK (max_output_tokens BETWEEN 100 AND 100000),
    CONSTRAINT analysis_settings_prices_check CHECK (input_price_micros >= 0 AND output_price_micros >= 0),
    -- What costs nobody knows what cannot be capped.
    CONSTRAINT analysis_settings_cap_check CHECK (daily_cap_micros IS NULL
        OR (daily_cap_micros >= 0 AND input_price_micros IS NOT NULL AND output_price_micros IS NOT NULL)),
    CONSTRAINT analysis_settings_concurrency_check CHECK (concurrency BETWEEN 1 AND 64)
);
COMMENT ON COLUMN tally.analysis_settings.input_price_micros IS 'Of a million tokens, in micro-units; output_price_micros likewise.';
COMMENT ON COLUMN tally.analysis_settings.daily_cap_micros IS 'Most that a day of the tenant''s zone may cost, in micro-units.';

CREATE TABLE tally.analysis_spend (
    user_id         uuid    NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    spent_on        date    NOT NULL,
    spent_micros    bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, spent_on),
    CONSTRAINT analysis_spend_check CHECK (spent_micros >= 0)
);
COMMENT ON TABLE tally.analysis_spend IS 'Cost by local day. A request counts with the most that it may cost until its cost is known; if its process dies, it stays so.';

-- ---------------------------------------------------------------------------
-- Work: a row a call, and a row a contact for the analysis of all its calls.
-- ---------------------------------------------------------------------------

CREATE SEQUENCE tally.analysis_claim_seq;
CREATE TABLE tally.call_analyses (
    user_id         uuid        NOT NULL,
    call_id         uuid        NOT NULL,
    state           text        NOT NULL DEFAULT 'pending',
    provider        text        NOT NULL,
    -- Of what is analysed; other input is other work.
    input_sha256    bytea       NOT NULL,
    -- The time that the result carries: of the call's events, later with each new input.
    analyzed_at     timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    not_before      timestamptz NOT NULL DEFAULT '-infinity',
    wait_reason     text,
    claim           bigint,
    claimed_until   timestamptz,
    error_code      text,
    error_detail    text,
    model           text,
    input_tokens    bigint      NOT NULL DEFAULT 0,
    output_tokens   bigint      NOT NULL DEFAULT 0,
    cost_micros     bigint      NOT NULL DEFAULT 0,
    requested_at    timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    PRIMARY KEY (user_id, call_id),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id) ON DELETE CASCADE,
    CONSTRAINT call_analyses_state_check CHECK (state IN ('pending', 'claimed', 'succeeded', 'failed', 'skipped')),
    CONSTRAINT call_analyses_provider_check CHECK (provider IN ('bolna', 'openai', 'rules')),
    CONSTRAINT call_analyses_input_check CHECK (length(input_sha256) = 32),
    CONSTRAINT call_analyses_wait_check CHECK (wait_reason IN ('retry', 'spending_cap') AND (wait_reason IS NULL OR state = 'pending')),
    CONSTRAINT call_analyses_claim_check CHECK ((state = 'claimed') = (claim IS NOT NULL) AND (claim IS NULL) = (claimed_until IS NULL)),
    CONSTRAINT call_analyses_error_check CHECK (error_code ~ '^[a-z_]{3,40}$' AND (state NOT IN ('failed', 'skipped') OR error_code IS NOT NULL)),
    CONSTRAINT call_analyses_detail_check CHECK (length(error_detail) <= 500),
    CONSTRAINT call_analyses_finished_check CHECK ((state IN ('succeeded', 'failed', 'skipped')) = (finished_at IS NOT NULL)),
    CONSTRAINT call_analyses_counts_check CHECK (attempts >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND cost_micros >= 0)
);
COMMENT ON TABLE tally.call_analyses IS 'Analyses of calls: to be made, under way, ended. The results are events of the inbox; error_detail never holds a transcript.';
COMMENT ON COLUMN tally.call_analyses.cost_micros IS 'Of all requests for the present input; likewise the tokens.';
CREATE INDEX call_analyses_pending_idx ON tally.call_analyses (user_id, not_before, call_id) WHERE state = 'pending';
CREATE INDEX call_analyses_claimed_idx ON tally.call_analyses (user_id, claimed_until) WHERE state = 'claimed';

-- Its lock is what serialises the folds of a contact.
CREATE TABLE tally.contact_analyses (
    user_id         uuid        NOT NULL,
    contact_id      uuid        NOT NULL,
    generation      bigint      NOT NULL DEFAULT 0,
    state           text        NOT NULL DEFAULT 'idle',
    -- What is to be analysed, or was; and what `result` is the analysis of.
    input_sha256    bytea,
    result          jsonb,
    result_sha256   bytea,
    attempts        integer     NOT NULL DEFAULT 0,
    not_before      timestamptz NOT NULL DEFAULT '-infinity',
    wait_reason     text,
    claim           bigint,
    claimed_until   timestamptz,
    error_code      text,
    error_detail    text,
    model           text,
    input_tokens    bigint      NOT NULL DEFAULT 0,
    output_tokens   bigint      NOT NULL DEFAULT 0,
    cost_micros     bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, contact_id),
    FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts (user_id, id) ON DELETE CASCADE,
    CONSTRAINT contact_analyses_state_check CHECK (state IN ('idle', 'pending', 'claimed', 'succeeded', 'failed')),
    CONSTRAINT contact_analyses_input_check CHECK (length(input_sha256) = 32 AND (state = 'idle') = (input_sha256 IS NULL)),
    CONSTRAINT contact_analyses_result_check CHECK (length(result_sha256) = 32 AND (result IS NULL) = (result_sha256 IS NULL)),
    CONSTRAINT contact_analyses_wait_check CHECK (wait_reason IN ('retry', 'spending_cap') AND (wait_reason IS NULL OR state = 'pending')),
    CONSTRAINT contact_analyses_claim_check CHECK ((state = 'claimed') = (claim IS NOT NULL) AND (claim IS NULL) = (claimed_until IS NULL)),
    CONSTRAINT contact_analyses_error_check CHECK (error_code ~ '^[a-z_]{3,40}$' AND (state <> 'failed' OR error_code IS NOT NULL)),
    CONSTRAINT contact_analyses_detail_check CHECK (length(error_detail) <= 500),
    CONSTRAINT contact_analyses_counts_check CHECK (attempts >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND cost_micros >= 0)
);
COMMENT ON TABLE tally.contact_analyses IS 'The fold of each contact''s analyses; for provider openai also the request that looks at all of its calls. Without a result for the present input the fold stands.';
CREATE INDEX contact_analyses_pending_idx ON tally.contact_analyses (user_id, not_before, contact_id) WHERE state = 'pending';
CREATE INDEX contact_analyses_claimed_idx ON tally.contact_analyses (user_id, claimed_until) WHERE state = 'claimed';

-- ---------------------------------------------------------------------------
-- The complete row of a contact.
-- ---------------------------------------------------------------------------

-- They are made anew from the individual ones: see the marks at the end.
DELETE FROM public.lead_analytics WHERE analysis_type = 'complete';
DROP INDEX public.lead_analytics_complete_key;
ALTER TABLE public.lead_analytics
    ADD COLUMN contact_id uuid,
    ADD COLUMN previous_calls_analyzed integer NOT NULL DEFAULT 0,
    -- No foreign key: like call_id it is the newest call, which the fold keeps right.
    ADD COLUMN latest_call_id uuid,
    ADD COLUMN transcript_summary text,
    ADD CONSTRAINT lead_analytics_contact_check CHECK ((analysis_type = 'complete') = (contact_id IS NOT NULL)),
    ADD CONSTRAINT lead_analytics_previous_calls_check CHECK (previous_calls_analyzed >= 0),
    ADD FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts (user_id, id) ON DELETE CASCADE;
CREATE UNIQUE INDEX lead_analytics_complete_key ON public.lead_analytics (user_id, contact_id) WHERE analysis_type = 'complete';

ALTER TABLE public.transcripts DROP CONSTRAINT transcripts_analysis_status_check;
ALTER TABLE public.transcripts ADD CONSTRAINT transcripts_analysis_status_check
    CHECK (analysis_status IN ('pending', 'completed', 'failed', 'skipped', 'off'));

-- ---------------------------------------------------------------------------
-- Marks: "this contact's analyses changed". Append-only, like those of buckets.
-- ---------------------------------------------------------------------------

CREATE SEQUENCE tally.lead_mark_seq;
CREATE TABLE tally.lead_marks (
    user_id     uuid        NOT NULL,
    seq         bigint      NOT NULL DEFAULT nextval('tally.lead_mark_seq'),
    contact_id  uuid        NOT NULL,
    marked_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lead_marks_contact_idx ON tally.lead_marks (user_id, contact_id);
CREATE INDEX lead_marks_seq_idx ON tally.lead_marks (seq);

-- A lead counts for the contact of its call. The calls are locked before their
-- contact is read: a call that goes to another contact at the same moment would
-- take its lead along unmarked. Whether a lead was read changes nothing.
CREATE FUNCTION tally.mark_contacts_of_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    changed_users uuid[];
    changed_calls uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO changed_users, changed_calls
        FROM (SELECT DISTINCT user_id, call_id FROM new_rows WHERE analysis_type = 'individual') d;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO changed_users, changed_calls
        FROM (SELECT DISTINCT user_id, call_id FROM old_rows WHERE analysis_type = 'individual') d;
    ELSE
        SELECT array_agg(user_id), array_agg(call_id) INTO changed_users, changed_calls
        FROM (
            SELECT DISTINCT side.user_id, side.call_id
            FROM old_rows o
            FULL JOIN new_rows n ON n.user_id = o.user_id AND n.id = o.id
            CROSS JOIN LATERAL (VALUES (o.user_id, o.call_id), (n.user_id, n.call_id)) AS side (user_id, call_id)
            WHERE side.user_id IS NOT NULL
              AND 'individual' IN (o.analysis_type, n.analysis_type)
              AND (o.id, o.call_id, o.analysis_type, o.intent_level, o.intent_score, o.urgency_level, o.urgency_score, o.budget_constraint,
                   o.budget_score, o.fit_alignment, o.fit_score, o.engagement_health, o.engagement_score, o.total_score, o.score_scale,
                   o.dimension_scale, o.quality, o.lead_status_tag, o.reasoning, o.company_name, o.extracted_name, o.extracted_email,
                   o.cta_pricing_clicked, o.cta_demo_clicked, o.cta_followup_clicked, o.cta_sample_clicked, o.cta_escalated_to_human,
                   o.smart_notification, o.demo_book_datetime, o.analysis_timestamp, o.transcript_summary)
                  IS DISTINCT FROM
                  (n.id, n.call_id, n.analysis_type, n.intent_level, n.intent_score, n.urgency_level, n.urgency_score, n.budget_constraint,
                   n.budget_score, n.fit_alignment, n.fit_score, n.engagement_health, n.engagement_score, n.total_score, n.score_scale,
                   n.dimension_scale, n.quality, n.lead_status_tag, n.reasoning, n.company_name, n.extracted_name, n.extracted_email,
                   n.cta_pricing_clicked, n.cta_demo_clicked, n.cta_followup_clicked, n.cta_sample_clicked, n.cta_escalated_to_human,
                   n.smart_notification, n.demo_book_datetime, n.analysis_timestamp, n.transcript_summary)
        ) d;
    END IF;
    IF changed_calls IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM FROM public.calls
    WHERE (user_id, id) IN (SELECT * FROM unnest(changed_users, changed_calls))
    ORDER BY user_id, id
    FOR SHARE;
    INSERT INTO tally.lead_marks (user_id, contact_id)
    SELECT DISTINCT c.user_id, c.contact_id
    FROM unnest(changed_users, changed_calls) AS k (user_id, call_id)
    JOIN public.calls c ON c.user_id = k.user_id AND c.id = k.call_id
    WHERE c.contact_id IS NOT NULL;
    RETURN NULL;
END $$;

-- Calls that go to another contact, take another place among its calls, or go.
CREATE FUNCTION tally.mark_contacts_of_calls() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO tally.lead_marks (user_id, contact_id)
        SELECT DISTINCT n.user_id, side.contact_id
        FROM old_rows o
        JOIN new_rows n ON n.user_id = o.user_id AND n.id = o.id
        CROSS JOIN LATERAL (VALUES (o.contact_id), (n.contact_id)) AS side (contact_id)
        WHERE side.contact_id IS NOT NULL
          AND (o.contact_id, o.started_at) IS DISTINCT FROM (n.contact_id, n.started_at)
          AND EXISTS (SELECT FROM public.lead_analytics l
                      WHERE l.user_id = n.user_id AND l.call_id = n.id AND l.analysis_type = 'individual');
    ELSE
        INSERT INTO tally.lead_marks (user_id, contact_id)
        SELECT DISTINCT o.user_id, o.contact_id
        FROM old_rows o
        WHERE o.contact_id IS NOT NULL AND EXISTS (SELECT FROM public.users u WHERE u.id = o.user_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.mark_contacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.lead_marks (user_id, contact_id)
    SELECT n.user_id, n.id
    FROM old_rows o
    JOIN new_rows n ON n.user_id = o.user_id AND n.id = o.id
    WHERE (o.phone_e164, o.phone_number) IS DISTINCT FROM (n.phone_e164, n.phone_number)
      AND EXISTS (SELECT FROM public.lead_analytics l
                  WHERE l.user_id = n.user_id AND l.contact_id = n.id AND l.analysis_type = 'complete');
    RETURN NULL;
END $$;

-- By their names these come after leads_mark_… and calls_mark_….
CREATE TRIGGER leads_note_inserted AFTER INSERT ON public.lead_analytics
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_leads();
CREATE TRIGGER leads_note_updated AFTER UPDATE ON public.lead_analytics
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_leads();
CREATE TRIGGER leads_note_deleted AFTER DELETE ON public.lead_analytics
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_leads();
CREATE TRIGGER calls_note_updated AFTER UPDATE ON public.calls
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_calls();
CREATE TRIGGER calls_note_deleted AFTER DELETE ON public.calls
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_calls();
CREATE TRIGGER contacts_note_updated AFTER UPDATE ON public.contacts
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts();

CREATE FUNCTION tally.forget_lead_marks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    DELETE FROM tally.lead_marks WHERE user_id IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$;
CREATE TRIGGER users_forget_leads AFTER DELETE ON public.users
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.forget_lead_marks();

-- ---------------------------------------------------------------------------
-- Another scale or other thresholds, whoever sets them: leads are put into their
-- bands anew. The request commits with the change.
-- ---------------------------------------------------------------------------

CREATE FUNCTION tally.request_requalification() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    PERFORM tally.request_job('requalify_leads', 'tenant', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER users_requalify AFTER UPDATE OF score_scale, dimension_scale, hot_threshold_percent, warm_threshold_percent, cold_threshold_percent
    ON public.users FOR EACH ROW
    WHEN ((OLD.score_scale, OLD.dimension_scale, OLD.hot_threshold_percent, OLD.warm_threshold_percent, OLD.cold_threshold_percent)
          IS DISTINCT FROM
          (NEW.score_scale, NEW.dimension_scale, NEW.hot_threshold_percent, NEW.warm_threshold_percent, NEW.cold_threshold_percent))
    EXECUTE FUNCTION tally.request_requalification();

-- Only individual analyses are counted, so only they are frozen: the complete row of
-- a contact goes on with its newer calls.
CREATE OR REPLACE FUNCTION tally.refuse_frozen_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    tenants uuid[];
    changed uuid[];
    frozen_tenant uuid;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed FROM new_rows WHERE analysis_type = 'individual';
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed FROM old_rows WHERE analysis_type = 'individual';
    ELSE
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed
        FROM (SELECT user_id, call_id FROM old_rows WHERE analysis_type = 'individual'
              UNION SELECT user_id, call_id FROM new_rows WHERE analysis_type = 'individual') both_sides;
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

-- Contacts that have analyses already.
INSERT INTO tally.lead_marks (user_id, contact_id)
SELECT DISTINCT c.user_id, c.contact_id
FROM public.lead_analytics l
JOIN public.calls c ON c.user_id = l.user_id AND c.id = l.call_id
WHERE l.analysis_type = 'individual' AND c.contact_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON tally.analysis_settings, tally.analysis_spend, tally.call_analyses, tally.contact_analyses,
    tally.lead_marks TO tallyline_worker;
GRANT USAGE, SELECT ON SEQUENCE tally.analysis_turn_seq, tally.analysis_claim_seq, tally.lead_mark_seq TO tallyline_worker;
REVOKE EXECUTE ON FUNCTION tally.mark_contacts_of_leads, tally.mark_contacts_of_calls, tally.mark_contacts, tally.forget_lead_marks,
    tally.request_requalification FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.mark_contacts_of_leads, tally.mark_contacts_of_calls, tally.mark_contacts, tally.forget_lead_marks,
    tally.request_requalification TO tallyline_worker;
