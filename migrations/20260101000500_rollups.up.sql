-- Roll-ups: marks, the base tier, the hours, days and months, the KPI view, the caches.
--
-- Figures are recomputed from rows, never incremented. The columns of one tier
-- are the sums of the tier below, so that month = Σ day = Σ hour = Σ quarter = calls.

-- ---------------------------------------------------------------------------
-- Marks: "this bucket's inputs changed". Append-only, no unique key: a mark that
-- could be swallowed by an older one would lose the change that it stands for.
-- tier: 0 quarter (15 minutes UTC), 1 hour, 2 day, 3 month.
-- ---------------------------------------------------------------------------

CREATE SEQUENCE tally.rollup_mark_seq;
CREATE TABLE tally.rollup_marks (
    user_id         uuid        NOT NULL,
    seq             bigint      NOT NULL DEFAULT nextval('tally.rollup_mark_seq'),
    tier            smallint    NOT NULL CHECK (tier BETWEEN 0 AND 3),
    bucket_start    timestamptz NOT NULL,
    marked_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX rollup_marks_bucket_idx ON tally.rollup_marks (user_id, tier, bucket_start);
CREATE INDEX rollup_marks_marked_at_idx ON tally.rollup_marks (marked_at);

-- The lock of a bucket, and how often it has been recomputed.
CREATE TABLE tally.rollup_buckets (
    user_id         uuid        NOT NULL,
    tier            smallint    NOT NULL,
    bucket_start    timestamptz NOT NULL,
    generation      bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, tier, bucket_start)
) WITH (fillfactor = 50);

-- The only tier that is computed from calls and leads. Sets and histograms stay
-- here and in the days: contacts as sorted ids, durations as value and count.
CREATE TABLE tally.quarter_rollups (
    user_id                 uuid        NOT NULL,
    bucket_start            timestamptz NOT NULL,
    agent_id                uuid        NOT NULL,
    generation              bigint      NOT NULL,
    total_calls             integer NOT NULL DEFAULT 0,
    successful_calls        integer NOT NULL DEFAULT 0,
    voicemail_calls         integer NOT NULL DEFAULT 0,
    no_answer_calls         integer NOT NULL DEFAULT 0,
    busy_calls              integer NOT NULL DEFAULT 0,
    failed_outcome_calls    integer NOT NULL DEFAULT 0,
    cancelled_calls         integer NOT NULL DEFAULT 0,
    in_progress_calls       integer NOT NULL DEFAULT 0,
    inbound_calls           integer NOT NULL DEFAULT 0,
    outbound_calls          integer NOT NULL DEFAULT 0,
    phone_calls             integer NOT NULL DEFAULT 0,
    internet_calls          integer NOT NULL DEFAULT 0,
    unknown_source_calls    integer NOT NULL DEFAULT 0,
    total_duration_minutes  integer NOT NULL DEFAULT 0,
    leads_generated         integer NOT NULL DEFAULT 0,
    hot_leads               integer NOT NULL DEFAULT 0,
    warm_leads              integer NOT NULL DEFAULT 0,
    cold_leads              integer NOT NULL DEFAULT 0,
    unqualified_leads       integer NOT NULL DEFAULT 0,
    leads_with_company      integer NOT NULL DEFAULT 0,
    intent_score_count      integer NOT NULL DEFAULT 0,
    urgency_score_count     integer NOT NULL DEFAULT 0,
    budget_score_count      integer NOT NULL DEFAULT 0,
    fit_score_count         integer NOT NULL DEFAULT 0,
    engagement_score_count  integer NOT NULL DEFAULT 0,
    total_score_count       integer NOT NULL DEFAULT 0,
    high_intent_leads       integer NOT NULL DEFAULT 0,
    high_budget_leads       integer NOT NULL DEFAULT 0,
    urgent_leads            integer NOT NULL DEFAULT 0,
    cta_pricing_clicks      integer NOT NULL DEFAULT 0,
    cta_demo_clicks         integer NOT NULL DEFAULT 0,
    cta_followup_clicks     integer NOT NULL DEFAULT 0,
    cta_sample_clicks       integer NOT NULL DEFAULT 0,
    cta_human_escalations   integer NOT NULL DEFAULT 0,
    leads_with_cta          integer NOT NULL DEFAULT 0,
    talk_seconds            bigint  NOT NULL DEFAULT 0,
    credits_micros          bigint  NOT NULL DEFAULT 0,
    cost_micros             bigint  NOT NULL DEFAULT 0,
    intent_score_sum        bigint  NOT NULL DEFAULT 0,
    urgency_score_sum       bigint  NOT NULL DEFAULT 0,
    budget_score_sum        bigint  NOT NULL DEFAULT 0,
    fit_score_sum           bigint  NOT NULL DEFAULT 0,
    engagement_score_sum    bigint  NOT NULL DEFAULT 0,
    total_score_sum         bigint  NOT NULL DEFAULT 0,
    fingerprint_hi          bigint  NOT NULL DEFAULT 0,
    fingerprint_lo          bigint  NOT NULL DEFAULT 0,
    duration_values         integer[]   NOT NULL,
    duration_counts         integer[]   NOT NULL,
    contact_ids             uuid[]      NOT NULL,
    PRIMARY KEY (user_id, bucket_start, agent_id),
    CHECK (bucket_start = date_bin('15 minutes', bucket_start, '2000-01-01 00:00Z'))
) WITH (fillfactor = 80);

