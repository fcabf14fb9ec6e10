-- The tenant's tables: agents, calls and what hangs on them.
--
-- Every key starts with user_id, and every foreign key carries it, so a row of
-- one tenant cannot point at a row of another.

CREATE TABLE public.agents (
    user_id             uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                  uuid         NOT NULL DEFAULT gen_random_uuid(),
    name                varchar(255) NOT NULL,
    agent_type          varchar(50)  NOT NULL DEFAULT 'call',
    is_active           boolean      NOT NULL DEFAULT true,
    created_at          timestamptz  NOT NULL DEFAULT now(),
    updated_at          timestamptz  NOT NULL DEFAULT now(),
    description         text,
    bolna_agent_id      varchar(255) NOT NULL,
    bolna_webhook_url   text,
    bolna_voice_config  jsonb        DEFAULT '{}',
    bolna_llm_config    jsonb        DEFAULT '{}',
    bolna_task_config   jsonb        DEFAULT '{}',
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, bolna_agent_id),
    CONSTRAINT agents_agent_type_check CHECK (agent_type IN ('call', 'chat')),
    CONSTRAINT agents_bolna_agent_id_check CHECK (bolna_agent_id <> '')
);
CREATE TRIGGER agents_touch BEFORE UPDATE ON public.agents FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TABLE public.contacts (
    user_id                     uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                          uuid         NOT NULL DEFAULT gen_random_uuid(),
    name                        varchar(255) NOT NULL,
    phone_number                varchar(50)  NOT NULL,
    phone_e164                  varchar(16),
    email                       varchar(255),
    company                     varchar(255),
    notes                       text,
    created_at                  timestamptz  NOT NULL DEFAULT now(),
    updated_at                  timestamptz  NOT NULL DEFAULT now(),
    -- No foreign key: calls point at contacts, and a cycle cannot be distributed.
    auto_created_from_call_id   uuid,
    is_auto_created             boolean      NOT NULL DEFAULT false,
    auto_creation_source        varchar(50),
    is_customer                 boolean      NOT NULL DEFAULT false,
    not_connected               integer      NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, phone_number),
    UNIQUE (user_id, phone_e164),
    -- A NULL inside an IN list would accept everything; NULL is allowed by being NULL.
    CONSTRAINT contacts_auto_creation_source_check CHECK (auto_creation_source IN ('webhook', 'manual')),
    CONSTRAINT contacts_phone_e164_check CHECK (phone_e164 ~ '^\+[1-9][0-9]{6,14}$'),
    CONSTRAINT contacts_not_connected_check CHECK (not_connected >= 0)
);
CREATE INDEX contacts_email_idx ON public.contacts (user_id, lower(email)) WHERE email IS NOT NULL;
CREATE TRIGGER contacts_touch BEFORE UPDATE ON public.contacts FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TABLE public.calls (
    user_id                 uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                      uuid         NOT NULL DEFAULT gen_random_uuid(),
    agent_id                uuid         NOT NULL,
    contact_id              uuid,
    phone_number            varchar(50),
    duration_minutes        integer      NOT NULL DEFAULT 0,
    credits_micros          bigint       NOT NULL DEFAULT 0,
    credits_used            numeric(18, 6) GENERATED ALWAYS AS (credits_micros / 1000000.0) STORED,
    status                  varchar(50)  NOT NULL DEFAULT 'in_progress',
    outcome                 varchar(20)  NOT NULL DEFAULT 'in_progress',
    call_lifecycle_status   varchar(64)  NOT NULL DEFAULT 'initiated',
    recording_url           text,
    metadata                jsonb        NOT NULL DEFAULT '{}',
    created_at              timestamptz  NOT NULL DEFAULT now(),
    started_at              timestamptz  NOT NULL DEFAULT now(),
    completed_at            timestamptz,
    call_source             varchar(20)  NOT NULL DEFAULT 'phone',
    caller_name             varchar(255),
    caller_email            varchar(255),
    lead_type               varchar(20)  DEFAULT 'outbound',
    duration_seconds        integer      NOT NULL DEFAULT 0,
    updated_at              timestamptz  NOT NULL DEFAULT now(),
    bolna_execution_id      varchar(255),
    bolna_conversation_id   varchar(255),
    bolna_call_config       jsonb        DEFAULT '{}',
    bolna_voice_settings    jsonb        DEFAULT '{}',
    bolna_metadata          jsonb        DEFAULT '{}',
    attempt                 integer      NOT NULL DEFAULT 0,
    cost_micros             bigint       NOT NULL DEFAULT 0,
    billing_settled         boolean,
    -- The terms of the first charge; a later change of the tenant's price leaves old calls alone.
    billing_pulse_seconds   integer,
    credits_per_minute_micros bigint,
    hangup_by               varchar(64),
    hangup_reason           text,
    hangup_provider_code    bigint,
    ringing_started_at      timestamptz,
    call_answered_at        timestamptz,
    call_disconnected_at    timestamptz,
    summary                 text,
    flags                   text[]       NOT NULL DEFAULT '{}',
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, bolna_execution_id),
    FOREIGN KEY (user_id, agent_id) REFERENCES public.agents (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts (user_id, id),
    CONSTRAINT calls_credits_check CHECK (credits_micros >= 0),
    CONSTRAINT calls_cost_check CHECK (cost_micros >= 0),
    CONSTRAINT calls_duration_check CHECK (duration_seconds >= 0 AND duration_minutes >= 0),
    CONSTRAINT calls_attempt_check CHECK (attempt >= 0),
    CONSTRAINT calls_lead_type_check CHECK (lead_type IN ('inbound', 'outbound')),
    CONSTRAINT calls_source_check CHECK (call_source IN ('phone', 'internet', 'unknown')),
    CONSTRAINT calls_outcome_check CHECK (outcome IN
        ('answered', 'voicemail', 'no_answer', 'busy', 'failed', 'cancelled', 'in_progress')),
    -- `status` keeps the platform's four values and is derived from `outcome`.
    CONSTRAINT calls_status_check CHECK (status = CASE
        WHEN outcome IN ('answered', 'voicemail') THEN 'completed'
        WHEN outcome IN ('no_answer', 'busy', 'failed') THEN 'failed'
        ELSE outcome END)
);
COMMENT ON COLUMN public.calls.started_at IS 'initiated_at, else the provider''s created_at, else the receive time: the time of every bucket, for the call and its lead.';
COMMENT ON COLUMN public.calls.phone_number IS 'The customer''s number as the provider gave it; null for web calls.';
CREATE INDEX calls_started_at_idx ON public.calls (user_id, started_at);
CREATE INDEX calls_agent_started_at_idx ON public.calls (user_id, agent_id, started_at);
CREATE INDEX calls_contact_idx ON public.calls (user_id, contact_id) WHERE contact_id IS NOT NULL;
CREATE TRIGGER calls_touch BEFORE UPDATE ON public.calls FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TABLE public.transcripts (
    user_id             uuid        NOT NULL,
    id                  uuid        NOT NULL DEFAULT gen_random_uuid(),
    call_id             uuid        NOT NULL,
    content             text        NOT NULL,
    speaker_segments    jsonb       NOT NULL DEFAULT '[]',
    analysis_status     varchar(20) NOT NULL DEFAULT 'pending',
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, call_id),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id) ON DELETE CASCADE,
    CONSTRAINT transcripts_analysis_status_check CHECK (analysis_status IN ('pending', 'completed', 'failed'))
);
CREATE TRIGGER transcripts_touch BEFORE UPDATE ON public.transcripts FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