CREATE TABLE public.user_analytics (
    user_id                 uuid        NOT NULL,
    grain                   text        NOT NULL,
    bucket_start            timestamptz NOT NULL,
    bucket_end              timestamptz NOT NULL,
    zone                    text        NOT NULL,
    date                    date        NOT NULL,
    hour                    integer,
    generation              bigint      NOT NULL,
    id                      uuid        NOT NULL DEFAULT gen_random_uuid(),
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now(),
    total_calls             integer NOT NULL DEFAULT 0,
    successful_calls        integer NOT NULL DEFAULT 0,
    voicemail_calls         integer NOT NULL DEFAULT 0,
    no_answer_calls         integer NOT NULL DEFAULT 0,
    busy_calls              integer NOT NULL DEFAULT 0,
    failed_outcome_calls    integer NOT NULL DEFAULT 0,
    cancelled_calls         integer NOT NULL DEFAULT 0,
    in_progress_calls       integer NOT NULL DEFAULT 0,
    inbound_calls           integer NOT NULL DEFAULT 0,
    outbound_calls          integer NOT NULL DEFAULT 0,
    phone_calls             integer NOT NULL DEFAULT 0,
    internet_calls          integer NOT NULL DEFAULT 0,
    unknown_source_calls    integer NOT NULL DEFAULT 0,
    total_duration_minutes  integer NOT NULL DEFAULT 0,
    leads_generated         integer NOT NULL DEFAULT 0,
    hot_leads               integer NOT NULL DEFAULT 0,
    warm_leads              integer NOT NULL DEFAULT 0,
    cold_leads              integer NOT NULL DEFAULT 0,
    unqualified_leads       integer NOT NULL DEFAULT 0,
    leads_with_company      integer NOT NULL DEFAULT 0,
    intent_score_count      integer NOT NULL DEFAULT 0,
    urgency_score_count     integer NOT NULL DEFAULT 0,
    budget_score_count      integer NOT NULL DEFAULT 0,
    fit_score_count         integer NOT NULL DEFAULT 0,
    engagement_score_count  integer NOT NULL DEFAULT 0,
    total_score_count       integer NOT NULL DEFAULT 0,
    high_intent_leads       integer NOT NULL DEFAULT 0,
    high_budget_leads       integer NOT NULL DEFAULT 0,
    urgent_leads            integer NOT NULL DEFAULT 0,
    cta_pricing_clicks      integer NOT NULL DEFAULT 0,
    cta_demo_clicks         integer NOT NULL DEFAULT 0,
    cta_followup_clicks     integer NOT NULL DEFAULT 0,
    cta_sample_clicks       integer NOT NULL DEFAULT 0,
    cta_human_escalations   integer NOT NULL DEFAULT 0,
    leads_with_cta          integer NOT NULL DEFAULT 0,
    talk_seconds            bigint  NOT NULL DEFAULT 0,
    credits_micros          bigint  NOT NULL DEFAULT 0,
    cost_micros             bigint  NOT NULL DEFAULT 0,
    intent_score_sum        bigint  NOT NULL DEFAULT 0,
    urgency_score_sum       bigint  NOT NULL DEFAULT 0,
    budget_score_sum        bigint  NOT NULL DEFAULT 0,
    fit_score_sum           bigint  NOT NULL DEFAULT 0,
    engagement_score_sum    bigint  NOT NULL DEFAULT 0,
    total_score_sum         bigint  NOT NULL DEFAULT 0,
    fingerprint_hi          bigint  NOT NULL DEFAULT 0,
    fingerprint_lo          bigint  NOT NULL DEFAULT 0,
    duration_values         integer[],
    duration_counts         integer[],
    contact_ids             uuid[],
    distinct_contacts       integer GENERATED ALWAYS AS (cardinality(contact_ids)) STORED,
    failed_calls            integer GENERATED ALWAYS AS (no_answer_calls + busy_calls + failed_outcome_calls) STORED,
    missed_calls            integer GENERATED ALWAYS AS (no_answer_calls + busy_calls) STORED,
    qualified_leads         integer GENERATED ALWAYS AS (hot_leads + warm_leads) STORED,
    total_cta_interactions  integer GENERATED ALWAYS AS (cta_pricing_clicks + cta_demo_clicks + cta_followup_clicks + cta_sample_clicks + cta_human_escalations) STORED,
    credits_used            numeric(18, 6) GENERATED ALWAYS AS (credits_micros / 1000000.0) STORED,
    avg_duration_minutes    numeric(12, 2) GENERATED ALWAYS AS (round(total_duration_minutes::numeric / nullif(total_calls, 0), 2)) STORED,
    conversion_rate         numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (hot_leads + warm_leads) / nullif(leads_generated, 0), 2)) STORED,
    success_rate            numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (successful_calls) / nullif(total_calls, 0), 2)) STORED,
    answer_rate             numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (successful_calls) / nullif(total_calls - in_progress_calls, 0), 2)) STORED,
    cta_conversion_rate     numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (leads_with_cta) / nullif(leads_generated, 0), 2)) STORED,
    cost_per_lead           numeric(18, 2) GENERATED ALWAYS AS (round(credits_micros / 1000000.0 / nullif(leads_generated, 0), 2)) STORED,
    avg_engagement_score    numeric(6, 2) GENERATED ALWAYS AS (round(engagement_score_sum::numeric / nullif(engagement_score_count, 0), 2)) STORED,
    avg_intent_score        numeric(6, 2) GENERATED ALWAYS AS (round(intent_score_sum::numeric / nullif(intent_score_count, 0), 2)) STORED,
    avg_urgency_score       numeric(6, 2) GENERATED ALWAYS AS (round(urgency_score_sum::numeric / nullif(urgency_score_count, 0), 2)) STORED,
    avg_budget_score        numeric(6, 2) GENERATED ALWAYS AS (round(budget_score_sum::numeric / nullif(budget_score_count, 0), 2)) STORED,
    avg_fit_score           numeric(6, 2) GENERATED ALWAYS AS (round(fit_score_sum::numeric / nullif(fit_score_count, 0), 2)) STORED,
    avg_total_score         numeric(6, 2) GENERATED ALWAYS AS (round(total_score_sum::numeric / nullif(total_score_count, 0), 2)) STORED,
    PRIMARY KEY (user_id, grain, bucket_start),
    CONSTRAINT user_analytics_grain_check CHECK (grain IN ('hour', 'day', 'month')),
    CONSTRAINT user_analytics_hour_check CHECK ((grain = 'hour') = (hour IS NOT NULL) AND hour BETWEEN 0 AND 23),
    CONSTRAINT user_analytics_sets_check CHECK ((grain = 'day') = (contact_ids IS NOT NULL) AND (contact_ids IS NULL) = (duration_values IS NULL)
        AND (contact_ids IS NULL) = (duration_counts IS NULL) AND cardinality(duration_values) = cardinality(duration_counts)),
    CONSTRAINT user_analytics_outcomes_check CHECK (total_calls = successful_calls + voicemail_calls + no_answer_calls + busy_calls
        + failed_outcome_calls + cancelled_calls + in_progress_calls)
) WITH (fillfactor = 80);

CREATE TABLE public.agent_analytics (
    user_id                 uuid        NOT NULL,
    agent_id                uuid        NOT NULL,
    grain                   text        NOT NULL,
    bucket_start            timestamptz NOT NULL,
    bucket_end              timestamptz NOT NULL,
    zone                    text        NOT NULL,
    date                    date        NOT NULL,
    hour                    integer,
    generation              bigint      NOT NULL,
    id                      uuid        NOT NULL DEFAULT gen_random_uuid(),
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now(),
    total_calls             integer NOT NULL DEFAULT 0,
    successful_calls        integer NOT NULL DEFAULT 0,
    voicemail_calls         integer NOT NULL DEFAULT 0,
    no_answer_calls         integer NOT NULL DEFAULT 0,
    busy_calls              integer NOT NULL DEFAULT 0,
    failed_outcome_calls    integer NOT NULL DEFAULT 0,
    cancelled_calls         integer NOT NULL DEFAULT 0,
    in_progress_calls       integer NOT NULL DEFAULT 0,
    inbound_calls           integer NOT NULL DEFAULT 0,
    outbound_calls          integer NOT NULL DEFAULT 0,
    phone_calls             integer NOT NULL DEFAULT 0,
    internet_calls          integer NOT NULL DEFAULT 0,
    unknown_source_calls    integer NOT NULL DEFAULT 0,
    total_duration_minutes  integer NOT NULL DEFAULT 0,
    leads_generated         integer NOT NULL DEFAULT 0,
    hot_leads               integer NOT NULL DEFAULT 0,
    warm_leads              integer NOT NULL DEFAULT 0,
    cold_leads              integer NOT NULL DEFAULT 0,
    unqualified_leads       integer NOT NULL DEFAULT 0,
    leads_with_company      integer NOT NULL DEFAULT 0,
    intent_score_count      integer NOT NULL DEFAULT 0,
    urgency_score_count     integer NOT NULL DEFAULT 0,
    budget_score_count      integer NOT NULL DEFAULT 0,
    fit_score_count         integer NOT NULL DEFAULT 0,
    engagement_score_count  integer NOT NULL DEFAULT 0,
    total_score_count       integer NOT NULL DEFAULT 0,
    high_intent_leads       integer NOT NULL DEFAULT 0,
    high_budget_leads       integer NOT NULL DEFAULT 0,
    urgent_leads            integer NOT NULL DEFAULT 0,
    cta_pricing_clicks      integer NOT NULL DEFAULT 0,
    cta_demo_clicks         integer NOT NULL DEFAULT 0,
    cta_followup_clicks     integer NOT NULL DEFAULT 0,
    cta_sample_clicks       integer NOT NULL DEFAULT 0,
    cta_human_escalations   integer NOT NULL DEFAULT 0,
    leads_with_cta          integer NOT NULL DEFAULT 0,
    talk_seconds            bigint  NOT NULL DEFAULT 0,
    credits_micros          bigint  NOT NULL DEFAULT 0,
    cost_micros             bigint  NOT NULL DEFAULT 0,
    intent_score_sum        bigint  NOT NULL DEFAULT 0,
    urgency_score_sum       bigint  NOT NULL DEFAULT 0,
    budget_score_sum        bigint  NOT NULL DEFAULT 0,
    fit_score_sum           bigint  NOT NULL DEFAULT 0,
    engagement_score_sum    bigint  NOT NULL DEFAULT 0,
    total_score_sum         bigint  NOT NULL DEFAULT 0,
    fingerprint_hi          bigint  NOT NULL DEFAULT 0,
    fingerprint_lo          bigint  NOT NULL DEFAULT 0,
    duration_values         integer[],
    duration_counts         integer[],
    contact_ids             uuid[],
    distinct_contacts       integer GENERATED ALWAYS AS (cardinality(contact_ids)) STORED,
    failed_calls            integer GENERATED ALWAYS AS (no_answer_calls + busy_calls + failed_outcome_calls) STORED,
    missed_calls            integer GENERATED ALWAYS AS (no_answer_calls + busy_calls) STORED,
    qualified_leads         integer GENERATED ALWAYS AS (hot_leads + warm_leads) STORED,
    total_cta_interactions  integer GENERATED ALWAYS AS (cta_pricing_clicks + cta_demo_clicks + cta_followup_clicks + cta_sample_clicks + cta_human_escalations) STORED,
    credits_used            numeric(18, 6) GENERATED ALWAYS AS (credits_micros / 1000000.0) STORED,
    avg_duration_minutes    numeric(12, 2) GENERATED ALWAYS AS (round(total_duration_minutes::numeric / nullif(total_calls, 0), 2)) STORED,
    conversion_rate         numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (hot_leads + warm_leads) / nullif(leads_generated, 0), 2)) STORED,
    success_rate            numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (successful_calls) / nullif(total_calls, 0), 2)) STORED,
    answer_rate             numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (successful_calls) / nullif(total_calls - in_progress_calls, 0), 2)) STORED,
    cta_conversion_rate     numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (leads_with_cta) / nullif(leads_generated, 0), 2)) STORED,
    cost_per_lead           numeric(18, 2) GENERATED ALWAYS AS (round(credits_micros / 1000000.0 / nullif(leads_generated, 0), 2)) STORED,
    avg_engagement_score    numeric(6, 2) GENERATED ALWAYS AS (round(engagement_score_sum::numeric / nullif(engagement_score_count, 0), 2)) STORED,
    avg_intent_score        numeric(6, 2) GENERATED ALWAYS AS (round(intent_score_sum::numeric / nullif(intent_score_count, 0), 2)) STORED,
    avg_urgency_score       numeric(6, 2) GENERATED ALWAYS AS (round(urgency_score_sum::numeric / nullif(urgency_score_count, 0), 2)) STORED,
    avg_budget_score        numeric(6, 2) GENERATED ALWAYS AS (round(budget_score_sum::numeric / nullif(budget_score_count, 0), 2)) STORED,
    avg_fit_score           numeric(6, 2) GENERATED ALWAYS AS (round(fit_score_sum::numeric / nullif(fit_score_count, 0), 2)) STORED,
    avg_total_score         numeric(6, 2) GENERATED ALWAYS AS (round(total_score_sum::numeric / nullif(total_score_count, 0), 2)) STORED,
    PRIMARY KEY (user_id, agent_id, grain, bucket_start),
    CONSTRAINT agent_analytics_grain_check CHECK (grain IN ('hour', 'day', 'month')),
    CONSTRAINT agent_analytics_hour_check CHECK ((grain = 'hour') = (hour IS NOT NULL) AND hour BETWEEN 0 AND 23),
    CONSTRAINT agent_analytics_sets_check CHECK ((grain = 'day') = (contact_ids IS NOT NULL) AND (contact_ids IS NULL) = (duration_values IS NULL)
        AND (contact_ids IS NULL) = (duration_counts IS NULL) AND cardinality(duration_values) = cardinality(duration_counts)),
    CONSTRAINT agent_analytics_outcomes_check CHECK (total_calls = successful_calls + voicemail_calls + no_answer_calls + busy_calls
        + failed_outcome_calls + cancelled_calls + in_progress_calls)
) WITH (fillfactor = 80);
CREATE INDEX agent_analytics_grain_idx ON public.agent_analytics (user_id, grain, bucket_start);