-- The ledger that lets contacts.not_connected count each unanswered Twilio call once.
CREATE TABLE public.twilio_processed_calls (
    user_id         uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id              uuid         NOT NULL DEFAULT gen_random_uuid(),
    twilio_call_sid varchar(255) NOT NULL,
    phone_number    varchar(50)  NOT NULL,
    call_status     varchar(50)  NOT NULL,
    processed_at    timestamptz  NOT NULL DEFAULT now(),
    contact_id      uuid,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, twilio_call_sid),
    FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts (user_id, id) ON DELETE CASCADE,
    CONSTRAINT twilio_processed_calls_sid_check CHECK (twilio_call_sid ~ '^CA[0-9a-f]{32}$'),
    CONSTRAINT twilio_processed_calls_status_check CHECK (call_status IN ('busy', 'no-answer', 'failed', 'canceled'))
);
CREATE INDEX twilio_processed_calls_processed_at_idx ON public.twilio_processed_calls (user_id, processed_at);

CREATE TABLE public.lead_analytics (
    user_id                 uuid         NOT NULL,
    id                      uuid         NOT NULL DEFAULT gen_random_uuid(),
    call_id                 uuid         NOT NULL,
    analysis_type           varchar(20)  NOT NULL DEFAULT 'individual',
    intent_level            varchar(50),
    intent_score            integer,
    urgency_level           varchar(50),
    urgency_score           integer,
    budget_constraint       varchar(50),
    budget_score            integer,
    fit_alignment           varchar(50),
    fit_score               integer,
    engagement_health       varchar(50),
    engagement_score        integer,
    total_score             integer,
    score_scale             smallint     NOT NULL DEFAULT 15,
    dimension_scale         smallint     NOT NULL DEFAULT 3,
    quality                 varchar(12),
    lead_status_tag         varchar(100),
    reasoning               jsonb        NOT NULL DEFAULT '{}',
    cta_interactions        jsonb        NOT NULL DEFAULT '{}',
    created_at              timestamptz  NOT NULL DEFAULT now(),
    updated_at              timestamptz  NOT NULL DEFAULT now(),
    company_name            varchar(255),
    extracted_name          varchar(255),
    extracted_email         varchar(255),
    cta_pricing_clicked     boolean      NOT NULL DEFAULT false,
    cta_demo_clicked        boolean      NOT NULL DEFAULT false,
    cta_followup_clicked    boolean      NOT NULL DEFAULT false,
    cta_sample_clicked      boolean      NOT NULL DEFAULT false,
    cta_escalated_to_human  boolean      NOT NULL DEFAULT false,
    smart_notification      text,
    demo_book_datetime      timestamptz,
    demo_scheduled_at       timestamptz,
    is_read                 boolean      NOT NULL DEFAULT false,
    phone_number            varchar(50),
    analysis_timestamp      timestamptz,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id) ON DELETE CASCADE,
    CONSTRAINT lead_analytics_type_check CHECK (analysis_type IN ('individual', 'complete')),
    CONSTRAINT lead_analytics_quality_check CHECK (quality IN ('hot', 'warm', 'cold', 'unqualified')),
    -- An analysis without a total has no quality, and one with a total has one.
    CONSTRAINT lead_analytics_quality_total_check CHECK ((quality IS NULL) = (total_score IS NULL)),
    CONSTRAINT lead_analytics_intent_score_check CHECK (intent_score BETWEEN 0 AND 100),
    CONSTRAINT lead_analytics_urgency_score_check CHECK (urgency_score BETWEEN 0 AND 100),
    CONSTRAINT lead_analytics_budget_score_check CHECK (budget_score BETWEEN 0 AND 100),
    CONSTRAINT lead_analytics_fit_score_check CHECK (fit_score BETWEEN 0 AND 100),
    CONSTRAINT lead_analytics_engagement_score_check CHECK (engagement_score BETWEEN 0 AND 100),
    CONSTRAINT lead_analytics_total_score_check CHECK (total_score BETWEEN 0 AND 100)
);
COMMENT ON COLUMN public.lead_analytics.quality IS 'Band of total_score as a percentage of the tenant''s scale; qualified = hot or warm.';
CREATE UNIQUE INDEX lead_analytics_individual_key ON public.lead_analytics (user_id, call_id) WHERE analysis_type = 'individual';
CREATE UNIQUE INDEX lead_analytics_complete_key ON public.lead_analytics (user_id, phone_number) WHERE analysis_type = 'complete';
CREATE TRIGGER lead_analytics_touch BEFORE UPDATE ON public.lead_analytics FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE SEQUENCE tally.credit_entry_seq;
CREATE TABLE public.credit_transactions (
    user_id                 uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                      uuid         NOT NULL DEFAULT gen_random_uuid(),
    entry_no                bigint       NOT NULL DEFAULT nextval('tally.credit_entry_seq'),
    type                    varchar(50)  NOT NULL,
    amount_micros           bigint       NOT NULL,
    amount                  numeric(18, 6) GENERATED ALWAYS AS (amount_micros / 1000000.0) STORED,
    balance_after_micros    bigint       NOT NULL,
    balance_after           numeric(18, 6) GENERATED ALWAYS AS (balance_after_micros / 1000000.0) STORED,
    description             text         NOT NULL,
    stripe_payment_id       varchar(255),
    call_id                 uuid,
    charge_no               integer,
    created_by              uuid,
    created_at              timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, call_id, charge_no),
    UNIQUE (user_id, stripe_payment_id),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id),
    CONSTRAINT credit_transactions_type_check CHECK (type IN ('purchase', 'usage', 'bonus', 'admin_adjustment', 'refund')),
    CONSTRAINT credit_transactions_sign_check CHECK (CASE type
        WHEN 'usage' THEN amount_micros < 0
        WHEN 'admin_adjustment' THEN amount_micros <> 0
        ELSE amount_micros > 0 END),
    -- A charge of a call is numbered: 0 the charge itself, 1 … its corrections.
    CONSTRAINT credit_transactions_charge_check CHECK ((call_id IS NULL) = (charge_no IS NULL) AND charge_no >= 0)
);
COMMENT ON TABLE public.credit_transactions IS 'Append-only ledger. For each call the sum of amount_micros is minus calls.credits_micros.';
CREATE INDEX credit_transactions_entry_idx ON public.credit_transactions (user_id, entry_no DESC);