COMMENT ON COLUMN public.user_analytics.success_rate IS 'answered / all calls, percent; null for 0/0.';
COMMENT ON COLUMN public.user_analytics.answer_rate IS 'answered / calls that ended, percent; null for 0/0.';
COMMENT ON COLUMN public.user_analytics.conversion_rate IS 'qualified / leads, percent; null for 0/0.';
COMMENT ON COLUMN public.user_analytics.fingerprint_hi IS 'Sum of the upper halves of the calls'' fingerprints; with fingerprint_lo it proves which calls are in the row.';

-- The older, smaller daily table of the platform: the same rows, seen narrower.
CREATE VIEW public.user_daily_analytics WITH (security_invoker = true) AS
SELECT id, user_id, date, total_calls, successful_calls, failed_calls, total_duration_minutes, leads_generated,
       qualified_leads, credits_used, avg_engagement_score, avg_intent_score, created_at, updated_at
FROM public.user_analytics
WHERE grain = 'day';

-- ---------------------------------------------------------------------------
-- What a call adds to a fingerprint: its own metric columns and its lead's,
-- each with its length in front (so that neighbours cannot be re-cut and NULL
-- differs from ''), hashed; the two halves are summed apart.
-- ---------------------------------------------------------------------------

CREATE FUNCTION tally.fingerprint(fields text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT md5(string_agg(coalesce(length(f)::text || ':' || f, '-'), ';' ORDER BY n))
    FROM unnest(fields) WITH ORDINALITY AS t (f, n)
$$;
CREATE FUNCTION tally.fingerprint_hi(digest text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ('x' || substr(digest, 1, 8))::bit(32)::bigint $$;
CREATE FUNCTION tally.fingerprint_lo(digest text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ('x' || substr(digest, 9, 8))::bit(32)::bigint $$;

CREATE FUNCTION tally.quarter_of(instant timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date_bin('15 minutes', instant, '2000-01-01 00:00Z') $$;

-- Every call with what the roll-ups count of it, one row a call. The base tier,
-- the exact read and the audit all start here.
CREATE VIEW tally.call_metrics AS
SELECT c.user_id, c.id AS call_id, c.agent_id, c.started_at, tally.quarter_of(c.started_at) AS quarter_start,
       c.outcome, c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros,
       c.lead_type, c.call_source, c.contact_id,
       l.id IS NOT NULL AS is_lead, l.quality, coalesce(l.company_name, '') <> '' AS has_company,
       l.intent_score, l.urgency_score, l.budget_score, l.fit_score, l.engagement_score, l.total_score,
       l.intent_score * 100 >= 70 * l.dimension_scale AS high_intent,
       l.budget_score * 100 >= 70 * l.dimension_scale AS high_budget,
       l.urgency_score * 100 >= 70 * l.dimension_scale AS urgent,
       l.cta_pricing_clicked, l.cta_demo_clicked, l.cta_followup_clicked, l.cta_sample_clicked, l.cta_escalated_to_human,
       tally.fingerprint(ARRAY[
           c.id::text, c.agent_id::text, extract(epoch FROM c.started_at)::text, c.outcome, c.duration_seconds::text,
           c.duration_minutes::text, c.credits_micros::text, c.cost_micros::text, c.lead_type, c.call_source, c.contact_id::text,
           l.id::text, l.quality, l.company_name, l.dimension_scale::text, l.intent_score::text, l.urgency_score::text,
           l.budget_score::text, l.fit_score::text, l.engagement_score::text, l.total_score::text, l.cta_pricing_clicked::text,
           l.cta_demo_clicked::text, l.cta_followup_clicked::text, l.cta_sample_clicked::text, l.cta_escalated_to_human::text
       ]) AS fingerprint
FROM public.calls c
LEFT JOIN public.lead_analytics l
       ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual';

-- ---------------------------------------------------------------------------
-- Mark triggers: statement level, old and new side, only when a column changed
-- that a figure depends on. SECURITY DEFINER, since who may change a call need
-- not be allowed to write marks. They never notify and never compute.
-- ---------------------------------------------------------------------------

CREATE FUNCTION tally.mark_calls_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, tally.quarter_of(started_at) FROM new_rows;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.mark_calls_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, tally.quarter_of(started_at) FROM old_rows;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.mark_calls_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT side.user_id, 0, tally.quarter_of(side.started_at)
    FROM old_rows o
    FULL JOIN new_rows n ON n.user_id = o.user_id AND n.id = o.id
    CROSS JOIN LATERAL (VALUES (o.user_id, o.started_at), (n.user_id, n.started_at)) AS side (user_id, started_at)
    WHERE side.user_id IS NOT NULL
      AND (o.agent_id, o.started_at, o.outcome, o.duration_seconds, o.duration_minutes, o.credits_micros, o.cost_micros,
           o.lead_type, o.call_source, o.contact_id, o.id)
          IS DISTINCT FROM
          (n.agent_id, n.started_at, n.outcome, n.duration_seconds, n.duration_minutes, n.credits_micros, n.cost_micros,
           n.lead_type, n.call_source, n.contact_id, n.id);
    RETURN NULL;
END $$;

-- A lead counts in the bucket of its call. The calls are locked (in id order)
-- before their time is read: otherwise a call that moves to another bucket at
-- the same moment would take its lead along unmarked.
CREATE FUNCTION tally.mark_leads_changed() RETURNS trigger
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
              AND (o.id, o.call_id, o.analysis_type, o.quality, o.company_name, o.dimension_scale, o.intent_score, o.urgency_score,
                   o.budget_score, o.fit_score, o.engagement_score, o.total_score, o.cta_pricing_clicked, o.cta_demo_clicked,
                   o.cta_followup_clicked, o.cta_sample_clicked, o.cta_escalated_to_human)
                  IS DISTINCT FROM
                  (n.id, n.call_id, n.analysis_type, n.quality, n.company_name, n.dimension_scale, n.intent_score, n.urgency_score,
                   n.budget_score, n.fit_score, n.engagement_score, n.total_score, n.cta_pricing_clicked, n.cta_demo_clicked,
                   n.cta_followup_clicked, n.cta_sample_clicked, n.cta_escalated_to_human)
        ) d;
    END IF;
    IF changed_calls IS NULL THEN
        RETURN NULL;
    END IF;

    PERFORM FROM public.calls
    WHERE (user_id, id) IN (SELECT * FROM unnest(changed_users, changed_calls))
    ORDER BY user_id, id
    FOR SHARE;

    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT c.user_id, 0, tally.quarter_of(c.started_at)
    FROM unnest(changed_users, changed_calls) AS k (user_id, call_id)
    JOIN public.calls c ON c.user_id = k.user_id AND c.id = k.call_id;
    RETURN NULL;
END $$;

-- TRUNCATE has no old rows: every bucket that holds a figure is marked.
CREATE FUNCTION tally.mark_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, bucket_start FROM tally.quarter_rollups;
    RETURN NULL;
END $$;

CREATE TRIGGER calls_mark_inserted AFTER INSERT ON public.calls
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_calls_inserted();
CREATE TRIGGER calls_mark_updated AFTER UPDATE ON public.calls
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_calls_updated();
CREATE TRIGGER calls_mark_deleted AFTER DELETE ON public.calls
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_calls_deleted();
CREATE TRIGGER calls_mark_truncated AFTER TRUNCATE ON public.calls
    FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_truncated();
CREATE TRIGGER leads_mark_inserted AFTER INSERT ON public.lead_analytics
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_leads_changed();
CREATE TRIGGER leads_mark_updated AFTER UPDATE ON public.lead_analytics
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_leads_changed();
CREATE TRIGGER leads_mark_deleted AFTER DELETE ON public.lead_analytics
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_leads_changed();
CREATE TRIGGER leads_mark_truncated AFTER TRUNCATE ON public.lead_analytics
    FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_truncated();

-- Marks by hand, for changes that no trigger sees (attached partitions, replicas).
CREATE FUNCTION tally.mark_calls(tenant uuid, from_time timestamptz, to_time timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
    WITH marked AS (
        INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
        SELECT tenant, 0, q FROM (
            SELECT tally.quarter_of(c.started_at) AS q FROM public.calls c
            WHERE c.user_id = tenant AND c.started_at >= from_time AND c.started_at < to_time
            UNION
            SELECT r.bucket_start FROM tally.quarter_rollups r
            WHERE r.user_id = tenant AND r.bucket_start >= tally.quarter_of(from_time) AND r.bucket_start < to_time
        ) b
        RETURNING 1
    )
    SELECT count(*) FROM marked
$$;

-- The local hour of an instant: an hour of the wall clock, split where the
-- offset changes, so that a repeated or cut hour is a bucket of its own.
CREATE FUNCTION tally.hour_bucket(zone_name text, instant timestamptz)
RETURNS TABLE (bucket_start timestamptz, bucket_end timestamptz, date date, hour integer)
LANGUAGE sql STABLE PARALLEL SAFE SET timezone = 'UTC' AS $$
    SELECT greatest(o.period_start, l.hour_start - o.utc_offset),
           least(o.period_end, l.hour_start + interval '1 hour' - o.utc_offset),
           (l.hour_start AT TIME ZONE 'UTC')::date,
           extract(hour FROM l.hour_start AT TIME ZONE 'UTC')::integer
    FROM tally.zone_offsets o
    CROSS JOIN LATERAL (SELECT date_trunc('hour', instant + o.utc_offset, 'UTC') AS hour_start) l
    WHERE o.zone = zone_name AND o.period_start <= instant AND instant < o.period_end
$$;

-- The local hour (tier 1), day (2) or month (3) that holds an instant.
CREATE FUNCTION tally.local_bucket(zone_name text, tier integer, instant timestamptz)
RETURNS TABLE (bucket_start timestamptz, bucket_end timestamptz, date date, hour integer)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT h.bucket_start, h.bucket_end, h.date, h.hour
    FROM tally.hour_bucket(zone_name, instant) h
    WHERE tier = 1
    UNION ALL
    SELECT c.bucket_start, c.bucket_end, c.date, NULL
    FROM (
        SELECT k.bucket_start, k.bucket_end, k.date
        FROM tally.calendar k
        WHERE k.zone = zone_name AND k.grain = CASE tier WHEN 2 THEN 'day' WHEN 3 THEN 'month' END AND k.bucket_start <= instant
        ORDER BY k.bucket_start DESC
        LIMIT 1
    ) c
    WHERE instant < c.bucket_end
$$;

-- Exact percentile of a histogram of whole seconds: the smallest value that at
-- least `fraction` of the calls do not exceed. NULL for an empty histogram.
CREATE FUNCTION tally.percentile(vals integer[], counts integer[], fraction double precision) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT min(v) FROM (
        SELECT v, sum(n) OVER (ORDER BY v) AS upto, sum(n) OVER () AS total
        FROM (SELECT v, sum(n) AS n FROM unnest(vals, counts) AS t (v, n) GROUP BY v) h
    ) x
    -- As numeric, since 0.07 * 100 is more than 7 in binary.
    WHERE upto >= ceil(fraction::numeric * total)
$$;

-- ---------------------------------------------------------------------------
-- Caches
-- ---------------------------------------------------------------------------

CREATE TABLE public.call_analytics_cache (
    user_id                 uuid         NOT NULL,
    id                      uuid         NOT NULL DEFAULT gen_random_uuid(),
    date_period             date         NOT NULL,
    period_type             varchar(20)  NOT NULL,
    zone                    text         NOT NULL,
    generation              bigint       NOT NULL,
    total_calls             integer      NOT NULL DEFAULT 0,
    successful_calls        integer      NOT NULL DEFAULT 0,
    failed_calls            integer      NOT NULL DEFAULT 0,
    missed_calls            integer      NOT NULL DEFAULT 0,
    connection_rate         numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * successful_calls / nullif(total_calls, 0), 2)) STORED,
    total_call_duration     integer      NOT NULL DEFAULT 0,
    average_call_duration   numeric(12, 2) GENERATED ALWAYS AS (round(total_call_duration::numeric / nullif(successful_calls, 0), 2)) STORED,
    hot_leads               integer      NOT NULL DEFAULT 0,
    warm_leads              integer      NOT NULL DEFAULT 0,
    cold_leads              integer      NOT NULL DEFAULT 0,
    unqualified_leads       integer      NOT NULL DEFAULT 0,
    total_leads             integer      NOT NULL DEFAULT 0,
    average_lead_score      numeric(6, 2),
    conversion_rate         numeric(5, 2) GENERATED ALWAYS AS (round(100.0 * (hot_leads + warm_leads) / nullif(total_leads, 0), 2)) STORED,
    pricing_clicks          integer      NOT NULL DEFAULT 0,
    demo_requests           integer      NOT NULL DEFAULT 0,
    followup_requests       integer      NOT NULL DEFAULT 0,
    sample_requests         integer      NOT NULL DEFAULT 0,
    human_escalations       integer      NOT NULL DEFAULT 0,
    high_intent_leads       integer      NOT NULL DEFAULT 0,
    high_budget_leads       integer      NOT NULL DEFAULT 0,
    urgent_leads            integer      NOT NULL DEFAULT 0,
    inbound_calls           integer      NOT NULL DEFAULT 0,
    outbound_calls          integer      NOT NULL DEFAULT 0,
    calculated_at           timestamptz  NOT NULL DEFAULT now(),
    created_at              timestamptz  NOT NULL DEFAULT now(),
    updated_at              timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, period_type, date_period),
    CONSTRAINT call_analytics_cache_period_type_check CHECK (period_type IN ('daily', 'weekly', 'monthly')),
    CONSTRAINT call_analytics_cache_period_start_check CHECK (CASE period_type
        WHEN 'weekly' THEN extract(isodow FROM date_period) = 1
        WHEN 'monthly' THEN extract(day FROM date_period) = 1
        ELSE true END)
);
CREATE TRIGGER call_analytics_cache_touch BEFORE UPDATE ON public.call_analytics_cache
    FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TABLE public.dashboard_cache (
    user_id     uuid         NOT NULL,
    id          uuid         NOT NULL DEFAULT gen_random_uuid(),
    cache_key   varchar(100) NOT NULL,
    cache_data  jsonb        NOT NULL,
    generation  bigint       NOT NULL,
    expires_at  timestamptz  NOT NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, cache_key)
);
COMMENT ON COLUMN public.dashboard_cache.generation IS 'Sum of the generations of the tenant''s day and month buckets that the cache was built from; an older job never overwrites a newer cache.';
CREATE INDEX dashboard_cache_expires_idx ON public.dashboard_cache (expires_at);
CREATE TRIGGER dashboard_cache_touch BEFORE UPDATE ON public.dashboard_cache
    FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

-- Roll-ups, caches and the inbox have no foreign keys: a tenant that goes takes
-- them along here, after the cascades, whose marks go too.
CREATE FUNCTION tally.forget_tenants() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    gone CONSTANT uuid[] := ARRAY(SELECT id FROM old_rows);
BEGIN
    DELETE FROM tally.rollup_marks WHERE user_id = ANY (gone);
    DELETE FROM tally.rollup_buckets WHERE user_id = ANY (gone);
    DELETE FROM tally.quarter_rollups WHERE user_id = ANY (gone);
    DELETE FROM public.user_analytics WHERE user_id = ANY (gone);
    DELETE FROM public.agent_analytics WHERE user_id = ANY (gone);
    DELETE FROM public.call_analytics_cache WHERE user_id = ANY (gone);
    DELETE FROM public.dashboard_cache WHERE user_id = ANY (gone);
    DELETE FROM tally.quarantine WHERE user_id = ANY (gone);
    DELETE FROM tally.inbox WHERE user_id = ANY (gone);
    DELETE FROM tally.endpoints WHERE user_id = ANY (gone);
    DELETE FROM tally.user_emails WHERE user_id = ANY (gone);
    RETURN NULL;
END $$;
CREATE TRIGGER users_forget AFTER DELETE ON public.users
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.forget_tenants();