CREATE TABLE public.follow_ups (
    user_id             uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                  uuid         NOT NULL DEFAULT gen_random_uuid(),
    lead_phone          varchar(50)  NOT NULL,
    lead_email          varchar(255),
    lead_name           varchar(255),
    follow_up_date      date         NOT NULL,
    remark              text,
    is_completed        boolean      GENERATED ALWAYS AS (follow_up_status = 'completed') STORED,
    created_at          timestamptz  NOT NULL DEFAULT now(),
    updated_at          timestamptz  NOT NULL DEFAULT now(),
    created_by          uuid,
    completed_at        timestamptz,
    completed_by        uuid,
    follow_up_status    varchar(20)  NOT NULL DEFAULT 'pending',
    call_id             uuid,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id) ON DELETE CASCADE,
    CONSTRAINT follow_ups_status_check CHECK (follow_up_status IN ('pending', 'completed', 'cancelled')),
    CONSTRAINT follow_ups_completed_check CHECK ((follow_up_status = 'completed') = (completed_at IS NOT NULL))
);
CREATE INDEX follow_ups_date_idx ON public.follow_ups (user_id, follow_up_status, follow_up_date);
CREATE INDEX follow_ups_phone_idx ON public.follow_ups (user_id, lead_phone);
CREATE TRIGGER follow_ups_touch BEFORE UPDATE ON public.follow_ups FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TABLE public.customers (
    user_id                     uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                          uuid         NOT NULL DEFAULT gen_random_uuid(),
    contact_id                  uuid         NOT NULL,
    customer_reference_number   varchar(50)  NOT NULL,
    name                        varchar(255) NOT NULL,
    email                       varchar(255),
    phone                       varchar(50),
    company                     varchar(255),
    status                      varchar(50)  NOT NULL DEFAULT 'Active',
    conversion_date             timestamptz  NOT NULL DEFAULT now(),
    original_lead_source        varchar(100),
    assigned_sales_rep          varchar(255),
    last_interaction_date       timestamptz,
    notes                       text,
    created_at                  timestamptz  NOT NULL DEFAULT now(),
    updated_at                  timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, customer_reference_number),
    UNIQUE (user_id, contact_id),
    FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts (user_id, id) ON DELETE CASCADE,
    CONSTRAINT customers_status_check CHECK (status IN ('Active', 'Inactive', 'Churned', 'On Hold'))
);
CREATE TRIGGER customers_touch BEFORE UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