-- ---------------------------------------------------------------------------
-- The KPI view: one row per active tenant, from hour, day and month rows, never from calls.
-- "30d" is the last 30 local days with today, "7d" the last 7.
-- ---------------------------------------------------------------------------

CREATE MATERIALIZED VIEW public.user_kpi_summary AS
SELECT u.id AS user_id, u.email, u.name, u.credits, u.is_active, u.created_at AS user_created_at,
       m.total_calls_30d, m.successful_calls_30d, m.failed_calls_30d,
       round(100.0 * m.successful_calls_30d / nullif(m.total_calls_30d, 0), 2) AS success_rate_30d,
       m.total_duration_30d,
       round(m.total_duration_30d::numeric / nullif(m.total_calls_30d, 0), 2) AS avg_duration_30d,
       m.total_credits_used_30d, m.total_leads_30d, m.qualified_leads_30d,
       round(100.0 * m.qualified_leads_30d / nullif(m.total_leads_30d, 0), 2) AS conversion_rate_30d,
       m.avg_lead_score_30d, m.avg_intent_score_30d, m.avg_engagement_score_30d,
       a.total_agents, a.active_agents, a.draft_agents,
       round(h.successful_calls::numeric / nullif(h.active_hours, 0), 2) AS avg_conversations_per_hour_30d,
       b.agent_id AS best_performing_agent_id, b.agent_name AS best_performing_agent_name,
       b.success_rate AS best_agent_success_rate,
       m.calls_last_7d, m.leads_last_7d, m.credits_used_last_7d,
       f.total_calls_lifetime, f.total_leads_lifetime, f.total_credits_used_lifetime,
       now() AS calculated_at, now() + interval '1 hour' AS expires_at
FROM public.users u
CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE u.timezone)::date AS today) t
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.total_calls) FILTER (WHERE recent), 0) AS total_calls_30d,
           coalesce(sum(d.successful_calls) FILTER (WHERE recent), 0) AS successful_calls_30d,
           coalesce(sum(d.failed_calls + d.cancelled_calls) FILTER (WHERE recent), 0) AS failed_calls_30d,
           coalesce(sum(d.total_duration_minutes) FILTER (WHERE recent), 0) AS total_duration_30d,
           coalesce(sum(d.credits_used) FILTER (WHERE recent), 0) AS total_credits_used_30d,
           coalesce(sum(d.leads_generated) FILTER (WHERE recent), 0) AS total_leads_30d,
           coalesce(sum(d.qualified_leads) FILTER (WHERE recent), 0) AS qualified_leads_30d,
           round(sum(d.total_score_sum) FILTER (WHERE recent) / nullif(sum(d.total_score_count) FILTER (WHERE recent), 0), 2) AS avg_lead_score_30d,
           round(sum(d.intent_score_sum) FILTER (WHERE recent) / nullif(sum(d.intent_score_count) FILTER (WHERE recent), 0), 2) AS avg_intent_score_30d,
           round(sum(d.engagement_score_sum) FILTER (WHERE recent) / nullif(sum(d.engagement_score_count) FILTER (WHERE recent), 0), 2) AS avg_engagement_score_30d,
           coalesce(sum(d.total_calls) FILTER (WHERE this_week), 0) AS calls_last_7d,
           coalesce(sum(d.leads_generated) FILTER (WHERE this_week), 0) AS leads_last_7d,
           coalesce(sum(d.credits_used) FILTER (WHERE this_week), 0) AS credits_used_last_7d
    FROM (
        SELECT r.*, r.date <= t.today AS recent, r.date > t.today - 7 AND r.date <= t.today AS this_week
        FROM public.user_analytics r
        WHERE r.user_id = u.id AND r.grain = 'day' AND r.bucket_start >= now() - interval '32 days' AND r.date > t.today - 30
    ) d
) m
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.total_calls), 0) AS total_calls_lifetime, coalesce(sum(r.leads_generated), 0) AS total_leads_lifetime,
           coalesce(sum(r.credits_used), 0) AS total_credits_used_lifetime
    FROM public.user_analytics r WHERE r.user_id = u.id AND r.grain = 'month'
) f
CROSS JOIN LATERAL (
    SELECT count(*) AS total_agents, count(*) FILTER (WHERE g.is_active) AS active_agents,
           count(*) FILTER (WHERE NOT g.is_active) AS draft_agents
    FROM public.agents g WHERE g.user_id = u.id
) a
CROSS JOIN LATERAL (
    SELECT sum(r.successful_calls) AS successful_calls, count(*) AS active_hours
    FROM public.user_analytics r
    WHERE r.user_id = u.id AND r.grain = 'hour' AND r.date > t.today - 30 AND r.date <= t.today
) h
-- At least ten calls: one answered call of one is no performance.
LEFT JOIN LATERAL (
    SELECT r.agent_id, g.name AS agent_name, round(100.0 * sum(r.successful_calls) / sum(r.total_calls), 2) AS success_rate
    FROM public.agent_analytics r
    JOIN public.agents g ON g.user_id = r.user_id AND g.id = r.agent_id
    WHERE r.user_id = u.id AND r.grain = 'day' AND r.date > t.today - 30 AND r.date <= t.today
    GROUP BY r.agent_id, g.name
    HAVING sum(r.total_calls) >= 10
    ORDER BY sum(r.successful_calls)::numeric / sum(r.total_calls) DESC, sum(r.total_calls) DESC, r.agent_id
    LIMIT 1
) b ON true
WHERE u.is_active;
CREATE UNIQUE INDEX user_kpi_summary_user_key ON public.user_kpi_summary (user_id);

-- Owned by the owner of the view, so that a worker may refresh what it may not own.
CREATE FUNCTION tally.refresh_kpi_summary() RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY public.user_kpi_summary;
    INSERT INTO public.system_config AS c (config_key, config_value, description)
    VALUES ('last_kpi_refresh', extract(epoch FROM clock_timestamp())::bigint::text, 'When user_kpi_summary was last refreshed, in epoch seconds.')
    ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value;
    RETURN clock_timestamp();
END $$;