-- References CUST-2026-0001 … count per tenant and year; the counter row makes
-- two conversions at once wait for each other instead of taking one number.
CREATE TABLE tally.customer_counters (
    user_id     uuid    NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    year        integer NOT NULL,
    last_number integer NOT NULL,
    PRIMARY KEY (user_id, year)
);
CREATE FUNCTION tally.assign_customer_reference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    reference_year CONSTANT integer := extract(year FROM NEW.conversion_date AT TIME ZONE 'UTC');
    next_number integer;
BEGIN
    IF coalesce(NEW.customer_reference_number, '') <> '' THEN
        RETURN NEW;
    END IF;
    INSERT INTO tally.customer_counters AS c (user_id, year, last_number)
    VALUES (NEW.user_id, reference_year, 1)
    ON CONFLICT (user_id, year) DO UPDATE SET last_number = c.last_number + 1
    RETURNING last_number INTO next_number;
    NEW.customer_reference_number := format('CUST-%s-%s', reference_year,
        lpad(next_number::text, greatest(4, length(next_number::text)), '0'));
    RETURN NEW;
END $$;
CREATE TRIGGER customers_reference BEFORE INSERT ON public.customers
    FOR EACH ROW EXECUTE FUNCTION tally.assign_customer_reference();

CREATE TABLE public.user_sessions (
    user_id             uuid         NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                  uuid         NOT NULL DEFAULT gen_random_uuid(),
    token_hash          varchar(255) NOT NULL,
    expires_at          timestamptz  NOT NULL,
    created_at          timestamptz  NOT NULL DEFAULT now(),
    last_used_at        timestamptz  NOT NULL DEFAULT now(),
    ip_address          inet,
    user_agent          text,
    is_active           boolean      NOT NULL DEFAULT true,
    refresh_token_hash  varchar(255),
    refresh_expires_at  timestamptz,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, token_hash),
    UNIQUE (user_id, refresh_token_hash),
    CONSTRAINT user_sessions_refresh_check CHECK ((refresh_token_hash IS NULL) = (refresh_expires_at IS NULL))
);
CREATE INDEX user_sessions_expiry_idx ON public.user_sessions (user_id, greatest(expires_at, refresh_expires_at));
