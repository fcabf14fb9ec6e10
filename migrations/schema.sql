-- The schema after all migrations, printed by PostgreSQL 15. Written by `./dev schema`.

CREATE SCHEMA tally;

COMMENT ON SCHEMA tally IS 'Tallyline''s own machinery: inbox, jobs, marks, schedules, endpoints. Nothing here is granted to tallyline_api.';

CREATE FUNCTION public.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('tally.user_id', true), '')::uuid $$;

CREATE FUNCTION tally.absorb_call(tenant uuid, absorbed uuid, into_call uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
DECLARE
    charged bigint;
    entries integer;
BEGIN
    PERFORM FROM public.calls WHERE user_id = tenant AND id IN (absorbed, into_call) ORDER BY id FOR UPDATE;
    SELECT credits_micros INTO charged FROM public.calls WHERE user_id = tenant AND id = absorbed;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*) INTO entries FROM public.credit_transactions WHERE user_id = tenant AND call_id = into_call;
    UPDATE tally.call_events SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed;
    UPDATE tally.call_aliases SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed;
    UPDATE tally.call_legs l SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed
        AND NOT EXISTS (SELECT FROM tally.call_legs k WHERE k.user_id = tenant AND k.call_id = into_call AND k.leg_key = l.leg_key);
    UPDATE public.follow_ups SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed;
    UPDATE public.credit_transactions SET call_id = into_call, charge_no = charge_no + entries
    WHERE user_id = tenant AND call_id = absorbed;
    UPDATE public.calls SET credits_micros = credits_micros + charged WHERE user_id = tenant AND id = into_call;
    DELETE FROM public.calls WHERE user_id = tenant AND id = absorbed;
END $$;

CREATE FUNCTION tally.add_zone_holds() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    INSERT INTO tally.zone_holds (user_id) SELECT id FROM new_rows;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.assign_customer_reference() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.calendar_end() RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    SET "TimeZone" TO 'UTC'
    AS $$ SELECT date_trunc('year', now()) + interval '3 years' $$;

COMMENT ON FUNCTION tally.calendar_end() IS 'The end of the year after next.';

CREATE FUNCTION tally.calendar_start() RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT timestamptz '2015-01-01 00:00Z' $$;

CREATE FUNCTION tally.change_zone(tenant uuid, zone_name text, OUT before text, OUT marks bigint, OUT marks_while_held bigint, OUT held_seconds double precision, OUT row_locked_seconds double precision) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
DECLARE
    always  CONSTANT tstzmultirange := '{(,)}';
    held_since   timestamptz;
    locked_since timestamptz;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a zone is changed in READ COMMITTED: what came before the hold must be seen' USING ERRCODE = '25001';
    END IF;
    before := (SELECT timezone FROM public.users WHERE id = tenant);
    IF before IS NULL OR before = zone_name THEN
        RETURN;
    END IF;
    -- Zones before holds, as refresh_zone takes them; the new calendar stays as it is from here on.
    PERFORM FROM tally.zones WHERE zone = zone_name FOR KEY SHARE;
    marks := tally.mark_local_buckets(ARRAY[tenant], zone_name, always);
    PERFORM FROM tally.zone_holds WHERE user_id = tenant FOR UPDATE;
    held_since := clock_timestamp();
    before := (SELECT timezone FROM public.users WHERE id = tenant);
    marks_while_held := tally.mark_local_buckets(ARRAY[tenant], zone_name, always);
    -- Says to the trigger on users that the figures are rebuilt here.
    PERFORM set_config('tally.zone_change', 'on', true);
    locked_since := clock_timestamp();
    UPDATE public.users SET timezone = zone_name WHERE id = tenant;
    PERFORM set_config('tally.zone_change', '', true);
    held_seconds := extract(epoch FROM clock_timestamp() - held_since);
    row_locked_seconds := extract(epoch FROM clock_timestamp() - locked_since);
END $$;

CREATE FUNCTION tally.changed_ranges(zone_name text) RETURNS tstzmultirange
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'tally'
    SET "TimeZone" TO 'UTC'
    AS $$
    WITH known AS (
        SELECT max(o.period_end) AS known_until FROM tally.zone_offsets o WHERE o.zone = zone_name
    ), offsets AS MATERIALIZED (
        SELECT d.* FROM known, tally.derive_offsets(zone_name, tally.calendar_start(), known_until) d
    ), days AS MATERIALIZED (
        SELECT d.bucket_start, d.bucket_end, d.date
        FROM known, tally.derive_buckets(zone_name, tally.calendar_start(), known_until) d WHERE d.grain = 'day'
    ), stored AS MATERIALIZED (
        SELECT c.bucket_start, c.bucket_end, c.date FROM tally.calendar c WHERE c.zone = zone_name AND c.grain = 'day'
    )
    SELECT coalesce(range_agg(r), '{}')
    FROM (
        SELECT tstzrange(greatest(s.period_start, d.period_start) - interval '1 hour', least(s.period_end, d.period_end) + interval '1 hour') AS r
        FROM tally.zone_offsets s
        JOIN offsets d ON s.period_start < d.period_end AND d.period_start < s.period_end AND s.utc_offset <> d.utc_offset
        WHERE s.zone = zone_name
        UNION ALL
        SELECT tstzrange(x.bucket_start, x.bucket_end)
        FROM ((TABLE stored EXCEPT TABLE days) UNION ALL (TABLE days EXCEPT TABLE stored)) x
    ) differences
$$;

CREATE FUNCTION tally.check_charged_call() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    PERFORM FROM public.calls WHERE user_id = NEW.user_id AND id = NEW.call_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'ledger entry % charges call %, which does not exist', NEW.id, NEW.call_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'credit_transactions', SCHEMA = 'public';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.count_calls(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone) RETURNS TABLE(agent_id uuid, total_calls bigint, successful_calls bigint, voicemail_calls bigint, no_answer_calls bigint, busy_calls bigint, failed_outcome_calls bigint, cancelled_calls bigint, in_progress_calls bigint, inbound_calls bigint, outbound_calls bigint, phone_calls bigint, internet_calls bigint, unknown_source_calls bigint, total_duration_minutes bigint, leads_generated bigint, hot_leads bigint, warm_leads bigint, cold_leads bigint, unqualified_leads bigint, leads_with_company bigint, intent_score_count bigint, urgency_score_count bigint, budget_score_count bigint, fit_score_count bigint, engagement_score_count bigint, total_score_count bigint, high_intent_leads bigint, high_budget_leads bigint, urgent_leads bigint, cta_pricing_clicks bigint, cta_demo_clicks bigint, cta_followup_clicks bigint, cta_sample_clicks bigint, cta_human_escalations bigint, leads_with_cta bigint, talk_seconds bigint, credits_micros bigint, cost_micros bigint, intent_score_sum bigint, urgency_score_sum bigint, budget_score_sum bigint, fit_score_sum bigint, engagement_score_sum bigint, total_score_sum bigint, fingerprint_hi bigint, fingerprint_lo bigint, duration_values integer[], duration_counts integer[], contact_ids uuid[])
    LANGUAGE plpgsql STABLE ROWS 5 PARALLEL SAFE
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT g.agent_id,
           g.total_calls, g.successful_calls, g.voicemail_calls, g.no_answer_calls, g.busy_calls,
           g.failed_outcome_calls, g.cancelled_calls, g.in_progress_calls, g.inbound_calls, g.outbound_calls,
           g.phone_calls, g.internet_calls, g.unknown_source_calls, g.total_duration_minutes,
           g.leads_generated, g.hot_leads, g.warm_leads, g.cold_leads, g.unqualified_leads,
           g.leads_with_company, g.intent_score_count, g.urgency_score_count, g.budget_score_count,
           g.fit_score_count, g.engagement_score_count, g.total_score_count, g.high_intent_leads,
           g.high_budget_leads, g.urgent_leads, g.cta_pricing_clicks, g.cta_demo_clicks, g.cta_followup_clicks,
           g.cta_sample_clicks, g.cta_human_escalations, g.leads_with_cta, g.talk_seconds, g.credits_micros,
           g.cost_micros, g.intent_score_sum, g.urgency_score_sum, g.budget_score_sum, g.fit_score_sum,
           g.engagement_score_sum, g.total_score_sum, g.fingerprint_hi, g.fingerprint_lo,
           h.duration_values, h.duration_counts, g.contact_ids
    FROM (
        SELECT m.agent_id,
               count(*) AS total_calls,
               count(*) FILTER (WHERE m.outcome = 'answered') AS successful_calls,
               count(*) FILTER (WHERE m.outcome = 'voicemail') AS voicemail_calls,
               count(*) FILTER (WHERE m.outcome = 'no_answer') AS no_answer_calls,
               count(*) FILTER (WHERE m.outcome = 'busy') AS busy_calls,
               count(*) FILTER (WHERE m.outcome = 'failed') AS failed_outcome_calls,
               count(*) FILTER (WHERE m.outcome = 'cancelled') AS cancelled_calls,
               count(*) FILTER (WHERE m.outcome = 'in_progress') AS in_progress_calls,
               count(*) FILTER (WHERE m.lead_type = 'inbound') AS inbound_calls,
               count(*) FILTER (WHERE m.lead_type = 'outbound') AS outbound_calls,
               count(*) FILTER (WHERE m.call_source = 'phone') AS phone_calls,
               count(*) FILTER (WHERE m.call_source = 'internet') AS internet_calls,
               count(*) FILTER (WHERE m.call_source = 'unknown') AS unknown_source_calls,
               sum(m.duration_minutes) AS total_duration_minutes,
               count(*) FILTER (WHERE m.is_lead) AS leads_generated,
               count(*) FILTER (WHERE m.quality = 'hot') AS hot_leads,
               count(*) FILTER (WHERE m.quality = 'warm') AS warm_leads,
               count(*) FILTER (WHERE m.quality = 'cold') AS cold_leads,
               count(*) FILTER (WHERE m.quality = 'unqualified') AS unqualified_leads,
               count(*) FILTER (WHERE m.has_company) AS leads_with_company,
               count(m.intent_score) AS intent_score_count,
               count(m.urgency_score) AS urgency_score_count,
               count(m.budget_score) AS budget_score_count,
               count(m.fit_score) AS fit_score_count,
               count(m.engagement_score) AS engagement_score_count,
               count(m.total_score) AS total_score_count,
               count(*) FILTER (WHERE m.high_intent) AS high_intent_leads,
               count(*) FILTER (WHERE m.high_budget) AS high_budget_leads,
               count(*) FILTER (WHERE m.urgent) AS urgent_leads,
               count(*) FILTER (WHERE m.cta_pricing_clicked) AS cta_pricing_clicks,
               count(*) FILTER (WHERE m.cta_demo_clicked) AS cta_demo_clicks,
               count(*) FILTER (WHERE m.cta_followup_clicked) AS cta_followup_clicks,
               count(*) FILTER (WHERE m.cta_sample_clicked) AS cta_sample_clicks,
               count(*) FILTER (WHERE m.cta_escalated_to_human) AS cta_human_escalations,
               count(*) FILTER (WHERE m.cta_pricing_clicked OR m.cta_demo_clicked OR m.cta_followup_clicked
                                   OR m.cta_sample_clicked OR m.cta_escalated_to_human) AS leads_with_cta,
               sum(m.duration_seconds) AS talk_seconds,
               sum(m.credits_micros)::bigint AS credits_micros,
               sum(m.cost_micros)::bigint AS cost_micros,
               coalesce(sum(m.intent_score), 0)::bigint AS intent_score_sum,
               coalesce(sum(m.urgency_score), 0)::bigint AS urgency_score_sum,
               coalesce(sum(m.budget_score), 0)::bigint AS budget_score_sum,
               coalesce(sum(m.fit_score), 0)::bigint AS fit_score_sum,
               coalesce(sum(m.engagement_score), 0)::bigint AS engagement_score_sum,
               coalesce(sum(m.total_score), 0)::bigint AS total_score_sum,
               sum(tally.fingerprint_hi(m.fingerprint))::bigint AS fingerprint_hi,
               sum(tally.fingerprint_lo(m.fingerprint))::bigint AS fingerprint_lo,
               array_agg(m.duration_seconds) FILTER (WHERE m.duration_seconds > 0) AS durations,
               coalesce(array_agg(DISTINCT m.contact_id ORDER BY m.contact_id) FILTER (WHERE m.contact_id IS NOT NULL), '{}') AS contact_ids
        FROM tally.call_metrics m
        WHERE m.user_id = tenant AND m.started_at >= from_time AND m.started_at < to_time
        GROUP BY m.agent_id
    ) g
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(v ORDER BY v), '{}') AS duration_values,
               coalesce(array_agg(n ORDER BY v), '{}') AS duration_counts
        FROM (SELECT v, count(*)::integer AS n FROM unnest(g.durations) AS v GROUP BY v) counted
    ) h;
END $$;

COMMENT ON FUNCTION tally.count_calls(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone) IS 'Figures of the calls of a tenant that began in [from_time, to_time), a row an agent, from the calls themselves.';

CREATE FUNCTION tally.count_contacts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
DECLARE
    c record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(user_id) AS tenants, array_agg(contact_id) AS contacts, array_agg(busy) AS busy, array_agg(no_answer) AS no_answer,
               array_agg(failed) AS failed, array_agg(unanswered) AS unanswered, array_agg(NULL::timestamptz) AS last_before,
               array_agg(last_after) AS last_after
        INTO c
        FROM (
            SELECT user_id, contact_id, sum(busy_dials)::integer AS busy, sum(no_answer_dials)::integer AS no_answer,
                   sum(failed_dials)::integer AS failed, sum(unanswered_sids)::integer AS unanswered, max(started_at) AS last_after
            FROM new_rows WHERE contact_id IS NOT NULL GROUP BY 1, 2
        ) d;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(user_id) AS tenants, array_agg(contact_id) AS contacts, array_agg(busy) AS busy, array_agg(no_answer) AS no_answer,
               array_agg(failed) AS failed, array_agg(unanswered) AS unanswered, array_agg(last_before) AS last_before,
               array_agg(last_after) AS last_after
        INTO c
        FROM (
            SELECT user_id, contact_id, sum(busy)::integer AS busy, sum(no_answer)::integer AS no_answer, sum(failed)::integer AS failed,
                   sum(unanswered)::integer AS unanswered, max(last_before) AS last_before, max(last_after) AS last_after
            FROM (
                SELECT user_id, contact_id, -busy_dials AS busy, -no_answer_dials AS no_answer, -failed_dials AS failed,
                       -unanswered_sids AS unanswered, started_at AS last_before, NULL::timestamptz AS last_after
                FROM old_rows WHERE contact_id IS NOT NULL
                UNION ALL
                SELECT user_id, contact_id, busy_dials, no_answer_dials, failed_dials, unanswered_sids, NULL, started_at
                FROM new_rows WHERE contact_id IS NOT NULL
            ) sides
            GROUP BY 1, 2
        ) d
        WHERE (busy, no_answer, failed, unanswered) <> (0, 0, 0, 0) OR last_before IS DISTINCT FROM last_after;
    ELSE
        SELECT array_agg(user_id) AS tenants, array_agg(contact_id) AS contacts, array_agg(busy) AS busy, array_agg(no_answer) AS no_answer,
               array_agg(failed) AS failed, array_agg(unanswered) AS unanswered, array_agg(last_before) AS last_before,
               array_agg(NULL::timestamptz) AS last_after
        INTO c
        FROM (
            SELECT user_id, contact_id, -sum(busy_dials)::integer AS busy, -sum(no_answer_dials)::integer AS no_answer,
                   -sum(failed_dials)::integer AS failed, -sum(unanswered_sids)::integer AS unanswered, max(started_at) AS last_before
            FROM old_rows o
            WHERE contact_id IS NOT NULL AND NOT (tally.removing_frozen() AND started_at < tally.frozen_before(user_id))
            GROUP BY 1, 2
        ) d
        -- With the tenant its contacts go, too.
        WHERE EXISTS (SELECT FROM public.users u WHERE u.id = d.user_id);
    END IF;
    IF c.tenants IS NOT NULL THEN
        PERFORM tally.move_contacts(c.tenants, c.contacts, c.busy, c.no_answer, c.failed, c.unanswered, c.last_before, c.last_after);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.derive_buckets(zone_name text, first_instant timestamp with time zone, last_instant timestamp with time zone) RETURNS TABLE(grain text, bucket_start timestamp with time zone, bucket_end timestamp with time zone, date date)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'tally'
    SET "TimeZone" TO 'UTC'
    AS $$
    WITH offsets AS MATERIALIZED (
        SELECT o.period_start, o.period_end, o.utc_offset FROM tally.derive_offsets(zone_name, first_instant, last_instant) o
    ), dates AS (
        SELECT l::date AS date, l AT TIME ZONE 'UTC' AS midnight
        FROM generate_series(date_trunc('day', first_instant AT TIME ZONE 'UTC') - interval '1 day',
                             last_instant AT TIME ZONE 'UTC' + interval '1 day', interval '1 day') l
    ), starts AS (
        SELECT d.date, min(s.bucket_start) AS bucket_start
        FROM dates d
        JOIN offsets o ON o.period_start < d.midnight + interval '2 days' AND o.period_end > d.midnight - interval '2 days'
        CROSS JOIN LATERAL (SELECT greatest(o.period_start, d.midnight - o.utc_offset) AS bucket_start) s
        WHERE s.bucket_start < o.period_end AND ((s.bucket_start + o.utc_offset) AT TIME ZONE 'UTC')::date = d.date
        GROUP BY d.date
    ), days AS (
        SELECT s.date, s.bucket_start, coalesce(lead(s.bucket_start) OVER (ORDER BY s.bucket_start), last_instant) AS bucket_end
        FROM starts s
    )
    SELECT 'day', d.bucket_start, d.bucket_end, d.date FROM days d
    UNION ALL
    SELECT 'month', min(d.bucket_start), max(d.bucket_end), date_trunc('month', d.date::timestamp)::date
    FROM days d
    GROUP BY date_trunc('month', d.date::timestamp)
$$;

CREATE FUNCTION tally.derive_offsets(zone_name text, first_instant timestamp with time zone, last_instant timestamp with time zone) RETURNS TABLE(period_start timestamp with time zone, period_end timestamp with time zone, utc_offset interval)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'tally'
    SET "TimeZone" TO 'UTC'
    AS $$
    WITH days AS (
        SELECT d, (d AT TIME ZONE zone_name) - (d AT TIME ZONE 'UTC') AS off
        FROM generate_series(first_instant, last_instant + interval '1 day', interval '1 day') d
    ), changed AS (
        SELECT d - interval '1 day' AS from_day
        FROM (SELECT d, off, lag(off) OVER (ORDER BY d) AS before FROM days) x
        WHERE off IS DISTINCT FROM before AND before IS NOT NULL
    ), steps AS (
        SELECT first_instant AS q
        UNION
        SELECT q FROM changed, generate_series(from_day, from_day + interval '1 day', interval '15 minutes') q
    ), offsets AS (
        SELECT q, (q AT TIME ZONE zone_name) - (q AT TIME ZONE 'UTC') AS off FROM steps WHERE q < last_instant
    ), starts AS (
        SELECT q, off FROM (SELECT q, off, lag(off) OVER (ORDER BY q) AS before FROM offsets) x
        WHERE off IS DISTINCT FROM before
    )
    SELECT q, coalesce(lead(q) OVER (ORDER BY q), last_instant), off FROM starts
$$;

CREATE TABLE tally.jobs (
    id bigint NOT NULL,
    run_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    requested integer DEFAULT 1 NOT NULL,
    max_attempts integer DEFAULT 10 NOT NULL,
    lost integer DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    claims bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'ready'::text NOT NULL,
    claimed_at timestamp with time zone,
    deadline_at timestamp with time zone,
    lease_id uuid,
    claimed_generation integer,
    permit_slot integer,
    priority smallint DEFAULT 1 NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    user_id uuid,
    coalesce_key text,
    unique_key text,
    unique_scope text,
    trace text DEFAULT NULLIF(current_setting('tally.trace'::text, true), ''::text),
    last_error text,
    cancel_requested_at timestamp with time zone,
    cancel_reason text,
    CONSTRAINT jobs_claim_check CHECK (
CASE state
    WHEN 'ready'::text THEN ((lease_id IS NULL) AND (claimed_generation IS NULL) AND (deadline_at IS NULL) AND (permit_slot IS NULL))
    WHEN 'claimed'::text THEN ((lease_id IS NOT NULL) AND (claimed_generation IS NOT NULL) AND (deadline_at IS NOT NULL) AND ((cancel_requested_at IS NULL) = (cancel_reason IS NULL)))
    ELSE false
END),
    CONSTRAINT jobs_unique_check CHECK (
CASE
    WHEN (unique_key IS NULL) THEN (unique_scope IS NULL)
    ELSE ((coalesce_key IS NULL) AND (unique_scope IS NOT NULL) AND (unique_scope = ANY (ARRAY['waiting'::text, 'live'::text, 'any'::text])))
END),
    CONSTRAINT jobs_values_check CHECK (((kind <> ''::text) AND (queue <> ''::text) AND ((priority >= 0) AND (priority <= 3)) AND (attempt >= 0) AND (max_attempts > 0)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0', fillfactor='40');

COMMENT ON TABLE tally.jobs IS 'Live jobs only; a job that ends leaves this table.';

COMMENT ON COLUMN tally.jobs.requested IS 'Generations that no run has answered yet. A claim takes all of them; a job whose key was requested meanwhile runs once more.';

COMMENT ON COLUMN tally.jobs.lost IS 'Attempts whose process disappeared, since the last generation that ended.';

COMMENT ON COLUMN tally.jobs.claims IS 'Claims of this row so far. It only grows, so that (id, claims, lease_id) names one claim and no other.';

COMMENT ON COLUMN tally.jobs.permit_slot IS 'The permit of its tenant that a claim holds; null in queues without a cap.';

COMMENT ON COLUMN tally.jobs.priority IS '0 runs first, 3 last.';

COMMENT ON COLUMN tally.jobs.cancel_requested_at IS 'Only while it runs: a waiting job that is cancelled leaves at once.';

CREATE FUNCTION tally.enqueue_job(kind text, payload jsonb DEFAULT '{}'::jsonb, user_id uuid DEFAULT NULL::uuid, run_after interval DEFAULT '00:00:00'::interval, queue text DEFAULT 'default'::text, priority integer DEFAULT 1, max_attempts integer DEFAULT 10) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO tally.jobs (kind, queue, user_id, payload, priority, run_at, max_attempts, created_at)
   VALUES (enqueue_job.kind, enqueue_job.queue, enqueue_job.user_id, enqueue_job.payload, enqueue_job.priority, (now() + enqueue_job.run_after), enqueue_job.max_attempts, now())
   RETURNING jobs.id;
END;

COMMENT ON FUNCTION tally.enqueue_job(kind text, payload jsonb, user_id uuid, run_after interval, queue text, priority integer, max_attempts integer) IS 'Adds a job in the caller''s transaction and returns its id.';

CREATE TABLE tally.job_keys (
    kind text NOT NULL,
    tenant uuid NOT NULL,
    key text NOT NULL,
    job_id bigint NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT job_keys_key_check CHECK ((key <> ''::text))
);

COMMENT ON TABLE tally.job_keys IS 'Keys of unique jobs: a second job with the key is refused while its row is here and has not expired.';

COMMENT ON COLUMN tally.job_keys.tenant IS 'The nil uuid for jobs of no tenant.';

COMMENT ON COLUMN tally.job_keys.expires_at IS 'Null: until the job started (scope waiting) or ended (scope live).';

CREATE SEQUENCE tally.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE tally.jobs_id_seq OWNED BY tally.jobs.id;

CREATE FUNCTION tally.enqueue_unique_job(kind text, key text, scope text DEFAULT 'live'::text, for_at_most interval DEFAULT NULL::interval, payload jsonb DEFAULT '{}'::jsonb, user_id uuid DEFAULT NULL::uuid, run_after interval DEFAULT '00:00:00'::interval, queue text DEFAULT 'default'::text, priority integer DEFAULT 1, max_attempts integer DEFAULT 10) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH taken AS (
          INSERT INTO tally.job_keys AS held (kind, tenant, key, job_id, expires_at)
           VALUES (enqueue_unique_job.kind, COALESCE(enqueue_unique_job.user_id, '00000000-0000-0000-0000-000000000000'::uuid), enqueue_unique_job.key, nextval('tally.jobs_id_seq'::regclass), (now() + COALESCE(enqueue_unique_job.for_at_most,
                 CASE
                     WHEN (enqueue_unique_job.scope = 'any'::text) THEN '1 day'::interval
                     ELSE NULL::interval
                 END))) ON CONFLICT(kind, tenant, key) DO UPDATE SET job_id = excluded.job_id, expires_at = excluded.expires_at
           WHERE (held.expires_at <= now())
           RETURNING held.job_id
         )
  INSERT INTO tally.jobs (id, kind, queue, user_id, payload, priority, run_at, max_attempts, created_at, unique_key, unique_scope)  SELECT taken.job_id,
             enqueue_unique_job.kind AS kind,
             enqueue_unique_job.queue AS queue,
             enqueue_unique_job.user_id AS user_id,
             enqueue_unique_job.payload AS payload,
             enqueue_unique_job.priority AS priority,
             (now() + enqueue_unique_job.run_after),
             enqueue_unique_job.max_attempts AS max_attempts,
             now() AS now,
             enqueue_unique_job.key AS key,
             enqueue_unique_job.scope AS scope
            FROM taken
   RETURNING jobs.id;
END;

COMMENT ON FUNCTION tally.enqueue_unique_job(kind text, key text, scope text, for_at_most interval, payload jsonb, user_id uuid, run_after interval, queue text, priority integer, max_attempts integer) IS 'Adds a job unless one with its key holds it (scope waiting, live or any, the last for a day if not told); returns its id, or null.';

CREATE FUNCTION tally.ensure_zone(zone_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names n WHERE n.name = zone_name)
       OR (zone_name <> 'UTC' AND zone_name !~ '^[A-Z][A-Za-z_]+/') THEN
        RAISE EXCEPTION 'unknown time zone "%"', zone_name
            USING ERRCODE = '22023', HINT = 'Use an IANA name such as Asia/Kolkata or America/New_York.';
    END IF;
    INSERT INTO tally.zones (zone) VALUES (zone_name) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        PERFORM tally.store_zone(zone_name);
    END IF;
END $$;

COMMENT ON FUNCTION tally.ensure_zone(zone_name text) IS 'Idempotent; must run before a tenant takes the zone.';

CREATE FUNCTION tally.erase_tenant(tenant uuid) RETURNS TABLE(table_name text, erased bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'tally'
    AS $_$
DECLARE
    t record;
    addresses text[];
    n bigint;
    rows jsonb := '{}';
BEGIN
    PERFORM FROM tally.lanes l WHERE l.user_id = tenant FOR UPDATE;
    PERFORM FROM public.users u WHERE u.id = tenant FOR UPDATE;
    SELECT array_agg(lower(u.email)) INTO addresses FROM public.users u WHERE u.id = tenant;
    -- Counted before: the tenant's row takes most of them along.
    FOR t IN SELECT * FROM tally.tenant_tables() LOOP
        EXECUTE format('SELECT count(*) FROM %s r WHERE r.%I = $1', t.table_name, t.tenant_column) INTO n USING tenant;
        rows := rows || jsonb_build_object(t.table_name, n);
    END LOOP;
    DELETE FROM public.users u WHERE u.id = tenant;
    -- Webhooks on their way are in before this goes on, or find the tenant gone.
    LOCK TABLE tally.inbox IN SHARE ROW EXCLUSIVE MODE;
    FOR t IN SELECT * FROM tally.tenant_tables() LOOP
        EXECUTE format('DELETE FROM %s r WHERE r.%I = $1', t.table_name, t.tenant_column) USING tenant;
    END LOOP;

    -- What names the tenant otherwise. The trail keeps what was done and when.
    DELETE FROM public.login_attempts a WHERE lower(a.email) = ANY (addresses);
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.login_attempts', n);
    DELETE FROM public.password_reset_attempts a WHERE lower(a.email) = ANY (addresses);
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.password_reset_attempts', n);
    UPDATE public.phone_numbers p SET assigned_to_user_id = NULL, assigned_to_agent_id = NULL WHERE p.assigned_to_user_id = tenant;
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.phone_numbers', n);
    UPDATE public.admin_audit_log l SET details = '{}', ip_address = NULL, user_agent = NULL
    WHERE tenant IN (l.target_user_id, l.admin_user_id)
      AND (l.details <> '{}' OR l.ip_address IS NOT NULL OR l.user_agent IS NOT NULL) AND l.action <> 'tenant.erase';
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.admin_audit_log', n);
    RETURN QUERY SELECT e.key, e.value::bigint FROM jsonb_each_text(rows) e WHERE e.value <> '0' ORDER BY e.key;
END $_$;

CREATE FUNCTION tally.exact_analytics(tenant uuid, bucket_grain text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean DEFAULT false, with_sets boolean DEFAULT false, at_most integer DEFAULT 500) RETURNS TABLE(as_of timestamp with time zone, fresh boolean, lag_seconds double precision, agent_id uuid, bucket_start timestamp with time zone, bucket_end timestamp with time zone, date date, hour integer, total_calls bigint, successful_calls bigint, voicemail_calls bigint, no_answer_calls bigint, busy_calls bigint, failed_outcome_calls bigint, cancelled_calls bigint, in_progress_calls bigint, inbound_calls bigint, outbound_calls bigint, phone_calls bigint, internet_calls bigint, unknown_source_calls bigint, total_duration_minutes bigint, leads_generated bigint, hot_leads bigint, warm_leads bigint, cold_leads bigint, unqualified_leads bigint, leads_with_company bigint, intent_score_count bigint, urgency_score_count bigint, budget_score_count bigint, fit_score_count bigint, engagement_score_count bigint, total_score_count bigint, high_intent_leads bigint, high_budget_leads bigint, urgent_leads bigint, cta_pricing_clicks bigint, cta_demo_clicks bigint, cta_followup_clicks bigint, cta_sample_clicks bigint, cta_human_escalations bigint, leads_with_cta bigint, talk_seconds bigint, credits_micros bigint, cost_micros bigint, intent_score_sum bigint, urgency_score_sum bigint, budget_score_sum bigint, fit_score_sum bigint, engagement_score_sum bigint, total_score_sum bigint, fingerprint_hi bigint, fingerprint_lo bigint, duration_p50 integer, duration_p95 integer, duration_p99 integer, distinct_contacts integer)
    LANGUAGE sql STABLE
    AS $$
            SELECT s.as_of, s.fresh, s.lag_seconds, k.agent_id, k.bucket_start, k.bucket_end, k.date, k.hour, k.total_calls, k.successful_calls, k.voicemail_calls, k.no_answer_calls, k.busy_calls, k.failed_outcome_calls, k.cancelled_calls, k.in_progress_calls, k.inbound_calls, k.outbound_calls, k.phone_calls, k.internet_calls, k.unknown_source_calls, k.total_duration_minutes, k.leads_generated, k.hot_leads, k.warm_leads, k.cold_leads, k.unqualified_leads, k.leads_with_company, k.intent_score_count, k.urgency_score_count, k.budget_score_count, k.fit_score_count, k.engagement_score_count, k.total_score_count, k.high_intent_leads, k.high_budget_leads, k.urgent_leads, k.cta_pricing_clicks, k.cta_demo_clicks, k.cta_followup_clicks, k.cta_sample_clicks, k.cta_human_escalations, k.leads_with_cta, k.talk_seconds, k.credits_micros, k.cost_micros, k.intent_score_sum, k.urgency_score_sum, k.budget_score_sum, k.fit_score_sum, k.engagement_score_sum, k.total_score_sum, k.fingerprint_hi, k.fingerprint_lo,
                   tally.percentile(k.duration_values, k.duration_counts, 0.5), tally.percentile(k.duration_values, k.duration_counts, 0.95),
                   tally.percentile(k.duration_values, k.duration_counts, 0.99), cardinality(k.contact_ids)
            FROM tally.read_state(tenant, from_time, tally.range_end(tenant, bucket_grain, to_time), at_most) s
            LEFT JOIN LATERAL (
                SELECT * FROM tally.hour_or_day_figures(tenant, bucket_grain, from_time, to_time, by_agent, with_sets, s.fresh)
                WHERE bucket_grain IN ('hour', 'day')
                UNION ALL
                SELECT * FROM tally.month_figures(tenant, from_time, to_time, by_agent, with_sets, s.fresh)
                WHERE bucket_grain = 'month'
            ) k ON true
        $$;

COMMENT ON FUNCTION tally.exact_analytics(tenant uuid, bucket_grain text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, at_most integer) IS 'Figures of the hours, days or months of a tenant''s zone that start in [from_time, to_time), equal to its calls at the instant of the statement (fresh), or, when more than at_most quarters are marked, as stored and so far behind (lag_seconds). One row at least: without figures bucket_start is null. agent_id is null unless by_agent; percentiles (seconds) and distinct_contacts are null unless with_sets.';

CREATE FUNCTION tally.export_rows(tenant uuid, from_table text) RETURNS SETOF jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'tally'
    AS $_$
DECLARE
    tenant_column text;
BEGIN
    SELECT t.tenant_column INTO STRICT tenant_column FROM tally.tenant_tables() t WHERE t.table_name = from_table;
    RETURN QUERY EXECUTE format(
        'SELECT to_jsonb(r) - ARRAY[''password_hash'', ''password_reset_token'', ''email_verification_token'', ''token_hash'',
             ''refresh_token_hash'', ''secret_sha256'', ''previous_secret_sha256'', ''sealed_key'', ''previous_sealed_key'', ''sealed_api_key'']
         FROM %s r WHERE r.%I = $1', from_table, tenant_column) USING tenant;
END $_$;

CREATE FUNCTION tally.fingerprint(fields text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT md5(string_agg(coalesce(length(f)::text || ':' || f, '-'), ';' ORDER BY n))
    FROM unnest(fields) WITH ORDINALITY AS t (f, n)
$$;

CREATE FUNCTION tally.fingerprint_hi(digest text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ('x' || substr(digest, 1, 8))::bit(32)::bigint $$;

CREATE FUNCTION tally.fingerprint_lo(digest text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ('x' || substr(digest, 9, 8))::bit(32)::bigint $$;

CREATE FUNCTION tally.forget_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    DELETE FROM tally.audit_differences WHERE user_id IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$;

CREATE FUNCTION tally.forget_lead_marks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    DELETE FROM tally.lead_marks WHERE user_id IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$;

CREATE FUNCTION tally.forget_tenants() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.frozen_before(tenant uuid) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT coalesce((SELECT h.frozen_before FROM tally.history_horizons h WHERE h.user_id = tenant), '-infinity')
$$;

CREATE FUNCTION tally.hold_tenants(tenants uuid[]) RETURNS void
    LANGUAGE sql
    AS $$ SELECT FROM public.users WHERE id = ANY (tenants) ORDER BY id FOR KEY SHARE $$;

CREATE FUNCTION tally.hour_bucket(zone_name text, instant timestamp with time zone) RETURNS TABLE(bucket_start timestamp with time zone, bucket_end timestamp with time zone, date date, hour integer)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET "TimeZone" TO 'UTC'
    AS $$
    SELECT greatest(o.period_start, l.hour_start - o.utc_offset),
           least(o.period_end, l.hour_start + interval '1 hour' - o.utc_offset),
           (l.hour_start AT TIME ZONE 'UTC')::date,
           extract(hour FROM l.hour_start AT TIME ZONE 'UTC')::integer
    FROM tally.zone_offsets o
    CROSS JOIN LATERAL (SELECT date_trunc('hour', instant + o.utc_offset, 'UTC') AS hour_start) l
    WHERE o.zone = zone_name AND o.period_start <= instant AND instant < o.period_end
$$;

CREATE FUNCTION tally.hour_or_day_figures(tenant uuid, bucket_grain text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, exact boolean) RETURNS TABLE(agent_id uuid, bucket_start timestamp with time zone, bucket_end timestamp with time zone, date date, hour integer, total_calls bigint, successful_calls bigint, voicemail_calls bigint, no_answer_calls bigint, busy_calls bigint, failed_outcome_calls bigint, cancelled_calls bigint, in_progress_calls bigint, inbound_calls bigint, outbound_calls bigint, phone_calls bigint, internet_calls bigint, unknown_source_calls bigint, total_duration_minutes bigint, leads_generated bigint, hot_leads bigint, warm_leads bigint, cold_leads bigint, unqualified_leads bigint, leads_with_company bigint, intent_score_count bigint, urgency_score_count bigint, budget_score_count bigint, fit_score_count bigint, engagement_score_count bigint, total_score_count bigint, high_intent_leads bigint, high_budget_leads bigint, urgent_leads bigint, cta_pricing_clicks bigint, cta_demo_clicks bigint, cta_followup_clicks bigint, cta_sample_clicks bigint, cta_human_escalations bigint, leads_with_cta bigint, talk_seconds bigint, credits_micros bigint, cost_micros bigint, intent_score_sum bigint, urgency_score_sum bigint, budget_score_sum bigint, fit_score_sum bigint, engagement_score_sum bigint, total_score_sum bigint, fingerprint_hi bigint, fingerprint_lo bigint, duration_values integer[], duration_counts integer[], contact_ids uuid[])
    LANGUAGE plpgsql STABLE
    AS $$
        #variable_conflict use_column
        DECLARE
            local_zone CONSTANT text := (SELECT u.timezone FROM public.users u WHERE u.id = tenant);
            bucket_tier CONSTANT integer := CASE bucket_grain WHEN 'hour' THEN 1 ELSE 2 END;
            marked timestamptz[] := '{}';
            range_end CONSTANT timestamptz := tally.range_end(tenant, bucket_grain, to_time);
            starts timestamptz[];
            ends timestamptz[];
            dates date[];
            hours integer[];
        BEGIN
            IF exact THEN
                marked := tally.marked_quarters(tenant, from_time, range_end, 2147483647);
            END IF;
            SELECT coalesce(array_agg(d.bucket_start), '{}'), array_agg(d.bucket_end), array_agg(d.date), array_agg(d.hour)
            INTO starts, ends, dates, hours
            FROM (
                SELECT DISTINCT l.bucket_start, l.bucket_end, l.date, l.hour
                FROM (
                    SELECT unnest(marked) AS instant
                    UNION
                    SELECT m.bucket_start FROM tally.rollup_marks m
                    WHERE exact AND m.user_id = tenant AND m.tier BETWEEN 1 AND bucket_tier AND m.bucket_start >= from_time AND m.bucket_start < range_end
                    UNION
                    SELECT q.bucket_start FROM tally.quarter_rollups q
                    WHERE with_sets AND bucket_tier = 1 AND q.user_id = tenant AND q.bucket_start >= from_time AND q.bucket_start < range_end
                ) i
                CROSS JOIN LATERAL tally.local_bucket(local_zone, bucket_tier, i.instant) l
                WHERE l.bucket_start >= from_time AND l.bucket_start < to_time
            ) d;
            RETURN QUERY SELECT * FROM tally.stored_figures(tenant, bucket_grain, local_zone, from_time, to_time, by_agent, with_sets, starts);
            IF cardinality(starts) = 0 THEN
                RETURN;
            END IF;
            RETURN QUERY
            WITH b AS MATERIALIZED (
                SELECT CASE WHEN by_agent THEN k.agent_id END AS agent_id, d.bucket_start, d.bucket_end, d.date, d.hour,
                       k.total_calls, k.successful_calls, k.voicemail_calls, k.no_answer_calls, k.busy_calls, k.failed_outcome_calls, k.cancelled_calls, k.in_progress_calls, k.inbound_calls, k.outbound_calls, k.phone_calls, k.internet_calls, k.unknown_source_calls, k.total_duration_minutes, k.leads_generated, k.hot_leads, k.warm_leads, k.cold_leads, k.unqualified_leads, k.leads_with_company, k.intent_score_count, k.urgency_score_count, k.budget_score_count, k.fit_score_count, k.engagement_score_count, k.total_score_count, k.high_intent_leads, k.high_budget_leads, k.urgent_leads, k.cta_pricing_clicks, k.cta_demo_clicks, k.cta_followup_clicks, k.cta_sample_clicks, k.cta_human_escalations, k.leads_with_cta, k.talk_seconds, k.credits_micros, k.cost_micros, k.intent_score_sum, k.urgency_score_sum, k.budget_score_sum, k.fit_score_sum, k.engagement_score_sum, k.total_score_sum, k.fingerprint_hi, k.fingerprint_lo, k.duration_values, k.duration_counts, k.contact_ids
                FROM unnest(starts, ends, dates, hours) AS d (bucket_start, bucket_end, date, hour)
                CROSS JOIN LATERAL tally.quarter_figures(tenant, d.bucket_start, d.bucket_end, marked) k
            )
            , durations AS (
                SELECT x.agent_id, x.bucket_start, array_agg(x.v ORDER BY x.v) AS duration_values, array_agg(x.n ORDER BY x.v) AS duration_counts
                FROM (
                    SELECT b.agent_id, b.bucket_start, u.v, sum(u.n)::integer AS n
                    FROM b CROSS JOIN LATERAL unnest(b.duration_values, b.duration_counts) AS u (v, n)
                    WHERE with_sets GROUP BY 1, 2, 3
                ) x
                GROUP BY 1, 2
            ), contacts AS (
                SELECT b.agent_id, b.bucket_start, array_agg(DISTINCT u.id ORDER BY u.id) AS contact_ids
                FROM b CROSS JOIN LATERAL unnest(b.contact_ids) AS u (id)
                WHERE with_sets GROUP BY 1, 2
            )
            SELECT s.*, CASE WHEN with_sets THEN coalesce(h.duration_values, '{}') END,
                   CASE WHEN with_sets THEN coalesce(h.duration_counts, '{}') END, CASE WHEN with_sets THEN coalesce(c.contact_ids, '{}') END
            FROM (SELECT b.agent_id, b.bucket_start, b.bucket_end, b.date, b.hour, sum(b.total_calls)::bigint, sum(b.successful_calls)::bigint, sum(b.voicemail_calls)::bigint, sum(b.no_answer_calls)::bigint, sum(b.busy_calls)::bigint, sum(b.failed_outcome_calls)::bigint, sum(b.cancelled_calls)::bigint, sum(b.in_progress_calls)::bigint, sum(b.inbound_calls)::bigint, sum(b.outbound_calls)::bigint, sum(b.phone_calls)::bigint, sum(b.internet_calls)::bigint, sum(b.unknown_source_calls)::bigint, sum(b.total_duration_minutes)::bigint, sum(b.leads_generated)::bigint, sum(b.hot_leads)::bigint, sum(b.warm_leads)::bigint, sum(b.cold_leads)::bigint, sum(b.unqualified_leads)::bigint, sum(b.leads_with_company)::bigint, sum(b.intent_score_count)::bigint, sum(b.urgency_score_count)::bigint, sum(b.budget_score_count)::bigint, sum(b.fit_score_count)::bigint, sum(b.engagement_score_count)::bigint, sum(b.total_score_count)::bigint, sum(b.high_intent_leads)::bigint, sum(b.high_budget_leads)::bigint, sum(b.urgent_leads)::bigint, sum(b.cta_pricing_clicks)::bigint, sum(b.cta_demo_clicks)::bigint, sum(b.cta_followup_clicks)::bigint, sum(b.cta_sample_clicks)::bigint, sum(b.cta_human_escalations)::bigint, sum(b.leads_with_cta)::bigint, sum(b.talk_seconds)::bigint, sum(b.credits_micros)::bigint, sum(b.cost_micros)::bigint, sum(b.intent_score_sum)::bigint, sum(b.urgency_score_sum)::bigint, sum(b.budget_score_sum)::bigint, sum(b.fit_score_sum)::bigint, sum(b.engagement_score_sum)::bigint, sum(b.total_score_sum)::bigint, sum(b.fingerprint_hi)::bigint, sum(b.fingerprint_lo)::bigint FROM b GROUP BY 1, 2, 3, 4, 5) s
            LEFT JOIN durations h ON h.bucket_start = s.bucket_start AND h.agent_id IS NOT DISTINCT FROM s.agent_id
            LEFT JOIN contacts c ON c.bucket_start = s.bucket_start AND c.agent_id IS NOT DISTINCT FROM s.agent_id
    ;
        END $$;

CREATE FUNCTION tally.keep_charged_call() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    IF tally.removing_frozen() AND OLD.started_at < tally.frozen_before(OLD.user_id) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM public.credit_transactions WHERE user_id = OLD.user_id AND call_id = OLD.id) THEN
        RAISE EXCEPTION 'call % is charged in the ledger', OLD.id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'calls', SCHEMA = 'public';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.keep_job_history(days_ahead integer, keep_days integer, OUT made integer, OUT dropped integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '500ms'
    SET "TimeZone" TO 'UTC'
    AS $_$
DECLARE
    day date;
    part text;
BEGIN
    made := 0;
    dropped := 0;
    FOR day IN SELECT current_date + n FROM generate_series(0, days_ahead) n LOOP
        part := 'job_history_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('tally.' || part) IS NOT NULL;
        -- A day that has begun in the default partition stays there.
        CONTINUE WHEN EXISTS (
            SELECT 1 FROM tally.job_history_other o WHERE o.finished_at >= day AND o.finished_at < day + 1);
        EXECUTE format('CREATE TABLE tally.%I PARTITION OF tally.job_history FOR VALUES FROM (%L) TO (%L)',
            part, day::timestamptz, (day + 1)::timestamptz);
        made := made + 1;
    END LOOP;
    FOR part IN
        SELECT c.relname
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'tally.job_history'::regclass
            AND c.relname ~ '^job_history_\d{8}$'
            AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= current_date - keep_days
    LOOP
        EXECUTE format('DROP TABLE tally.%I', part);
        dropped := dropped + 1;
    END LOOP;
END
$_$;

COMMENT ON FUNCTION tally.keep_job_history(days_ahead integer, keep_days integer, OUT made integer, OUT dropped integer) IS 'Makes the partitions of the days to come and drops those past their retention; lock_not_available when busy.';

CREATE FUNCTION tally.local_bucket(zone_name text, tier integer, instant timestamp with time zone) RETURNS TABLE(bucket_start timestamp with time zone, bucket_end timestamp with time zone, date date, hour integer)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
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

CREATE FUNCTION tally.low_credit_levels() RETURNS bigint[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'public'
    AS $_$
    SELECT coalesce((
        SELECT CASE WHEN btrim(c.config_value) = '' THEN '{}'::bigint[] ELSE (
            SELECT array_agg(DISTINCT level::bigint * 1000000 ORDER BY level::bigint * 1000000 DESC)
            FROM regexp_split_to_table(c.config_value, ',') AS l (level)) END
        FROM system_config c
        WHERE c.config_key = 'low_credit_levels' AND NOT c.is_encrypted AND c.config_value ~ '^\s*(-?\d{1,9}\s*(,\s*-?\d{1,9}\s*){0,2})?$'
    ), '{15000000,5000000,0}'::bigint[])
$_$;

CREATE FUNCTION tally.mark_calls(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.mark_calls_deleted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT o.user_id, 0, o.bucket_start
    FROM (SELECT DISTINCT user_id, tally.quarter_of(started_at) AS bucket_start FROM old_rows) o
    WHERE EXISTS (SELECT FROM public.users u WHERE u.id = o.user_id) AND o.bucket_start >= tally.frozen_before(o.user_id);
    RETURN NULL;
END $$;

CREATE FUNCTION tally.mark_calls_inserted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, tally.quarter_of(started_at) FROM new_rows;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.mark_calls_updated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.mark_contacts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.mark_contacts_of_calls() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.mark_contacts_of_leads() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.mark_leads_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.mark_local_buckets(tenants uuid[], zone_name text, ranges tstzmultirange) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'tally'
    SET "TimeZone" TO 'UTC'
    SET jit TO 'off'
    AS $$
    WITH spans AS MATERIALIZED (
        SELECT t.user_id, coalesce(lower(r), '-infinity') AS from_time, coalesce(upper(r), 'infinity') AS to_time,
               greatest(lower(r), q.first_quarter) AS first_quarter, least(upper(r), q.last_quarter + interval '15 minutes') AS last_quarter
        FROM unnest(tenants) AS t (user_id)
        CROSS JOIN unnest(ranges) AS r
        CROSS JOIN LATERAL (
            SELECT min(k.bucket_start) AS first_quarter, max(k.bucket_start) AS last_quarter
            FROM tally.quarter_rollups k WHERE k.user_id = t.user_id
        ) q
    ), local_buckets AS (
        SELECT s.user_id, 1 AS tier, h.bucket_start, h.bucket_end
        FROM spans s
        JOIN tally.zone_offsets o ON o.zone = zone_name AND o.period_start < s.last_quarter AND o.period_end > s.first_quarter
        CROSS JOIN LATERAL generate_series(
            date_bin('1 hour', greatest(o.period_start, s.first_quarter) + o.utc_offset, '2000-01-01 00:00Z'),
            least(o.period_end, s.last_quarter) + o.utc_offset - interval '1 microsecond', interval '1 hour') AS hour_start
        CROSS JOIN LATERAL (
            SELECT greatest(o.period_start, hour_start - o.utc_offset) AS bucket_start,
                   least(o.period_end, hour_start + interval '1 hour' - o.utc_offset) AS bucket_end
        ) h
        UNION ALL
        SELECT s.user_id, CASE c.grain WHEN 'day' THEN 2 ELSE 3 END, c.bucket_start, c.bucket_end
        FROM spans s
        JOIN tally.calendar c ON c.zone = zone_name AND c.bucket_start < s.last_quarter AND c.bucket_end > s.first_quarter
    ), concerned AS (
        SELECT b.user_id, b.tier, b.bucket_start
        FROM local_buckets b
        -- With LIMIT, so that it stays one look into the index a bucket, however many rows the planner expects.
        CROSS JOIN LATERAL (
            SELECT FROM tally.quarter_rollups k
            WHERE k.user_id = b.user_id AND k.bucket_start >= b.bucket_start AND k.bucket_start < b.bucket_end
            LIMIT 1
        ) k
        UNION
        SELECT s.user_id, g.tier, u.bucket_start
        FROM spans s
        CROSS JOIN (VALUES ('hour', 1), ('day', 2), ('month', 3)) AS g (grain, tier)
        CROSS JOIN LATERAL (
            SELECT r.bucket_start
            FROM public.user_analytics r
            WHERE r.user_id = s.user_id AND r.grain = g.grain AND r.bucket_end > s.from_time
              AND r.bucket_start > s.from_time - interval '32 days' AND r.bucket_start < s.to_time
            OFFSET 0
        ) u
        UNION
        -- Rows of agents alone: a roll-up reads the quarters once for agents and once for the tenant, and a call that
        -- goes in between leaves the former for the mark that is still to come, which is one of the zone before.
        SELECT s.user_id, g.tier, a.bucket_start
        FROM spans s
        CROSS JOIN (VALUES ('hour', 1, interval '1 hour'), ('day', 2, interval '26 hours'), ('month', 3, interval '32 days')) AS g (grain, tier, longest)
        CROSS JOIN LATERAL (
            SELECT DISTINCT r.bucket_start
            FROM public.agent_analytics r
            WHERE r.user_id = s.user_id AND r.grain = g.grain AND r.bucket_start > s.from_time - g.longest AND r.bucket_start < s.to_time
            OFFSET 0
        ) a
        WHERE NOT EXISTS (
            SELECT FROM public.user_analytics t WHERE t.user_id = s.user_id AND t.grain = g.grain AND t.bucket_start = a.bucket_start)
    ), marked AS (
        INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
        SELECT c.user_id, c.tier, c.bucket_start
        FROM concerned c
        WHERE NOT EXISTS (
            SELECT FROM tally.rollup_marks m WHERE m.user_id = c.user_id AND m.tier = c.tier AND m.bucket_start = c.bucket_start)
        RETURNING 1
    )
    SELECT count(*) FROM marked
$$;

CREATE FUNCTION tally.mark_truncated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION '% is truncated in READ COMMITTED only, so that every bucket is seen that it empties', TG_TABLE_NAME
            USING ERRCODE = 'feature_not_supported';
    END IF;
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, bucket_start FROM tally.quarter_rollups;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.marked_quarters(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, at_most integer) RETURNS timestamp with time zone[]
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
    found_quarters timestamptz[] := '{}';
    next_quarter timestamptz;
BEGIN
    SELECT min(m.bucket_start) INTO next_quarter FROM tally.rollup_marks m
    WHERE m.user_id = tenant AND m.tier = 0 AND m.bucket_start < to_time
      AND m.bucket_start >= greatest(from_time, tally.frozen_before(tenant));
    WHILE next_quarter IS NOT NULL LOOP
        IF cardinality(found_quarters) >= at_most THEN
            RETURN NULL;
        END IF;
        found_quarters := found_quarters || next_quarter;
        SELECT min(m.bucket_start) INTO next_quarter FROM tally.rollup_marks m
        WHERE m.user_id = tenant AND m.tier = 0 AND m.bucket_start > next_quarter AND m.bucket_start < to_time;
    END LOOP;
    RETURN found_quarters;
END $$;

CREATE FUNCTION tally.month_figures(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, exact boolean) RETURNS TABLE(agent_id uuid, bucket_start timestamp with time zone, bucket_end timestamp with time zone, date date, hour integer, total_calls bigint, successful_calls bigint, voicemail_calls bigint, no_answer_calls bigint, busy_calls bigint, failed_outcome_calls bigint, cancelled_calls bigint, in_progress_calls bigint, inbound_calls bigint, outbound_calls bigint, phone_calls bigint, internet_calls bigint, unknown_source_calls bigint, total_duration_minutes bigint, leads_generated bigint, hot_leads bigint, warm_leads bigint, cold_leads bigint, unqualified_leads bigint, leads_with_company bigint, intent_score_count bigint, urgency_score_count bigint, budget_score_count bigint, fit_score_count bigint, engagement_score_count bigint, total_score_count bigint, high_intent_leads bigint, high_budget_leads bigint, urgent_leads bigint, cta_pricing_clicks bigint, cta_demo_clicks bigint, cta_followup_clicks bigint, cta_sample_clicks bigint, cta_human_escalations bigint, leads_with_cta bigint, talk_seconds bigint, credits_micros bigint, cost_micros bigint, intent_score_sum bigint, urgency_score_sum bigint, budget_score_sum bigint, fit_score_sum bigint, engagement_score_sum bigint, total_score_sum bigint, fingerprint_hi bigint, fingerprint_lo bigint, duration_values integer[], duration_counts integer[], contact_ids uuid[])
    LANGUAGE plpgsql STABLE
    AS $$
        #variable_conflict use_column
        DECLARE
            local_zone CONSTANT text := (SELECT u.timezone FROM public.users u WHERE u.id = tenant);
            starts timestamptz[];
        BEGIN
            SELECT coalesce(array_agg(c.bucket_start), '{}') INTO starts
            FROM tally.calendar c
            WHERE c.zone = local_zone AND c.grain = 'month' AND c.bucket_start >= from_time AND c.bucket_start < to_time
              AND (with_sets OR (exact AND EXISTS (
                  SELECT FROM tally.rollup_marks m, generate_series(0, 3) AS t (tier)
                  WHERE m.user_id = tenant AND m.tier = t.tier AND m.bucket_start >= c.bucket_start AND m.bucket_start < c.bucket_end)));
            RETURN QUERY SELECT * FROM tally.stored_figures(tenant, 'month', local_zone, from_time, to_time, by_agent, with_sets, starts);
            IF cardinality(starts) = 0 THEN
                RETURN;
            END IF;
            RETURN QUERY
            WITH b AS MATERIALIZED (
                SELECT k.agent_id, c.bucket_start, c.bucket_end, c.date, NULL::integer AS hour,
                       k.total_calls, k.successful_calls, k.voicemail_calls, k.no_answer_calls, k.busy_calls, k.failed_outcome_calls, k.cancelled_calls, k.in_progress_calls, k.inbound_calls, k.outbound_calls, k.phone_calls, k.internet_calls, k.unknown_source_calls, k.total_duration_minutes, k.leads_generated, k.hot_leads, k.warm_leads, k.cold_leads, k.unqualified_leads, k.leads_with_company, k.intent_score_count, k.urgency_score_count, k.budget_score_count, k.fit_score_count, k.engagement_score_count, k.total_score_count, k.high_intent_leads, k.high_budget_leads, k.urgent_leads, k.cta_pricing_clicks, k.cta_demo_clicks, k.cta_followup_clicks, k.cta_sample_clicks, k.cta_human_escalations, k.leads_with_cta, k.talk_seconds, k.credits_micros, k.cost_micros, k.intent_score_sum, k.urgency_score_sum, k.budget_score_sum, k.fit_score_sum, k.engagement_score_sum, k.total_score_sum, k.fingerprint_hi, k.fingerprint_lo, k.duration_values, k.duration_counts, k.contact_ids
                FROM tally.calendar c
                CROSS JOIN LATERAL tally.hour_or_day_figures(tenant, 'day', c.bucket_start, c.bucket_end, by_agent, with_sets, exact) k
                WHERE c.zone = local_zone AND c.grain = 'month' AND c.bucket_start = ANY (starts)
            )
            , durations AS (
                SELECT x.agent_id, x.bucket_start, array_agg(x.v ORDER BY x.v) AS duration_values, array_agg(x.n ORDER BY x.v) AS duration_counts
                FROM (
                    SELECT b.agent_id, b.bucket_start, u.v, sum(u.n)::integer AS n
                    FROM b CROSS JOIN LATERAL unnest(b.duration_values, b.duration_counts) AS u (v, n)
                    WHERE with_sets GROUP BY 1, 2, 3
                ) x
                GROUP BY 1, 2
            ), contacts AS (
                SELECT b.agent_id, b.bucket_start, array_agg(DISTINCT u.id ORDER BY u.id) AS contact_ids
                FROM b CROSS JOIN LATERAL unnest(b.contact_ids) AS u (id)
                WHERE with_sets GROUP BY 1, 2
            )
            SELECT s.*, CASE WHEN with_sets THEN coalesce(h.duration_values, '{}') END,
                   CASE WHEN with_sets THEN coalesce(h.duration_counts, '{}') END, CASE WHEN with_sets THEN coalesce(c.contact_ids, '{}') END
            FROM (SELECT b.agent_id, b.bucket_start, b.bucket_end, b.date, b.hour, sum(b.total_calls)::bigint, sum(b.successful_calls)::bigint, sum(b.voicemail_calls)::bigint, sum(b.no_answer_calls)::bigint, sum(b.busy_calls)::bigint, sum(b.failed_outcome_calls)::bigint, sum(b.cancelled_calls)::bigint, sum(b.in_progress_calls)::bigint, sum(b.inbound_calls)::bigint, sum(b.outbound_calls)::bigint, sum(b.phone_calls)::bigint, sum(b.internet_calls)::bigint, sum(b.unknown_source_calls)::bigint, sum(b.total_duration_minutes)::bigint, sum(b.leads_generated)::bigint, sum(b.hot_leads)::bigint, sum(b.warm_leads)::bigint, sum(b.cold_leads)::bigint, sum(b.unqualified_leads)::bigint, sum(b.leads_with_company)::bigint, sum(b.intent_score_count)::bigint, sum(b.urgency_score_count)::bigint, sum(b.budget_score_count)::bigint, sum(b.fit_score_count)::bigint, sum(b.engagement_score_count)::bigint, sum(b.total_score_count)::bigint, sum(b.high_intent_leads)::bigint, sum(b.high_budget_leads)::bigint, sum(b.urgent_leads)::bigint, sum(b.cta_pricing_clicks)::bigint, sum(b.cta_demo_clicks)::bigint, sum(b.cta_followup_clicks)::bigint, sum(b.cta_sample_clicks)::bigint, sum(b.cta_human_escalations)::bigint, sum(b.leads_with_cta)::bigint, sum(b.talk_seconds)::bigint, sum(b.credits_micros)::bigint, sum(b.cost_micros)::bigint, sum(b.intent_score_sum)::bigint, sum(b.urgency_score_sum)::bigint, sum(b.budget_score_sum)::bigint, sum(b.fit_score_sum)::bigint, sum(b.engagement_score_sum)::bigint, sum(b.total_score_sum)::bigint, sum(b.fingerprint_hi)::bigint, sum(b.fingerprint_lo)::bigint FROM b GROUP BY 1, 2, 3, 4, 5) s
            LEFT JOIN durations h ON h.bucket_start = s.bucket_start AND h.agent_id IS NOT DISTINCT FROM s.agent_id
            LEFT JOIN contacts c ON c.bucket_start = s.bucket_start AND c.agent_id IS NOT DISTINCT FROM s.agent_id
    ;
        END $$;

CREATE FUNCTION tally.move_contacts(tenants uuid[], contacts uuid[], busy integer[], no_answer integer[], failed integer[], unanswered integer[], last_before timestamp with time zone[], last_after timestamp with time zone[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
    some_lost CONSTANT boolean := EXISTS (SELECT FROM unnest(last_before, last_after) AS d (before, after)
                                          WHERE d.before IS NOT NULL AND (d.after IS NULL OR d.after < d.before));
BEGIN
    -- Where a call went away, the latest of the others is looked up below: FOR UPDATE waits for calls that others are
    -- linking to the contact at this moment, whose foreign keys hold it.
    IF some_lost THEN
        PERFORM FROM unnest(tenants, contacts) AS d (user_id, id) JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
        ORDER BY k.user_id, k.phone_number, k.id FOR UPDATE OF k;
    ELSE
        -- So does whoever moves a call to a later time: another's look at the latest call waits for that.
        PERFORM FROM unnest(tenants, contacts, last_before, last_after) AS d (user_id, id, before, after)
        JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
        WHERE d.before <> d.after
        ORDER BY k.user_id, k.phone_number, k.id FOR KEY SHARE OF k;
        PERFORM FROM unnest(tenants, contacts, busy, no_answer, failed, unanswered, last_after)
                     AS d (user_id, id, busy, no_answer, failed, unanswered, last_after)
        JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
        WHERE (d.busy, d.no_answer, d.failed, d.unanswered) <> (0, 0, 0, 0)
           OR k.last_contact_at IS NULL OR k.last_contact_at < d.last_after
        ORDER BY k.user_id, k.phone_number, k.id FOR NO KEY UPDATE OF k;
    END IF;
    UPDATE public.contacts k
    SET call_attempted_busy = greatest(0, k.call_attempted_busy + m.busy),
        call_attempted_no_answer = greatest(0, k.call_attempted_no_answer + m.no_answer),
        call_attempted_failed = greatest(0, k.call_attempted_failed + m.failed),
        not_connected = greatest(0, k.not_connected + m.unanswered),
        last_contact_at = m.last_call_at
    FROM (
        SELECT d.*, CASE
                   WHEN d.last_before IS NULL OR d.last_after >= d.last_before THEN greatest(k.last_contact_at, d.last_after)
                   WHEN k.last_contact_at > d.last_before THEN k.last_contact_at
                   ELSE greatest(
                       (SELECT max(c.started_at) FROM public.calls c WHERE c.user_id = d.user_id AND c.contact_id = d.id),
                       (SELECT a.last_call_at FROM tally.contact_archive a WHERE a.user_id = d.user_id AND a.contact_id = d.id))
               END AS last_call_at
        FROM unnest(tenants, contacts, busy, no_answer, failed, unanswered, last_before, last_after)
             AS d (user_id, id, busy, no_answer, failed, unanswered, last_before, last_after)
        JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
    ) m
    WHERE k.user_id = m.user_id AND k.id = m.id
      AND ((m.busy, m.no_answer, m.failed, m.unanswered) <> (0, 0, 0, 0) OR k.last_contact_at IS DISTINCT FROM m.last_call_at);
    UPDATE public.customers c SET last_interaction_date = k.last_contact_at
    FROM unnest(tenants, contacts) AS d (user_id, id)
    JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
    WHERE c.user_id = k.user_id AND c.contact_id = k.id AND c.last_interaction_date IS DISTINCT FROM k.last_contact_at;
END $$;

CREATE FUNCTION tally.open_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, created_at)
    VALUES (NEW.id, CASE WHEN NEW.credits_micros > 0 THEN 'bonus' ELSE 'admin_adjustment' END, NEW.credits_micros, NEW.credits_micros,
            'Opening balance', NEW.created_at);
    RETURN NULL;
END $$;

CREATE FUNCTION tally.percentile(vals integer[], counts integer[], fraction double precision) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT min(v) FROM (
        SELECT v, sum(n) OVER (ORDER BY v) AS upto, sum(n) OVER () AS total
        FROM (SELECT v, sum(n) AS n FROM unnest(vals, counts) AS t (v, n) GROUP BY v) h
    ) x
    -- As numeric, since 0.07 * 100 is more than 7 in binary.
    WHERE upto >= ceil(fraction::numeric * total)
$$;

CREATE FUNCTION tally.quarter_figures(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, marked timestamp with time zone[]) RETURNS TABLE(agent_id uuid, bucket_start timestamp with time zone, total_calls bigint, successful_calls bigint, voicemail_calls bigint, no_answer_calls bigint, busy_calls bigint, failed_outcome_calls bigint, cancelled_calls bigint, in_progress_calls bigint, inbound_calls bigint, outbound_calls bigint, phone_calls bigint, internet_calls bigint, unknown_source_calls bigint, total_duration_minutes bigint, leads_generated bigint, hot_leads bigint, warm_leads bigint, cold_leads bigint, unqualified_leads bigint, leads_with_company bigint, intent_score_count bigint, urgency_score_count bigint, budget_score_count bigint, fit_score_count bigint, engagement_score_count bigint, total_score_count bigint, high_intent_leads bigint, high_budget_leads bigint, urgent_leads bigint, cta_pricing_clicks bigint, cta_demo_clicks bigint, cta_followup_clicks bigint, cta_sample_clicks bigint, cta_human_escalations bigint, leads_with_cta bigint, talk_seconds bigint, credits_micros bigint, cost_micros bigint, intent_score_sum bigint, urgency_score_sum bigint, budget_score_sum bigint, fit_score_sum bigint, engagement_score_sum bigint, total_score_sum bigint, fingerprint_hi bigint, fingerprint_lo bigint, duration_values integer[], duration_counts integer[], contact_ids uuid[])
    LANGUAGE sql STABLE
    AS $$
            SELECT r.agent_id, r.bucket_start, r.total_calls::bigint, r.successful_calls::bigint, r.voicemail_calls::bigint, r.no_answer_calls::bigint, r.busy_calls::bigint, r.failed_outcome_calls::bigint, r.cancelled_calls::bigint, r.in_progress_calls::bigint, r.inbound_calls::bigint, r.outbound_calls::bigint, r.phone_calls::bigint, r.internet_calls::bigint, r.unknown_source_calls::bigint, r.total_duration_minutes::bigint, r.leads_generated::bigint, r.hot_leads::bigint, r.warm_leads::bigint, r.cold_leads::bigint, r.unqualified_leads::bigint, r.leads_with_company::bigint, r.intent_score_count::bigint, r.urgency_score_count::bigint, r.budget_score_count::bigint, r.fit_score_count::bigint, r.engagement_score_count::bigint, r.total_score_count::bigint, r.high_intent_leads::bigint, r.high_budget_leads::bigint, r.urgent_leads::bigint, r.cta_pricing_clicks::bigint, r.cta_demo_clicks::bigint, r.cta_followup_clicks::bigint, r.cta_sample_clicks::bigint, r.cta_human_escalations::bigint, r.leads_with_cta::bigint, r.talk_seconds::bigint, r.credits_micros::bigint, r.cost_micros::bigint, r.intent_score_sum::bigint, r.urgency_score_sum::bigint, r.budget_score_sum::bigint, r.fit_score_sum::bigint, r.engagement_score_sum::bigint, r.total_score_sum::bigint, r.fingerprint_hi::bigint, r.fingerprint_lo::bigint, r.duration_values, r.duration_counts, r.contact_ids
            FROM tally.quarter_rollups r
            WHERE r.user_id = tenant AND r.bucket_start >= from_time AND r.bucket_start < to_time AND r.bucket_start <> ALL (marked)
            UNION ALL
            SELECT k.agent_id, q.bucket_start, k.total_calls, k.successful_calls, k.voicemail_calls, k.no_answer_calls, k.busy_calls, k.failed_outcome_calls, k.cancelled_calls, k.in_progress_calls, k.inbound_calls, k.outbound_calls, k.phone_calls, k.internet_calls, k.unknown_source_calls, k.total_duration_minutes, k.leads_generated, k.hot_leads, k.warm_leads, k.cold_leads, k.unqualified_leads, k.leads_with_company, k.intent_score_count, k.urgency_score_count, k.budget_score_count, k.fit_score_count, k.engagement_score_count, k.total_score_count, k.high_intent_leads, k.high_budget_leads, k.urgent_leads, k.cta_pricing_clicks, k.cta_demo_clicks, k.cta_followup_clicks, k.cta_sample_clicks, k.cta_human_escalations, k.leads_with_cta, k.talk_seconds, k.credits_micros, k.cost_micros, k.intent_score_sum, k.urgency_score_sum, k.budget_score_sum, k.fit_score_sum, k.engagement_score_sum, k.total_score_sum, k.fingerprint_hi, k.fingerprint_lo, k.duration_values, k.duration_counts, k.contact_ids
            FROM unnest(marked) AS q (bucket_start)
            CROSS JOIN LATERAL tally.count_calls(tenant, q.bucket_start, q.bucket_start + interval '15 minutes') k
            WHERE q.bucket_start >= from_time AND q.bucket_start < to_time
        $$;

CREATE FUNCTION tally.quarter_of(instant timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT date_bin('15 minutes', instant, '2000-01-01 00:00Z') $$;

CREATE FUNCTION tally.range_end(tenant uuid, bucket_grain text, to_time timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
    SELECT coalesce((
        SELECT l.bucket_end
        FROM public.users u
        CROSS JOIN LATERAL tally.local_bucket(u.timezone, CASE bucket_grain WHEN 'hour' THEN 1 WHEN 'day' THEN 2 ELSE 3 END,
                                              to_time - interval '1 microsecond') l
        WHERE u.id = tenant), to_time)
$$;

CREATE FUNCTION tally.read_state(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, at_most integer) RETURNS TABLE(as_of timestamp with time zone, fresh boolean, lag_seconds double precision)
    LANGUAGE sql STABLE
    AS $$
    SELECT statement_timestamp(), s.fresh,
           CASE WHEN s.fresh THEN 0 ELSE greatest(0, extract(epoch FROM statement_timestamp() - (
               SELECT m.marked_at FROM tally.rollup_marks m WHERE m.user_id = tenant ORDER BY m.seq LIMIT 1)))::float8 END
    FROM (SELECT tally.marked_quarters(tenant, from_time, to_time, at_most) IS NOT NULL AS fresh) s
$$;

COMMENT ON FUNCTION tally.read_state(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, at_most integer) IS 'fresh: at most at_most quarters of the range are marked, so that reading it exactly is cheap. lag_seconds: age of the tenant''s oldest mark when it is not.';

CREATE FUNCTION tally.recount_all_contacts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    PERFORM tally.recount_contacts();
    RETURN NULL;
END $$;

CREATE FUNCTION tally.recount_contacts(tenant uuid DEFAULT NULL::uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
DECLARE
    corrected bigint;
BEGIN
    -- Nobody changes a call of these contacts until this ends: a new call holds its contact.
    PERFORM FROM public.contacts WHERE tenant IS NULL OR user_id = tenant ORDER BY user_id, phone_number, id FOR UPDATE;
    UPDATE public.contacts k
    SET call_attempted_busy = s.busy, call_attempted_no_answer = s.no_answer, call_attempted_failed = s.failed,
        not_connected = s.unanswered, last_contact_at = s.last_call_at
    FROM (
        SELECT x.user_id, x.contact_id, sum(x.busy)::integer AS busy, sum(x.no_answer)::integer AS no_answer,
               sum(x.failed)::integer AS failed, sum(x.unanswered)::integer AS unanswered, max(x.last_call_at) AS last_call_at
        FROM (
            SELECT user_id, id AS contact_id, 0 AS busy, 0 AS no_answer, 0 AS failed, 0 AS unanswered, NULL::timestamptz AS last_call_at
            FROM public.contacts
            UNION ALL
            SELECT user_id, contact_id, busy_dials, no_answer_dials, failed_dials, unanswered_sids, started_at
            FROM public.calls WHERE contact_id IS NOT NULL
            UNION ALL
            SELECT user_id, contact_id, busy_dials, no_answer_dials, failed_dials, unanswered_sids, last_call_at FROM tally.contact_archive
        ) x
        WHERE tenant IS NULL OR x.user_id = tenant
        GROUP BY 1, 2
    ) s
    WHERE k.user_id = s.user_id AND k.id = s.contact_id
      AND (k.call_attempted_busy, k.call_attempted_no_answer, k.call_attempted_failed, k.not_connected, k.last_contact_at)
          IS DISTINCT FROM (s.busy, s.no_answer, s.failed, s.unanswered, s.last_call_at);
    GET DIAGNOSTICS corrected = ROW_COUNT;
    UPDATE public.customers c SET last_interaction_date = k.last_contact_at
    FROM public.contacts k
    WHERE (tenant IS NULL OR c.user_id = tenant) AND k.user_id = c.user_id AND k.id = c.contact_id
      AND c.last_interaction_date IS DISTINCT FROM k.last_contact_at;
    RETURN corrected;
END $$;

COMMENT ON FUNCTION tally.recount_contacts(tenant uuid) IS 'Repairs what verify found to differ; holds the tenant''s contacts while it runs.';

CREATE FUNCTION tally.refresh_kpi_summary() RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    SET jit TO 'off'
    AS $$
BEGIN
    -- Without compiling: for 1,000 tenants that took three times as long as the query.
    PERFORM pg_advisory_xact_lock(hashtextextended('tally.refresh_kpi_summary', 0));
    REFRESH MATERIALIZED VIEW CONCURRENTLY public.user_kpi_summary;
    INSERT INTO public.system_config AS c (config_key, config_value, description)
    VALUES ('last_kpi_refresh', extract(epoch FROM statement_timestamp())::bigint::text, 'As of when user_kpi_summary was last refreshed, in epoch seconds.')
    ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value;
    RETURN statement_timestamp();
END $$;

CREATE FUNCTION tally.refresh_zone(zone_name text, OUT extended boolean, OUT changed tstzmultirange, OUT marks bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'tally'
    SET "TimeZone" TO 'UTC'
    AS $$
DECLARE
    known_until CONSTANT timestamptz := (SELECT max(period_end) FROM tally.zone_offsets WHERE zone = zone_name);
    seam tstzmultirange := '{}';
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a calendar is changed in READ COMMITTED: what came before the hold must be seen' USING ERRCODE = '25001';
    END IF;
    changed := tally.changed_ranges(zone_name);
    extended := known_until < tally.calendar_end();
    marks := 0;
    IF isempty(changed) AND NOT extended THEN
        RETURN;
    END IF;
    PERFORM FROM tally.zones WHERE zone = zone_name FOR UPDATE;
    PERFORM FROM tally.zone_holds h
    WHERE h.user_id IN (SELECT u.id FROM public.users u WHERE u.timezone = zone_name)
    ORDER BY h.user_id FOR UPDATE;
    changed := tally.changed_ranges(zone_name);
    IF extended THEN
        -- The last hour, day and month had been cut off.
        seam := tstzmultirange(tstzrange(known_until - interval '1 hour', known_until));
    END IF;
    PERFORM tally.store_zone(zone_name);
    marks := tally.mark_local_buckets(ARRAY(SELECT u.id FROM public.users u WHERE u.timezone = zone_name), zone_name, changed + seam);
END $$;

CREATE FUNCTION tally.refuse_bare_zone_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.timezone <> OLD.timezone AND coalesce(current_setting('tally.zone_change', true), '') <> 'on' THEN
        RAISE EXCEPTION 'a tenant''s zone is changed by `tallyline tenant set --timezone`, which rebuilds its figures'
            USING ERRCODE = '55000';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION tally.refuse_frozen(tenant uuid) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'calls of tenant % before % have gone to history and cannot change', tenant, tally.frozen_before(tenant)
        USING ERRCODE = '23T01';
END $$;

CREATE FUNCTION tally.refuse_frozen_calls() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
DECLARE
    frozen_tenant uuid;
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM tally.hold_tenants(ARRAY(SELECT DISTINCT user_id FROM new_rows));
        SELECT h.user_id INTO frozen_tenant FROM tally.history_horizons h
        WHERE EXISTS (SELECT FROM new_rows n WHERE n.user_id = h.user_id AND n.started_at < h.frozen_before);
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM tally.hold_tenants(ARRAY(SELECT user_id FROM old_rows UNION SELECT user_id FROM new_rows));
        SELECT h.user_id INTO frozen_tenant FROM tally.history_horizons h
        WHERE EXISTS (SELECT FROM old_rows o WHERE o.user_id = h.user_id AND o.started_at < h.frozen_before)
           OR EXISTS (SELECT FROM new_rows n WHERE n.user_id = h.user_id AND n.started_at < h.frozen_before);
    ELSIF NOT tally.removing_frozen() THEN
        PERFORM tally.hold_tenants(ARRAY(SELECT DISTINCT user_id FROM old_rows));
        -- With the tenant itself everything goes.
        SELECT h.user_id INTO frozen_tenant FROM tally.history_horizons h JOIN public.users u ON u.id = h.user_id
        WHERE EXISTS (SELECT FROM old_rows o WHERE o.user_id = h.user_id AND o.started_at < h.frozen_before);
    END IF;
    IF frozen_tenant IS NOT NULL THEN
        PERFORM tally.refuse_frozen(frozen_tenant);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.refuse_frozen_leads() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
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

CREATE FUNCTION tally.removing_frozen() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ SELECT coalesce(current_setting('tally.removing_frozen', true), '') = 'on' $$;

CREATE FUNCTION tally.request_job(kind text, key text, user_id uuid DEFAULT NULL::uuid, run_after interval DEFAULT '00:00:00'::interval, payload jsonb DEFAULT '{}'::jsonb, queue text DEFAULT 'default'::text, priority integer DEFAULT 1, max_attempts integer DEFAULT 10) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO tally.jobs AS held (kind, queue, user_id, coalesce_key, payload, priority, run_at, max_attempts, created_at)
   VALUES (request_job.kind, request_job.queue, request_job.user_id, request_job.key, request_job.payload, request_job.priority, (now() + request_job.run_after), request_job.max_attempts, now()) ON CONFLICT(kind, user_id, coalesce_key)
   WHERE (coalesce_key IS NOT NULL) DO UPDATE SET requested = (held.requested + 1), run_at =
         CASE
             WHEN ((held.state = 'claimed'::text) AND (held.requested = held.claimed_generation)) THEN excluded.run_at
             WHEN ((held.state = 'ready'::text) AND (held.attempt > 0)) THEN held.run_at
             ELSE LEAST(held.run_at, excluded.run_at)
         END
   RETURNING held.id;
END;

COMMENT ON FUNCTION tally.request_job(kind text, key text, user_id uuid, run_after interval, payload jsonb, queue text, priority integer, max_attempts integer) IS 'Asks for a coalesced job: one row per (kind, user_id, key), whatever the number of requests. Returns its id.';

CREATE FUNCTION tally.request_requalification() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    PERFORM tally.request_job('requalify_leads', 'tenant', NEW.id);
    RETURN NULL;
END $$;

CREATE FUNCTION tally.settle_low_credit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
DECLARE
    levels CONSTANT bigint[] := tally.low_credit_levels();
BEGIN
    -- Whoever changed the balance holds it already; for others, one after the other.
    PERFORM FROM users u WHERE u.id IN (SELECT n.user_id FROM new_entries n) ORDER BY u.id FOR NO KEY UPDATE;
    WITH entries AS (
        SELECT n.user_id, n.entry_no, n.call_id, n.balance_after_micros, n.amount_micros < 0 AS is_charge,
               u.low_credit_level::integer AS known, r.reached,
               bool_or(n.amount_micros < 0) OVER (PARTITION BY n.user_id ORDER BY n.entry_no) AS after_charge
        FROM new_entries n
        JOIN users u ON u.id = n.user_id
        CROSS JOIN LATERAL (
            SELECT count(*)::integer AS reached FROM unnest(levels) AS l (level) WHERE n.balance_after_micros <= l.level
        ) r
    ), settled AS (
        -- A charge settles what is reached; before the first one, a rise can only take back.
        SELECT e.*, CASE WHEN e.after_charge THEN e.reached ELSE least(e.known, e.reached) END AS level FROM entries e
    ), steps AS (
        SELECT s.*, lag(s.level, 1, s.known) OVER (PARTITION BY s.user_id ORDER BY s.entry_no) AS before,
               row_number() OVER (PARTITION BY s.user_id ORDER BY s.entry_no DESC) AS from_last
        FROM settled s
    ), told AS (
        INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key)
        SELECT s.user_id, 'credits.low',
               jsonb_build_object('level_micros', levels[place], 'balance_micros', s.balance_after_micros, 'call_id', s.call_id),
               format('credits.low:%s:%s', s.entry_no, levels[place])
        FROM steps s
        CROSS JOIN generate_series(s.before + 1, s.reached) AS place
        WHERE s.is_charge
        ORDER BY s.user_id, s.entry_no, place
        ON CONFLICT (user_id, idempotency_key) DO NOTHING
    )
    UPDATE users u SET low_credit_level = s.level
    FROM steps s
    WHERE s.from_last = 1 AND u.id = s.user_id AND u.low_credit_level <> s.level;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.store_zone(zone_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
DECLARE
    first_instant CONSTANT timestamptz := tally.calendar_start();
    last_instant  CONSTANT timestamptz := tally.calendar_end();
BEGIN
    DELETE FROM tally.zone_offsets o
    WHERE o.zone = zone_name AND (o.period_start, o.period_end, o.utc_offset) NOT IN (
        SELECT d.period_start, d.period_end, d.utc_offset FROM tally.derive_offsets(zone_name, first_instant, last_instant) d);
    INSERT INTO tally.zone_offsets (zone, period_start, period_end, utc_offset)
    SELECT zone_name, d.period_start, d.period_end, d.utc_offset FROM tally.derive_offsets(zone_name, first_instant, last_instant) d
    ON CONFLICT DO NOTHING;

    DELETE FROM tally.calendar c
    WHERE c.zone = zone_name AND (c.grain, c.bucket_start, c.bucket_end, c.date) NOT IN (
        SELECT d.grain, d.bucket_start, d.bucket_end, d.date FROM tally.derive_buckets(zone_name, first_instant, last_instant) d);
    INSERT INTO tally.calendar (zone, grain, bucket_start, bucket_end, date)
    SELECT zone_name, d.grain, d.bucket_start, d.bucket_end, d.date FROM tally.derive_buckets(zone_name, first_instant, last_instant) d
    ON CONFLICT DO NOTHING;
END $$;

CREATE FUNCTION tally.stored_figures(tenant uuid, bucket_grain text, local_zone text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, other_than timestamp with time zone[]) RETURNS TABLE(agent_id uuid, bucket_start timestamp with time zone, bucket_end timestamp with time zone, date date, hour integer, total_calls bigint, successful_calls bigint, voicemail_calls bigint, no_answer_calls bigint, busy_calls bigint, failed_outcome_calls bigint, cancelled_calls bigint, in_progress_calls bigint, inbound_calls bigint, outbound_calls bigint, phone_calls bigint, internet_calls bigint, unknown_source_calls bigint, total_duration_minutes bigint, leads_generated bigint, hot_leads bigint, warm_leads bigint, cold_leads bigint, unqualified_leads bigint, leads_with_company bigint, intent_score_count bigint, urgency_score_count bigint, budget_score_count bigint, fit_score_count bigint, engagement_score_count bigint, total_score_count bigint, high_intent_leads bigint, high_budget_leads bigint, urgent_leads bigint, cta_pricing_clicks bigint, cta_demo_clicks bigint, cta_followup_clicks bigint, cta_sample_clicks bigint, cta_human_escalations bigint, leads_with_cta bigint, talk_seconds bigint, credits_micros bigint, cost_micros bigint, intent_score_sum bigint, urgency_score_sum bigint, budget_score_sum bigint, fit_score_sum bigint, engagement_score_sum bigint, total_score_sum bigint, fingerprint_hi bigint, fingerprint_lo bigint, duration_values integer[], duration_counts integer[], contact_ids uuid[])
    LANGUAGE sql STABLE
    AS $$
            SELECT r.agent_id, r.bucket_start, r.bucket_end, r.date, r.hour, r.total_calls::bigint, r.successful_calls::bigint, r.voicemail_calls::bigint, r.no_answer_calls::bigint, r.busy_calls::bigint, r.failed_outcome_calls::bigint, r.cancelled_calls::bigint, r.in_progress_calls::bigint, r.inbound_calls::bigint, r.outbound_calls::bigint, r.phone_calls::bigint, r.internet_calls::bigint, r.unknown_source_calls::bigint, r.total_duration_minutes::bigint, r.leads_generated::bigint, r.hot_leads::bigint, r.warm_leads::bigint, r.cold_leads::bigint, r.unqualified_leads::bigint, r.leads_with_company::bigint, r.intent_score_count::bigint, r.urgency_score_count::bigint, r.budget_score_count::bigint, r.fit_score_count::bigint, r.engagement_score_count::bigint, r.total_score_count::bigint, r.high_intent_leads::bigint, r.high_budget_leads::bigint, r.urgent_leads::bigint, r.cta_pricing_clicks::bigint, r.cta_demo_clicks::bigint, r.cta_followup_clicks::bigint, r.cta_sample_clicks::bigint, r.cta_human_escalations::bigint, r.leads_with_cta::bigint, r.talk_seconds::bigint, r.credits_micros::bigint, r.cost_micros::bigint, r.intent_score_sum::bigint, r.urgency_score_sum::bigint, r.budget_score_sum::bigint, r.fit_score_sum::bigint, r.engagement_score_sum::bigint, r.total_score_sum::bigint, r.fingerprint_hi::bigint, r.fingerprint_lo::bigint, CASE WHEN with_sets THEN r.duration_values END,
                   CASE WHEN with_sets THEN r.duration_counts END, CASE WHEN with_sets THEN r.contact_ids END
            FROM public.agent_analytics r
            WHERE by_agent AND r.user_id = tenant AND r.grain = bucket_grain AND r.bucket_start >= from_time AND r.bucket_start < to_time
              AND r.zone = local_zone AND r.bucket_start <> ALL (other_than)
            UNION ALL
            SELECT NULL::uuid, r.bucket_start, r.bucket_end, r.date, r.hour, r.total_calls::bigint, r.successful_calls::bigint, r.voicemail_calls::bigint, r.no_answer_calls::bigint, r.busy_calls::bigint, r.failed_outcome_calls::bigint, r.cancelled_calls::bigint, r.in_progress_calls::bigint, r.inbound_calls::bigint, r.outbound_calls::bigint, r.phone_calls::bigint, r.internet_calls::bigint, r.unknown_source_calls::bigint, r.total_duration_minutes::bigint, r.leads_generated::bigint, r.hot_leads::bigint, r.warm_leads::bigint, r.cold_leads::bigint, r.unqualified_leads::bigint, r.leads_with_company::bigint, r.intent_score_count::bigint, r.urgency_score_count::bigint, r.budget_score_count::bigint, r.fit_score_count::bigint, r.engagement_score_count::bigint, r.total_score_count::bigint, r.high_intent_leads::bigint, r.high_budget_leads::bigint, r.urgent_leads::bigint, r.cta_pricing_clicks::bigint, r.cta_demo_clicks::bigint, r.cta_followup_clicks::bigint, r.cta_sample_clicks::bigint, r.cta_human_escalations::bigint, r.leads_with_cta::bigint, r.talk_seconds::bigint, r.credits_micros::bigint, r.cost_micros::bigint, r.intent_score_sum::bigint, r.urgency_score_sum::bigint, r.budget_score_sum::bigint, r.fit_score_sum::bigint, r.engagement_score_sum::bigint, r.total_score_sum::bigint, r.fingerprint_hi::bigint, r.fingerprint_lo::bigint, CASE WHEN with_sets THEN r.duration_values END,
                   CASE WHEN with_sets THEN r.duration_counts END, CASE WHEN with_sets THEN r.contact_ids END
            FROM public.user_analytics r
            WHERE NOT by_agent AND r.user_id = tenant AND r.grain = bucket_grain AND r.bucket_start >= from_time AND r.bucket_start < to_time
              AND r.zone = local_zone AND r.bucket_start <> ALL (other_than)
        $$;

CREATE FUNCTION tally.take_last_interaction() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'tally'
    AS $$
BEGIN
    SELECT last_contact_at INTO NEW.last_interaction_date
    FROM public.contacts WHERE user_id = NEW.user_id AND id = NEW.contact_id FOR NO KEY UPDATE;
    RETURN NEW;
END $$;

CREATE FUNCTION tally.tenant_tables() RETURNS TABLE(table_name text, tenant_column text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
    SELECT format('%I.%I', n.nspname, c.relname), a.attname::text
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('user_id', 'tenant') AND a.atttypid = 'uuid'::regtype
    WHERE n.nspname IN ('public', 'tally') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    UNION ALL SELECT 'public.users', 'id'
    ORDER BY 1
$$;

CREATE FUNCTION tally.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE TABLE public.admin_audit_log (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    admin_user_id uuid NOT NULL,
    action character varying(100) NOT NULL,
    resource_type character varying(50) NOT NULL,
    resource_id character varying(255),
    target_user_id uuid,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    ip_address inet,
    user_agent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.agent_analytics (
    user_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    grain text NOT NULL,
    bucket_start timestamp with time zone NOT NULL,
    bucket_end timestamp with time zone NOT NULL,
    zone text NOT NULL,
    date date NOT NULL,
    hour integer,
    generation bigint NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    total_calls integer DEFAULT 0 NOT NULL,
    successful_calls integer DEFAULT 0 NOT NULL,
    voicemail_calls integer DEFAULT 0 NOT NULL,
    no_answer_calls integer DEFAULT 0 NOT NULL,
    busy_calls integer DEFAULT 0 NOT NULL,
    failed_outcome_calls integer DEFAULT 0 NOT NULL,
    cancelled_calls integer DEFAULT 0 NOT NULL,
    in_progress_calls integer DEFAULT 0 NOT NULL,
    inbound_calls integer DEFAULT 0 NOT NULL,
    outbound_calls integer DEFAULT 0 NOT NULL,
    phone_calls integer DEFAULT 0 NOT NULL,
    internet_calls integer DEFAULT 0 NOT NULL,
    unknown_source_calls integer DEFAULT 0 NOT NULL,
    total_duration_minutes integer DEFAULT 0 NOT NULL,
    leads_generated integer DEFAULT 0 NOT NULL,
    hot_leads integer DEFAULT 0 NOT NULL,
    warm_leads integer DEFAULT 0 NOT NULL,
    cold_leads integer DEFAULT 0 NOT NULL,
    unqualified_leads integer DEFAULT 0 NOT NULL,
    leads_with_company integer DEFAULT 0 NOT NULL,
    intent_score_count integer DEFAULT 0 NOT NULL,
    urgency_score_count integer DEFAULT 0 NOT NULL,
    budget_score_count integer DEFAULT 0 NOT NULL,
    fit_score_count integer DEFAULT 0 NOT NULL,
    engagement_score_count integer DEFAULT 0 NOT NULL,
    total_score_count integer DEFAULT 0 NOT NULL,
    high_intent_leads integer DEFAULT 0 NOT NULL,
    high_budget_leads integer DEFAULT 0 NOT NULL,
    urgent_leads integer DEFAULT 0 NOT NULL,
    cta_pricing_clicks integer DEFAULT 0 NOT NULL,
    cta_demo_clicks integer DEFAULT 0 NOT NULL,
    cta_followup_clicks integer DEFAULT 0 NOT NULL,
    cta_sample_clicks integer DEFAULT 0 NOT NULL,
    cta_human_escalations integer DEFAULT 0 NOT NULL,
    leads_with_cta integer DEFAULT 0 NOT NULL,
    talk_seconds bigint DEFAULT 0 NOT NULL,
    credits_micros bigint DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    intent_score_sum bigint DEFAULT 0 NOT NULL,
    urgency_score_sum bigint DEFAULT 0 NOT NULL,
    budget_score_sum bigint DEFAULT 0 NOT NULL,
    fit_score_sum bigint DEFAULT 0 NOT NULL,
    engagement_score_sum bigint DEFAULT 0 NOT NULL,
    total_score_sum bigint DEFAULT 0 NOT NULL,
    fingerprint_hi bigint DEFAULT 0 NOT NULL,
    fingerprint_lo bigint DEFAULT 0 NOT NULL,
    duration_values integer[],
    duration_counts integer[],
    contact_ids uuid[],
    distinct_contacts integer GENERATED ALWAYS AS (cardinality(contact_ids)) STORED,
    failed_calls integer GENERATED ALWAYS AS (((no_answer_calls + busy_calls) + failed_outcome_calls)) STORED,
    missed_calls integer GENERATED ALWAYS AS ((no_answer_calls + busy_calls)) STORED,
    qualified_leads integer GENERATED ALWAYS AS ((hot_leads + warm_leads)) STORED,
    total_cta_interactions integer GENERATED ALWAYS AS (((((cta_pricing_clicks + cta_demo_clicks) + cta_followup_clicks) + cta_sample_clicks) + cta_human_escalations)) STORED,
    credits_used numeric(18,6) GENERATED ALWAYS AS (((credits_micros)::numeric / 1000000.0)) STORED,
    avg_duration_minutes numeric(12,2) GENERATED ALWAYS AS (round(((total_duration_minutes)::numeric / (NULLIF(total_calls, 0))::numeric), 2)) STORED,
    conversion_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * ((hot_leads + warm_leads))::numeric) / (NULLIF(leads_generated, 0))::numeric), 2)) STORED,
    success_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * (successful_calls)::numeric) / (NULLIF(total_calls, 0))::numeric), 2)) STORED,
    answer_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * (successful_calls)::numeric) / (NULLIF((total_calls - in_progress_calls), 0))::numeric), 2)) STORED,
    cta_conversion_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * (leads_with_cta)::numeric) / (NULLIF(leads_generated, 0))::numeric), 2)) STORED,
    cost_per_lead numeric(18,2) GENERATED ALWAYS AS (round((((credits_micros)::numeric / 1000000.0) / (NULLIF(leads_generated, 0))::numeric), 2)) STORED,
    avg_engagement_score numeric(6,2) GENERATED ALWAYS AS (round(((engagement_score_sum)::numeric / (NULLIF(engagement_score_count, 0))::numeric), 2)) STORED,
    avg_intent_score numeric(6,2) GENERATED ALWAYS AS (round(((intent_score_sum)::numeric / (NULLIF(intent_score_count, 0))::numeric), 2)) STORED,
    avg_urgency_score numeric(6,2) GENERATED ALWAYS AS (round(((urgency_score_sum)::numeric / (NULLIF(urgency_score_count, 0))::numeric), 2)) STORED,
    avg_budget_score numeric(6,2) GENERATED ALWAYS AS (round(((budget_score_sum)::numeric / (NULLIF(budget_score_count, 0))::numeric), 2)) STORED,
    avg_fit_score numeric(6,2) GENERATED ALWAYS AS (round(((fit_score_sum)::numeric / (NULLIF(fit_score_count, 0))::numeric), 2)) STORED,
    avg_total_score numeric(6,2) GENERATED ALWAYS AS (round(((total_score_sum)::numeric / (NULLIF(total_score_count, 0))::numeric), 2)) STORED,
    CONSTRAINT agent_analytics_grain_check CHECK ((grain = ANY (ARRAY['hour'::text, 'day'::text, 'month'::text]))),
    CONSTRAINT agent_analytics_hour_check CHECK ((((grain = 'hour'::text) = (hour IS NOT NULL)) AND ((hour >= 0) AND (hour <= 23)))),
    CONSTRAINT agent_analytics_outcomes_check CHECK ((total_calls = ((((((successful_calls + voicemail_calls) + no_answer_calls) + busy_calls) + failed_outcome_calls) + cancelled_calls) + in_progress_calls))),
    CONSTRAINT agent_analytics_sets_check CHECK ((((grain = 'day'::text) = (contact_ids IS NOT NULL)) AND ((contact_ids IS NULL) = (duration_values IS NULL)) AND ((contact_ids IS NULL) = (duration_counts IS NULL)) AND (cardinality(duration_values) = cardinality(duration_counts))))
)
WITH (fillfactor='80');

CREATE TABLE public.agents (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name character varying(255) NOT NULL,
    agent_type character varying(50) DEFAULT 'call'::character varying NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    description text,
    bolna_agent_id character varying(255) NOT NULL,
    bolna_webhook_url text,
    bolna_voice_config jsonb DEFAULT '{}'::jsonb,
    bolna_llm_config jsonb DEFAULT '{}'::jsonb,
    bolna_task_config jsonb DEFAULT '{}'::jsonb,
    CONSTRAINT agents_agent_type_check CHECK (((agent_type)::text = ANY ((ARRAY['call'::character varying, 'chat'::character varying])::text[]))),
    CONSTRAINT agents_bolna_agent_id_check CHECK (((bolna_agent_id)::text <> ''::text))
);

CREATE TABLE public.call_analytics_cache (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    date_period date NOT NULL,
    period_type character varying(20) NOT NULL,
    zone text NOT NULL,
    generation bigint NOT NULL,
    total_calls integer DEFAULT 0 NOT NULL,
    successful_calls integer DEFAULT 0 NOT NULL,
    failed_calls integer DEFAULT 0 NOT NULL,
    missed_calls integer DEFAULT 0 NOT NULL,
    connection_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * (successful_calls)::numeric) / (NULLIF(total_calls, 0))::numeric), 2)) STORED,
    total_call_duration integer DEFAULT 0 NOT NULL,
    hot_leads integer DEFAULT 0 NOT NULL,
    warm_leads integer DEFAULT 0 NOT NULL,
    cold_leads integer DEFAULT 0 NOT NULL,
    unqualified_leads integer DEFAULT 0 NOT NULL,
    total_leads integer DEFAULT 0 NOT NULL,
    average_lead_score numeric(6,2),
    conversion_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * ((hot_leads + warm_leads))::numeric) / (NULLIF(total_leads, 0))::numeric), 2)) STORED,
    pricing_clicks integer DEFAULT 0 NOT NULL,
    demo_requests integer DEFAULT 0 NOT NULL,
    followup_requests integer DEFAULT 0 NOT NULL,
    sample_requests integer DEFAULT 0 NOT NULL,
    human_escalations integer DEFAULT 0 NOT NULL,
    high_intent_leads integer DEFAULT 0 NOT NULL,
    high_budget_leads integer DEFAULT 0 NOT NULL,
    urgent_leads integer DEFAULT 0 NOT NULL,
    inbound_calls integer DEFAULT 0 NOT NULL,
    outbound_calls integer DEFAULT 0 NOT NULL,
    calculated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    voicemail_calls integer DEFAULT 0 NOT NULL,
    no_answer_calls integer DEFAULT 0 NOT NULL,
    busy_calls integer DEFAULT 0 NOT NULL,
    failed_outcome_calls integer DEFAULT 0 NOT NULL,
    cancelled_calls integer DEFAULT 0 NOT NULL,
    in_progress_calls integer DEFAULT 0 NOT NULL,
    phone_calls integer DEFAULT 0 NOT NULL,
    internet_calls integer DEFAULT 0 NOT NULL,
    unknown_source_calls integer DEFAULT 0 NOT NULL,
    talk_seconds bigint DEFAULT 0 NOT NULL,
    credits_micros bigint DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    p50_duration_seconds integer,
    p95_duration_seconds integer,
    distinct_contacts integer DEFAULT 0 NOT NULL,
    average_call_duration numeric(12,2) GENERATED ALWAYS AS (round(((total_call_duration)::numeric / (NULLIF((successful_calls + voicemail_calls), 0))::numeric), 2)) STORED,
    CONSTRAINT call_analytics_cache_outcomes_check CHECK ((total_calls = ((((((successful_calls + voicemail_calls) + no_answer_calls) + busy_calls) + failed_outcome_calls) + cancelled_calls) + in_progress_calls))),
    CONSTRAINT call_analytics_cache_period_start_check CHECK (
CASE period_type
    WHEN 'weekly'::text THEN (EXTRACT(isodow FROM date_period) = (1)::numeric)
    WHEN 'monthly'::text THEN (EXTRACT(day FROM date_period) = (1)::numeric)
    ELSE true
END),
    CONSTRAINT call_analytics_cache_period_type_check CHECK (((period_type)::text = ANY ((ARRAY['daily'::character varying, 'weekly'::character varying, 'monthly'::character varying])::text[])))
);

COMMENT ON COLUMN public.call_analytics_cache.p50_duration_seconds IS 'Exact, by the rule of tally.percentile, over the calls with talk; null without any.';

CREATE TABLE public.calls (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    agent_id uuid NOT NULL,
    contact_id uuid,
    phone_number character varying(50),
    duration_minutes integer DEFAULT 0 NOT NULL,
    credits_micros bigint DEFAULT 0 NOT NULL,
    credits_used numeric(18,6) GENERATED ALWAYS AS (((credits_micros)::numeric / 1000000.0)) STORED,
    status character varying(50) DEFAULT 'in_progress'::character varying NOT NULL,
    outcome character varying(20) DEFAULT 'in_progress'::character varying NOT NULL,
    call_lifecycle_status character varying(64) DEFAULT 'initiated'::character varying NOT NULL,
    recording_url text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    completed_at timestamp with time zone,
    call_source character varying(20) DEFAULT 'phone'::character varying NOT NULL,
    caller_name character varying(255),
    caller_email character varying(255),
    lead_type character varying(20) DEFAULT 'outbound'::character varying,
    duration_seconds integer DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    bolna_execution_id character varying(255),
    bolna_conversation_id character varying(255),
    bolna_call_config jsonb DEFAULT '{}'::jsonb,
    bolna_voice_settings jsonb DEFAULT '{}'::jsonb,
    bolna_metadata jsonb DEFAULT '{}'::jsonb,
    attempt integer DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    billing_settled boolean,
    billing_pulse_seconds integer,
    credits_per_minute_micros bigint,
    hangup_by character varying(64),
    hangup_reason text,
    hangup_provider_code bigint,
    ringing_started_at timestamp with time zone,
    call_answered_at timestamp with time zone,
    call_disconnected_at timestamp with time zone,
    summary text,
    flags text[] DEFAULT '{}'::text[] NOT NULL,
    busy_dials smallint DEFAULT 0 NOT NULL,
    no_answer_dials smallint DEFAULT 0 NOT NULL,
    failed_dials smallint DEFAULT 0 NOT NULL,
    unanswered_sids smallint DEFAULT 0 NOT NULL,
    CONSTRAINT calls_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT calls_cost_check CHECK ((cost_micros >= 0)),
    CONSTRAINT calls_credits_check CHECK ((credits_micros >= 0)),
    CONSTRAINT calls_dials_check CHECK (((busy_dials >= 0) AND (no_answer_dials >= 0) AND (failed_dials >= 0) AND (unanswered_sids >= 0))),
    CONSTRAINT calls_duration_check CHECK (((duration_seconds >= 0) AND (duration_minutes >= 0))),
    CONSTRAINT calls_lead_type_check CHECK (((lead_type)::text = ANY ((ARRAY['inbound'::character varying, 'outbound'::character varying])::text[]))),
    CONSTRAINT calls_outcome_check CHECK (((outcome)::text = ANY ((ARRAY['answered'::character varying, 'voicemail'::character varying, 'no_answer'::character varying, 'busy'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'in_progress'::character varying])::text[]))),
    CONSTRAINT calls_source_check CHECK (((call_source)::text = ANY ((ARRAY['phone'::character varying, 'internet'::character varying, 'unknown'::character varying])::text[]))),
    CONSTRAINT calls_status_check CHECK (((status)::text = (
CASE
    WHEN ((outcome)::text = ANY ((ARRAY['answered'::character varying, 'voicemail'::character varying])::text[])) THEN 'completed'::character varying
    WHEN ((outcome)::text = ANY ((ARRAY['no_answer'::character varying, 'busy'::character varying, 'failed'::character varying])::text[])) THEN 'failed'::character varying
    ELSE outcome
END)::text))
);

COMMENT ON COLUMN public.calls.phone_number IS 'The customer''s number as the provider gave it; null for web calls.';

COMMENT ON COLUMN public.calls.started_at IS 'initiated_at, else the provider''s created_at, else the receive time: the time of every bucket, for the call and its lead.';

COMMENT ON COLUMN public.calls.busy_dials IS 'Attempts of the call that came to this outcome; the same for no_answer_dials and failed_dials.';

COMMENT ON COLUMN public.calls.unanswered_sids IS 'CallSids of the call that Twilio itself reported busy, no-answer, failed or canceled.';

CREATE TABLE public.contacts (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name character varying(255) NOT NULL,
    phone_number character varying(50) NOT NULL,
    phone_e164 character varying(16),
    email character varying(255),
    company character varying(255),
    notes text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    auto_created_from_call_id uuid,
    is_auto_created boolean DEFAULT false NOT NULL,
    auto_creation_source character varying(50),
    is_customer boolean DEFAULT false NOT NULL,
    not_connected integer DEFAULT 0 NOT NULL,
    call_attempted_busy integer DEFAULT 0 NOT NULL,
    call_attempted_no_answer integer DEFAULT 0 NOT NULL,
    call_attempted_failed integer DEFAULT 0 NOT NULL,
    last_contact_at timestamp with time zone,
    CONSTRAINT contacts_attempted_check CHECK (((call_attempted_busy >= 0) AND (call_attempted_no_answer >= 0) AND (call_attempted_failed >= 0))),
    CONSTRAINT contacts_auto_creation_source_check CHECK (((auto_creation_source)::text = ANY ((ARRAY['webhook'::character varying, 'manual'::character varying])::text[]))),
    CONSTRAINT contacts_not_connected_check CHECK ((not_connected >= 0)),
    CONSTRAINT contacts_phone_e164_check CHECK (((phone_e164)::text ~ '^\+[1-9][0-9]{6,14}$'::text))
);

COMMENT ON COLUMN public.contacts.not_connected IS 'Sum of unanswered_sids over the contact''s calls, those in history included.';

COMMENT ON COLUMN public.contacts.call_attempted_busy IS 'Sum of busy_dials over the contact''s calls, those in history included; the same for call_attempted_no_answer and call_attempted_failed.';

COMMENT ON COLUMN public.contacts.last_contact_at IS 'started_at of the latest call, those in history included.';

CREATE SEQUENCE tally.credit_entry_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.credit_transactions (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    entry_no bigint DEFAULT nextval('tally.credit_entry_seq'::regclass) NOT NULL,
    type character varying(50) NOT NULL,
    amount_micros bigint NOT NULL,
    amount numeric(18,6) GENERATED ALWAYS AS (((amount_micros)::numeric / 1000000.0)) STORED,
    balance_after_micros bigint NOT NULL,
    balance_after numeric(18,6) GENERATED ALWAYS AS (((balance_after_micros)::numeric / 1000000.0)) STORED,
    description text NOT NULL,
    stripe_payment_id character varying(255),
    call_id uuid,
    charge_no integer,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    idempotency_key character varying(255),
    CONSTRAINT credit_transactions_charge_check CHECK ((((call_id IS NULL) = (charge_no IS NULL)) AND (charge_no >= 0))),
    CONSTRAINT credit_transactions_idempotency_key_check CHECK ((((idempotency_key)::text <> ''::text) AND ((stripe_payment_id)::text <> ''::text))),
    CONSTRAINT credit_transactions_sign_check CHECK (
CASE type
    WHEN 'usage'::text THEN (amount_micros < 0)
    WHEN 'admin_adjustment'::text THEN (amount_micros <> 0)
    ELSE (amount_micros > 0)
END),
    CONSTRAINT credit_transactions_type_check CHECK (((type)::text = ANY ((ARRAY['purchase'::character varying, 'usage'::character varying, 'bonus'::character varying, 'admin_adjustment'::character varying, 'refund'::character varying])::text[])))
);

COMMENT ON TABLE public.credit_transactions IS 'Append-only ledger. A tenant''s balance is the sum of amount_micros; for each call the sum is minus calls.credits_micros.';

COMMENT ON COLUMN public.credit_transactions.idempotency_key IS 'Names an entry made by hand, so that the same request again is not a second one; purchases are named by their payment.';

CREATE TABLE public.customers (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    contact_id uuid NOT NULL,
    customer_reference_number character varying(50) NOT NULL,
    name character varying(255) NOT NULL,
    email character varying(255),
    phone character varying(50),
    company character varying(255),
    status character varying(50) DEFAULT 'Active'::character varying NOT NULL,
    conversion_date timestamp with time zone DEFAULT now() NOT NULL,
    original_lead_source character varying(100),
    assigned_sales_rep character varying(255),
    last_interaction_date timestamp with time zone,
    notes text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT customers_status_check CHECK (((status)::text = ANY ((ARRAY['Active'::character varying, 'Inactive'::character varying, 'Churned'::character varying, 'On Hold'::character varying])::text[])))
);

CREATE TABLE public.lead_analytics (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    call_id uuid NOT NULL,
    analysis_type character varying(20) DEFAULT 'individual'::character varying NOT NULL,
    intent_level character varying(50),
    intent_score integer,
    urgency_level character varying(50),
    urgency_score integer,
    budget_constraint character varying(50),
    budget_score integer,
    fit_alignment character varying(50),
    fit_score integer,
    engagement_health character varying(50),
    engagement_score integer,
    total_score integer,
    score_scale smallint DEFAULT 15 NOT NULL,
    dimension_scale smallint DEFAULT 3 NOT NULL,
    quality character varying(12),
    lead_status_tag character varying(100),
    reasoning jsonb DEFAULT '{}'::jsonb NOT NULL,
    cta_interactions jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    company_name character varying(255),
    extracted_name character varying(255),
    extracted_email character varying(255),
    cta_pricing_clicked boolean DEFAULT false NOT NULL,
    cta_demo_clicked boolean DEFAULT false NOT NULL,
    cta_followup_clicked boolean DEFAULT false NOT NULL,
    cta_sample_clicked boolean DEFAULT false NOT NULL,
    cta_escalated_to_human boolean DEFAULT false NOT NULL,
    smart_notification text,
    demo_book_datetime timestamp with time zone,
    demo_scheduled_at timestamp with time zone,
    is_read boolean DEFAULT false NOT NULL,
    phone_number character varying(50),
    analysis_timestamp timestamp with time zone,
    contact_id uuid,
    previous_calls_analyzed integer DEFAULT 0 NOT NULL,
    latest_call_id uuid,
    transcript_summary text,
    CONSTRAINT lead_analytics_budget_score_check CHECK (((budget_score >= 0) AND (budget_score <= 100))),
    CONSTRAINT lead_analytics_contact_check CHECK ((((analysis_type)::text = 'complete'::text) = (contact_id IS NOT NULL))),
    CONSTRAINT lead_analytics_engagement_score_check CHECK (((engagement_score >= 0) AND (engagement_score <= 100))),
    CONSTRAINT lead_analytics_fit_score_check CHECK (((fit_score >= 0) AND (fit_score <= 100))),
    CONSTRAINT lead_analytics_intent_score_check CHECK (((intent_score >= 0) AND (intent_score <= 100))),
    CONSTRAINT lead_analytics_previous_calls_check CHECK ((previous_calls_analyzed >= 0)),
    CONSTRAINT lead_analytics_quality_check CHECK (((quality)::text = ANY ((ARRAY['hot'::character varying, 'warm'::character varying, 'cold'::character varying, 'unqualified'::character varying])::text[]))),
    CONSTRAINT lead_analytics_quality_total_check CHECK (((quality IS NULL) = (total_score IS NULL))),
    CONSTRAINT lead_analytics_total_score_check CHECK (((total_score >= 0) AND (total_score <= 100))),
    CONSTRAINT lead_analytics_type_check CHECK (((analysis_type)::text = ANY ((ARRAY['individual'::character varying, 'complete'::character varying])::text[]))),
    CONSTRAINT lead_analytics_urgency_score_check CHECK (((urgency_score >= 0) AND (urgency_score <= 100)))
);

COMMENT ON COLUMN public.lead_analytics.quality IS 'Band of total_score as a percentage of the tenant''s scale; qualified = hot or warm.';

CREATE TABLE tally.contact_archive (
    user_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    total_calls bigint DEFAULT 0 NOT NULL,
    answered_calls bigint DEFAULT 0 NOT NULL,
    talk_seconds bigint DEFAULT 0 NOT NULL,
    total_minutes bigint DEFAULT 0 NOT NULL,
    credits_micros bigint DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    leads bigint DEFAULT 0 NOT NULL,
    busy_dials integer DEFAULT 0 NOT NULL,
    no_answer_dials integer DEFAULT 0 NOT NULL,
    failed_dials integer DEFAULT 0 NOT NULL,
    unanswered_sids integer DEFAULT 0 NOT NULL,
    first_call_at timestamp with time zone,
    last_call_at timestamp with time zone,
    CONSTRAINT contact_archive_sums_check CHECK (((total_calls >= answered_calls) AND (answered_calls >= 0) AND (talk_seconds >= 0) AND (total_minutes >= 0) AND (credits_micros >= 0) AND (cost_micros >= 0) AND (leads >= 0) AND (busy_dials >= 0) AND (no_answer_dials >= 0) AND (failed_dials >= 0) AND (unanswered_sids >= 0))),
    CONSTRAINT contact_archive_times_check CHECK ((first_call_at <= last_call_at))
);

COMMENT ON TABLE tally.contact_archive IS 'Sums over the calls of a contact that archive_calls has removed, added to in the transaction that removes them.';

CREATE VIEW public.customer_figures WITH (security_invoker='true') AS
 SELECT m.user_id,
    m.id AS customer_id,
    m.contact_id,
    m.customer_reference_number,
    m.status,
    m.conversion_date,
    (c.total_calls + COALESCE(a.total_calls, (0)::bigint)) AS total_calls,
    (c.answered_calls + COALESCE(a.answered_calls, (0)::bigint)) AS answered_calls,
    (c.talk_seconds + COALESCE(a.talk_seconds, (0)::bigint)) AS talk_seconds,
    (c.total_minutes + COALESCE(a.total_minutes, (0)::bigint)) AS total_minutes,
    (c.credits_micros + COALESCE(a.credits_micros, (0)::bigint)) AS credits_micros,
    (c.cost_micros + COALESCE(a.cost_micros, (0)::bigint)) AS cost_micros,
    (c.leads + COALESCE(a.leads, (0)::bigint)) AS leads,
    LEAST(c.first_call_at, a.first_call_at) AS first_call_at,
    GREATEST(c.last_call_at, a.last_call_at) AS last_call_at,
    m.last_interaction_date
   FROM ((public.customers m
     CROSS JOIN LATERAL ( SELECT count(*) AS total_calls,
            count(*) FILTER (WHERE ((k.outcome)::text = 'answered'::text)) AS answered_calls,
            COALESCE(sum(k.duration_seconds), (0)::bigint) AS talk_seconds,
            COALESCE(sum(k.duration_minutes), (0)::bigint) AS total_minutes,
            (COALESCE(sum(k.credits_micros), (0)::numeric))::bigint AS credits_micros,
            (COALESCE(sum(k.cost_micros), (0)::numeric))::bigint AS cost_micros,
            count(*) FILTER (WHERE (EXISTS ( SELECT
                   FROM public.lead_analytics l
                  WHERE ((l.user_id = k.user_id) AND (l.call_id = k.id) AND ((l.analysis_type)::text = 'individual'::text))))) AS leads,
            min(k.started_at) AS first_call_at,
            max(k.started_at) AS last_call_at
           FROM public.calls k
          WHERE ((k.user_id = m.user_id) AND (k.contact_id = m.contact_id))) c)
     LEFT JOIN tally.contact_archive a ON (((a.user_id = m.user_id) AND (a.contact_id = m.contact_id))));

COMMENT ON VIEW public.customer_figures IS 'Lifetime figures of each customer, live: talk_seconds include voicemail, money is in micro-units, last_interaction_date is last_call_at as kept in customers.';

CREATE TABLE public.dashboard_cache (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    cache_key character varying(100) NOT NULL,
    cache_data jsonb NOT NULL,
    generation bigint NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON COLUMN public.dashboard_cache.generation IS 'Sum of the generations of the tenant''s day and month buckets that the cache was built from; an older job never overwrites a newer cache.';

CREATE TABLE public.follow_ups (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    lead_phone character varying(50),
    lead_email character varying(255),
    lead_name character varying(255),
    follow_up_date date NOT NULL,
    remark text,
    is_completed boolean GENERATED ALWAYS AS (((follow_up_status)::text = 'completed'::text)) STORED,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid,
    completed_at timestamp with time zone,
    completed_by uuid,
    follow_up_status character varying(20) DEFAULT 'pending'::character varying NOT NULL,
    call_id uuid,
    phone_e164 character varying(16),
    source character varying(20) DEFAULT 'manual'::character varying NOT NULL,
    edited_at timestamp with time zone,
    reminded_date date,
    CONSTRAINT follow_ups_completed_check CHECK ((((follow_up_status)::text = 'completed'::text) = (completed_at IS NOT NULL))),
    CONSTRAINT follow_ups_lead_check CHECK ((((source)::text = 'analysis'::text) OR (lead_phone IS NOT NULL) OR (lead_email IS NOT NULL))),
    CONSTRAINT follow_ups_phone_e164_check CHECK (((phone_e164)::text ~ '^\+[1-9][0-9]{6,14}$'::text)),
    CONSTRAINT follow_ups_source_check CHECK (((source)::text = ANY ((ARRAY['manual'::character varying, 'analysis'::character varying])::text[]))),
    CONSTRAINT follow_ups_status_check CHECK (((follow_up_status)::text = ANY ((ARRAY['pending'::character varying, 'completed'::character varying, 'cancelled'::character varying])::text[])))
);

CREATE TABLE public.login_attempts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email character varying(255) NOT NULL,
    ip_address inet,
    attempted_at timestamp with time zone DEFAULT now() NOT NULL,
    success boolean DEFAULT false NOT NULL,
    failure_reason character varying(100),
    CONSTRAINT login_attempts_reason_check CHECK (((NOT success) OR (failure_reason IS NULL)))
);

CREATE TABLE public.user_analytics (
    user_id uuid NOT NULL,
    grain text NOT NULL,
    bucket_start timestamp with time zone NOT NULL,
    bucket_end timestamp with time zone NOT NULL,
    zone text NOT NULL,
    date date NOT NULL,
    hour integer,
    generation bigint NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    total_calls integer DEFAULT 0 NOT NULL,
    successful_calls integer DEFAULT 0 NOT NULL,
    voicemail_calls integer DEFAULT 0 NOT NULL,
    no_answer_calls integer DEFAULT 0 NOT NULL,
    busy_calls integer DEFAULT 0 NOT NULL,
    failed_outcome_calls integer DEFAULT 0 NOT NULL,
    cancelled_calls integer DEFAULT 0 NOT NULL,
    in_progress_calls integer DEFAULT 0 NOT NULL,
    inbound_calls integer DEFAULT 0 NOT NULL,
    outbound_calls integer DEFAULT 0 NOT NULL,
    phone_calls integer DEFAULT 0 NOT NULL,
    internet_calls integer DEFAULT 0 NOT NULL,
    unknown_source_calls integer DEFAULT 0 NOT NULL,
    total_duration_minutes integer DEFAULT 0 NOT NULL,
    leads_generated integer DEFAULT 0 NOT NULL,
    hot_leads integer DEFAULT 0 NOT NULL,
    warm_leads integer DEFAULT 0 NOT NULL,
    cold_leads integer DEFAULT 0 NOT NULL,
    unqualified_leads integer DEFAULT 0 NOT NULL,
    leads_with_company integer DEFAULT 0 NOT NULL,
    intent_score_count integer DEFAULT 0 NOT NULL,
    urgency_score_count integer DEFAULT 0 NOT NULL,
    budget_score_count integer DEFAULT 0 NOT NULL,
    fit_score_count integer DEFAULT 0 NOT NULL,
    engagement_score_count integer DEFAULT 0 NOT NULL,
    total_score_count integer DEFAULT 0 NOT NULL,
    high_intent_leads integer DEFAULT 0 NOT NULL,
    high_budget_leads integer DEFAULT 0 NOT NULL,
    urgent_leads integer DEFAULT 0 NOT NULL,
    cta_pricing_clicks integer DEFAULT 0 NOT NULL,
    cta_demo_clicks integer DEFAULT 0 NOT NULL,
    cta_followup_clicks integer DEFAULT 0 NOT NULL,
    cta_sample_clicks integer DEFAULT 0 NOT NULL,
    cta_human_escalations integer DEFAULT 0 NOT NULL,
    leads_with_cta integer DEFAULT 0 NOT NULL,
    talk_seconds bigint DEFAULT 0 NOT NULL,
    credits_micros bigint DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    intent_score_sum bigint DEFAULT 0 NOT NULL,
    urgency_score_sum bigint DEFAULT 0 NOT NULL,
    budget_score_sum bigint DEFAULT 0 NOT NULL,
    fit_score_sum bigint DEFAULT 0 NOT NULL,
    engagement_score_sum bigint DEFAULT 0 NOT NULL,
    total_score_sum bigint DEFAULT 0 NOT NULL,
    fingerprint_hi bigint DEFAULT 0 NOT NULL,
    fingerprint_lo bigint DEFAULT 0 NOT NULL,
    duration_values integer[],
    duration_counts integer[],
    contact_ids uuid[],
    distinct_contacts integer GENERATED ALWAYS AS (cardinality(contact_ids)) STORED,
    failed_calls integer GENERATED ALWAYS AS (((no_answer_calls + busy_calls) + failed_outcome_calls)) STORED,
    missed_calls integer GENERATED ALWAYS AS ((no_answer_calls + busy_calls)) STORED,
    qualified_leads integer GENERATED ALWAYS AS ((hot_leads + warm_leads)) STORED,
    total_cta_interactions integer GENERATED ALWAYS AS (((((cta_pricing_clicks + cta_demo_clicks) + cta_followup_clicks) + cta_sample_clicks) + cta_human_escalations)) STORED,
    credits_used numeric(18,6) GENERATED ALWAYS AS (((credits_micros)::numeric / 1000000.0)) STORED,
    avg_duration_minutes numeric(12,2) GENERATED ALWAYS AS (round(((total_duration_minutes)::numeric / (NULLIF(total_calls, 0))::numeric), 2)) STORED,
    conversion_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * ((hot_leads + warm_leads))::numeric) / (NULLIF(leads_generated, 0))::numeric), 2)) STORED,
    success_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * (successful_calls)::numeric) / (NULLIF(total_calls, 0))::numeric), 2)) STORED,
    answer_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * (successful_calls)::numeric) / (NULLIF((total_calls - in_progress_calls), 0))::numeric), 2)) STORED,
    cta_conversion_rate numeric(5,2) GENERATED ALWAYS AS (round(((100.0 * (leads_with_cta)::numeric) / (NULLIF(leads_generated, 0))::numeric), 2)) STORED,
    cost_per_lead numeric(18,2) GENERATED ALWAYS AS (round((((credits_micros)::numeric / 1000000.0) / (NULLIF(leads_generated, 0))::numeric), 2)) STORED,
    avg_engagement_score numeric(6,2) GENERATED ALWAYS AS (round(((engagement_score_sum)::numeric / (NULLIF(engagement_score_count, 0))::numeric), 2)) STORED,
    avg_intent_score numeric(6,2) GENERATED ALWAYS AS (round(((intent_score_sum)::numeric / (NULLIF(intent_score_count, 0))::numeric), 2)) STORED,
    avg_urgency_score numeric(6,2) GENERATED ALWAYS AS (round(((urgency_score_sum)::numeric / (NULLIF(urgency_score_count, 0))::numeric), 2)) STORED,
    avg_budget_score numeric(6,2) GENERATED ALWAYS AS (round(((budget_score_sum)::numeric / (NULLIF(budget_score_count, 0))::numeric), 2)) STORED,
    avg_fit_score numeric(6,2) GENERATED ALWAYS AS (round(((fit_score_sum)::numeric / (NULLIF(fit_score_count, 0))::numeric), 2)) STORED,
    avg_total_score numeric(6,2) GENERATED ALWAYS AS (round(((total_score_sum)::numeric / (NULLIF(total_score_count, 0))::numeric), 2)) STORED,
    CONSTRAINT user_analytics_grain_check CHECK ((grain = ANY (ARRAY['hour'::text, 'day'::text, 'month'::text]))),
    CONSTRAINT user_analytics_hour_check CHECK ((((grain = 'hour'::text) = (hour IS NOT NULL)) AND ((hour >= 0) AND (hour <= 23)))),
    CONSTRAINT user_analytics_outcomes_check CHECK ((total_calls = ((((((successful_calls + voicemail_calls) + no_answer_calls) + busy_calls) + failed_outcome_calls) + cancelled_calls) + in_progress_calls))),
    CONSTRAINT user_analytics_sets_check CHECK ((((grain = 'day'::text) = (contact_ids IS NOT NULL)) AND ((contact_ids IS NULL) = (duration_values IS NULL)) AND ((contact_ids IS NULL) = (duration_counts IS NULL)) AND (cardinality(duration_values) = cardinality(duration_counts))))
)
WITH (fillfactor='80');

COMMENT ON COLUMN public.user_analytics.fingerprint_hi IS 'Sum of the upper halves of the calls'' fingerprints; with fingerprint_lo it proves which calls are in the row.';

COMMENT ON COLUMN public.user_analytics.conversion_rate IS 'qualified / leads, percent; null for 0/0.';

COMMENT ON COLUMN public.user_analytics.success_rate IS 'answered / all calls, percent; null for 0/0.';

COMMENT ON COLUMN public.user_analytics.answer_rate IS 'answered / calls that ended, percent; null for 0/0.';

CREATE TABLE public.users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email character varying(255) NOT NULL,
    name character varying(255) NOT NULL,
    credits_micros bigint DEFAULT 15000000 NOT NULL,
    credits numeric(18,6) GENERATED ALWAYS AS (((credits_micros)::numeric / 1000000.0)) STORED,
    is_active boolean DEFAULT true NOT NULL,
    auth_provider character varying(50) DEFAULT 'email'::character varying NOT NULL,
    email_verified boolean DEFAULT false NOT NULL,
    email_verification_sent_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    role character varying(50) DEFAULT 'user'::character varying NOT NULL,
    password_hash character varying(255),
    password_reset_token character varying(255),
    password_reset_expires timestamp with time zone,
    email_verification_token character varying(255),
    company character varying(255),
    website character varying(500),
    location character varying(255),
    bio text,
    phone character varying(50),
    last_login timestamp with time zone,
    timezone character varying(50) DEFAULT 'UTC'::character varying NOT NULL,
    currency character(3) DEFAULT 'USD'::bpchar NOT NULL,
    default_country_code character varying(4),
    score_scale smallint DEFAULT 15 NOT NULL,
    dimension_scale smallint DEFAULT 3 NOT NULL,
    hot_threshold_percent smallint DEFAULT 80 NOT NULL,
    warm_threshold_percent smallint DEFAULT 60 NOT NULL,
    cold_threshold_percent smallint DEFAULT 40 NOT NULL,
    billing_pulse_seconds integer DEFAULT 60 NOT NULL,
    credits_per_minute_micros bigint DEFAULT 1000000 NOT NULL,
    low_credit_level smallint DEFAULT 0 NOT NULL,
    CONSTRAINT users_auth_provider_check CHECK (((auth_provider)::text = ANY ((ARRAY['email'::character varying, 'google'::character varying, 'linkedin'::character varying, 'github'::character varying])::text[]))),
    CONSTRAINT users_billing_pulse_check CHECK (((billing_pulse_seconds >= 1) AND (billing_pulse_seconds <= 3600))),
    CONSTRAINT users_bio_length_check CHECK ((length(bio) <= 1000)),
    CONSTRAINT users_credits_per_minute_check CHECK (((credits_per_minute_micros >= 0) AND (credits_per_minute_micros <= 1000000000))),
    CONSTRAINT users_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT users_default_country_code_check CHECK (((default_country_code)::text ~ '^[1-9][0-9]{0,3}$'::text)),
    CONSTRAINT users_email_check CHECK ((((email)::text = btrim((email)::text)) AND (POSITION(('@'::text) IN (email)) > 1))),
    CONSTRAINT users_low_credit_level_check CHECK (((low_credit_level >= 0) AND (low_credit_level <= 3))),
    CONSTRAINT users_phone_format_check CHECK (((phone)::text ~ '^\+?[0-9\s\-\(\)]{7,20}$'::text)),
    CONSTRAINT users_role_check CHECK (((role)::text = ANY ((ARRAY['user'::character varying, 'admin'::character varying, 'super_admin'::character varying])::text[]))),
    CONSTRAINT users_score_scale_check CHECK ((((score_scale >= 5) AND (score_scale <= 100)) AND ((dimension_scale >= 1) AND (dimension_scale <= 100)))),
    CONSTRAINT users_thresholds_check CHECK (((100 >= hot_threshold_percent) AND (hot_threshold_percent > warm_threshold_percent) AND (warm_threshold_percent > cold_threshold_percent) AND (cold_threshold_percent >= 0))),
    CONSTRAINT users_website_format_check CHECK (((website)::text ~ '^https?://'::text))
);

COMMENT ON TABLE public.users IS 'A tenant and its login. The balance may go negative: a call is never free because the balance is used up.';

COMMENT ON COLUMN public.users.credits_micros IS 'Balance in micro-credits; credits is the same in credits.';

COMMENT ON COLUMN public.users.score_scale IS 'What the analysis calls a full total score (15 or 100); thresholds are percentages of it.';

COMMENT ON COLUMN public.users.dimension_scale IS 'What the analysis calls a full single score (3 or 100).';

COMMENT ON COLUMN public.users.low_credit_level IS 'Levels of the setting low_credit_levels that the balance has come down to and that were told of.';

CREATE TABLE tally.calendar (
    zone text NOT NULL,
    grain text NOT NULL,
    bucket_start timestamp with time zone NOT NULL,
    bucket_end timestamp with time zone NOT NULL,
    date date NOT NULL,
    CONSTRAINT calendar_check CHECK ((bucket_start < bucket_end)),
    CONSTRAINT calendar_grain_check CHECK ((grain = ANY (ARRAY['day'::text, 'month'::text])))
);

COMMENT ON TABLE tally.calendar IS 'Local days and months as half-open ranges of instants; date is the local label (first day for a month).';

CREATE MATERIALIZED VIEW public.user_kpi_summary AS
 SELECT u.id AS user_id,
    u.email,
    u.name,
    u.credits,
    u.is_active,
    u.created_at AS user_created_at,
    m.total_calls_30d,
    m.successful_calls_30d,
    m.failed_calls_30d,
    round(((100.0 * (m.successful_calls_30d)::numeric) / (NULLIF(m.total_calls_30d, 0))::numeric), 2) AS success_rate_30d,
    m.total_duration_30d,
    round(((m.total_duration_30d)::numeric / (NULLIF(m.total_calls_30d, 0))::numeric), 2) AS avg_duration_30d,
    m.total_credits_used_30d,
    m.total_leads_30d,
    m.qualified_leads_30d,
    round(((100.0 * (m.qualified_leads_30d)::numeric) / (NULLIF(m.total_leads_30d, 0))::numeric), 2) AS conversion_rate_30d,
    m.avg_lead_score_30d,
    m.avg_intent_score_30d,
    m.avg_engagement_score_30d,
    a.total_agents,
    a.active_agents,
    a.draft_agents,
    round(((h.successful_calls)::numeric / (NULLIF(h.active_hours, 0))::numeric), 2) AS avg_conversations_per_hour_30d,
    b.agent_id AS best_performing_agent_id,
    b.agent_name AS best_performing_agent_name,
    b.success_rate AS best_agent_success_rate,
    m.calls_last_7d,
    m.leads_last_7d,
    m.credits_used_last_7d,
    f.total_calls_lifetime,
    f.total_leads_lifetime,
    f.total_credits_used_lifetime,
    statement_timestamp() AS calculated_at,
    LEAST((statement_timestamp() + '01:00:00'::interval), t.day_end) AS expires_at,
    (t.today - 29) AS window_start,
    t.today AS window_end
   FROM ((((((public.users u
     CROSS JOIN LATERAL ( SELECT k.date AS today,
            k.bucket_end AS day_end
           FROM tally.calendar k
          WHERE ((k.zone = (u.timezone)::text) AND (k.grain = 'day'::text) AND (k.bucket_start <= statement_timestamp()))
          ORDER BY k.bucket_start DESC
         LIMIT 1) t)
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(d.total_calls) FILTER (WHERE d.recent), (0)::bigint) AS total_calls_30d,
            COALESCE(sum(d.successful_calls) FILTER (WHERE d.recent), (0)::bigint) AS successful_calls_30d,
            COALESCE(sum((d.failed_calls + d.cancelled_calls)) FILTER (WHERE d.recent), (0)::bigint) AS failed_calls_30d,
            COALESCE(sum(d.total_duration_minutes) FILTER (WHERE d.recent), (0)::bigint) AS total_duration_30d,
            COALESCE(sum(d.credits_used) FILTER (WHERE d.recent), (0)::numeric) AS total_credits_used_30d,
            COALESCE(sum(d.leads_generated) FILTER (WHERE d.recent), (0)::bigint) AS total_leads_30d,
            COALESCE(sum(d.qualified_leads) FILTER (WHERE d.recent), (0)::bigint) AS qualified_leads_30d,
            round((sum(d.total_score_sum) FILTER (WHERE d.recent) / (NULLIF(sum(d.total_score_count) FILTER (WHERE d.recent), 0))::numeric), 2) AS avg_lead_score_30d,
            round((sum(d.intent_score_sum) FILTER (WHERE d.recent) / (NULLIF(sum(d.intent_score_count) FILTER (WHERE d.recent), 0))::numeric), 2) AS avg_intent_score_30d,
            round((sum(d.engagement_score_sum) FILTER (WHERE d.recent) / (NULLIF(sum(d.engagement_score_count) FILTER (WHERE d.recent), 0))::numeric), 2) AS avg_engagement_score_30d,
            COALESCE(sum(d.total_calls) FILTER (WHERE d.this_week), (0)::bigint) AS calls_last_7d,
            COALESCE(sum(d.leads_generated) FILTER (WHERE d.this_week), (0)::bigint) AS leads_last_7d,
            COALESCE(sum(d.credits_used) FILTER (WHERE d.this_week), (0)::numeric) AS credits_used_last_7d
           FROM ( SELECT r.user_id,
                    r.grain,
                    r.bucket_start,
                    r.bucket_end,
                    r.zone,
                    r.date,
                    r.hour,
                    r.generation,
                    r.id,
                    r.created_at,
                    r.updated_at,
                    r.total_calls,
                    r.successful_calls,
                    r.voicemail_calls,
                    r.no_answer_calls,
                    r.busy_calls,
                    r.failed_outcome_calls,
                    r.cancelled_calls,
                    r.in_progress_calls,
                    r.inbound_calls,
                    r.outbound_calls,
                    r.phone_calls,
                    r.internet_calls,
                    r.unknown_source_calls,
                    r.total_duration_minutes,
                    r.leads_generated,
                    r.hot_leads,
                    r.warm_leads,
                    r.cold_leads,
                    r.unqualified_leads,
                    r.leads_with_company,
                    r.intent_score_count,
                    r.urgency_score_count,
                    r.budget_score_count,
                    r.fit_score_count,
                    r.engagement_score_count,
                    r.total_score_count,
                    r.high_intent_leads,
                    r.high_budget_leads,
                    r.urgent_leads,
                    r.cta_pricing_clicks,
                    r.cta_demo_clicks,
                    r.cta_followup_clicks,
                    r.cta_sample_clicks,
                    r.cta_human_escalations,
                    r.leads_with_cta,
                    r.talk_seconds,
                    r.credits_micros,
                    r.cost_micros,
                    r.intent_score_sum,
                    r.urgency_score_sum,
                    r.budget_score_sum,
                    r.fit_score_sum,
                    r.engagement_score_sum,
                    r.total_score_sum,
                    r.fingerprint_hi,
                    r.fingerprint_lo,
                    r.duration_values,
                    r.duration_counts,
                    r.contact_ids,
                    r.distinct_contacts,
                    r.failed_calls,
                    r.missed_calls,
                    r.qualified_leads,
                    r.total_cta_interactions,
                    r.credits_used,
                    r.avg_duration_minutes,
                    r.conversion_rate,
                    r.success_rate,
                    r.answer_rate,
                    r.cta_conversion_rate,
                    r.cost_per_lead,
                    r.avg_engagement_score,
                    r.avg_intent_score,
                    r.avg_urgency_score,
                    r.avg_budget_score,
                    r.avg_fit_score,
                    r.avg_total_score,
                    (r.date <= t.today) AS recent,
                    ((r.date > (t.today - 7)) AND (r.date <= t.today)) AS this_week
                   FROM public.user_analytics r
                  WHERE ((r.user_id = u.id) AND (r.grain = 'day'::text) AND (r.zone = (u.timezone)::text) AND (r.bucket_start >= (statement_timestamp() - '32 days'::interval)) AND (r.date > (t.today - 30)))) d) m)
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(r.total_calls), (0)::bigint) AS total_calls_lifetime,
            COALESCE(sum(r.leads_generated), (0)::bigint) AS total_leads_lifetime,
            COALESCE(sum(r.credits_used), (0)::numeric) AS total_credits_used_lifetime
           FROM public.user_analytics r
          WHERE ((r.user_id = u.id) AND (r.grain = 'month'::text) AND (r.zone = (u.timezone)::text))) f)
     CROSS JOIN LATERAL ( SELECT count(*) AS total_agents,
            count(*) FILTER (WHERE g.is_active) AS active_agents,
            count(*) FILTER (WHERE (NOT g.is_active)) AS draft_agents
           FROM public.agents g
          WHERE (g.user_id = u.id)) a)
     CROSS JOIN LATERAL ( SELECT sum(r.successful_calls) AS successful_calls,
            count(*) AS active_hours
           FROM public.user_analytics r
          WHERE ((r.user_id = u.id) AND (r.grain = 'hour'::text) AND (r.zone = (u.timezone)::text) AND (r.bucket_start >= (statement_timestamp() - '32 days'::interval)) AND (r.date > (t.today - 30)) AND (r.date <= t.today))) h)
     LEFT JOIN LATERAL ( SELECT r.agent_id,
            g.name AS agent_name,
            round(((100.0 * (sum(r.successful_calls))::numeric) / (sum(r.total_calls))::numeric), 2) AS success_rate
           FROM (public.agent_analytics r
             JOIN public.agents g ON (((g.user_id = r.user_id) AND (g.id = r.agent_id))))
          WHERE ((r.user_id = u.id) AND (r.grain = 'day'::text) AND (r.zone = (u.timezone)::text) AND (r.bucket_start >= (statement_timestamp() - '32 days'::interval)) AND (r.date > (t.today - 30)) AND (r.date <= t.today))
          GROUP BY r.agent_id, g.name
         HAVING (sum(r.total_calls) >= 10)
          ORDER BY ((sum(r.successful_calls))::numeric / (sum(r.total_calls))::numeric) DESC, (sum(r.total_calls)) DESC, r.agent_id
         LIMIT 1) b ON (true))
  WHERE (u.is_active AND (t.day_end > statement_timestamp()))
  WITH NO DATA;

CREATE VIEW public.my_kpi_summary WITH (security_barrier='true') AS
 SELECT k.user_id,
    k.email,
    k.name,
    k.credits,
    k.is_active,
    k.user_created_at,
    k.total_calls_30d,
    k.successful_calls_30d,
    k.failed_calls_30d,
    k.success_rate_30d,
    k.total_duration_30d,
    k.avg_duration_30d,
    k.total_credits_used_30d,
    k.total_leads_30d,
    k.qualified_leads_30d,
    k.conversion_rate_30d,
    k.avg_lead_score_30d,
    k.avg_intent_score_30d,
    k.avg_engagement_score_30d,
    k.total_agents,
    k.active_agents,
    k.draft_agents,
    k.avg_conversations_per_hour_30d,
    k.best_performing_agent_id,
    k.best_performing_agent_name,
    k.best_agent_success_rate,
    k.calls_last_7d,
    k.leads_last_7d,
    k.credits_used_last_7d,
    k.total_calls_lifetime,
    k.total_leads_lifetime,
    k.total_credits_used_lifetime,
    k.calculated_at,
    k.expires_at,
    k.window_start,
    k.window_end,
    (k.expires_at > now()) AS is_current
   FROM public.user_kpi_summary k
  WHERE (k.user_id = public.current_tenant());

COMMENT ON COLUMN public.my_kpi_summary.is_current IS 'False: older than it promised to be; a refresh is overdue.';

CREATE TABLE public.password_reset_attempts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email character varying(255) NOT NULL,
    ip_address inet,
    attempted_at timestamp with time zone DEFAULT now() NOT NULL,
    success boolean DEFAULT false NOT NULL
);

CREATE TABLE public.phone_numbers (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name character varying(255) NOT NULL,
    phone_number character varying(50) NOT NULL,
    bolna_phone_number_id character varying(255) NOT NULL,
    assigned_to_user_id uuid,
    assigned_to_agent_id uuid,
    created_by_admin_id uuid NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    phone_e164 character varying(16),
    CONSTRAINT phone_numbers_assignment_check CHECK (((assigned_to_agent_id IS NULL) OR (assigned_to_user_id IS NOT NULL))),
    CONSTRAINT phone_numbers_phone_e164_check CHECK (((phone_e164)::text ~ '^\+[1-9][0-9]{6,14}$'::text))
);

COMMENT ON COLUMN public.phone_numbers.phone_e164 IS 'The number as webhooks are compared with it; null: phone_number is compared as it stands.';

CREATE TABLE public.system_config (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    config_key character varying(255) NOT NULL,
    config_value text NOT NULL,
    is_encrypted boolean DEFAULT false NOT NULL,
    description text,
    updated_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.transcripts (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    call_id uuid NOT NULL,
    content text NOT NULL,
    speaker_segments jsonb DEFAULT '[]'::jsonb NOT NULL,
    analysis_status character varying(20) DEFAULT 'pending'::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT transcripts_analysis_status_check CHECK (((analysis_status)::text = ANY ((ARRAY['pending'::character varying, 'completed'::character varying, 'failed'::character varying, 'skipped'::character varying, 'off'::character varying])::text[])))
);

CREATE TABLE public.twilio_processed_calls (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    twilio_call_sid character varying(255) NOT NULL,
    phone_number character varying(50) NOT NULL,
    call_status character varying(50) NOT NULL,
    processed_at timestamp with time zone DEFAULT now() NOT NULL,
    contact_id uuid,
    CONSTRAINT twilio_processed_calls_sid_check CHECK (((twilio_call_sid)::text ~ '^CA[0-9a-f]{32}$'::text)),
    CONSTRAINT twilio_processed_calls_status_check CHECK (((call_status)::text = ANY ((ARRAY['busy'::character varying, 'no-answer'::character varying, 'failed'::character varying, 'canceled'::character varying])::text[])))
);

CREATE VIEW public.user_daily_analytics WITH (security_invoker='true') AS
 SELECT user_analytics.id,
    user_analytics.user_id,
    user_analytics.date,
    user_analytics.total_calls,
    user_analytics.successful_calls,
    user_analytics.failed_calls,
    user_analytics.total_duration_minutes,
    user_analytics.leads_generated,
    user_analytics.qualified_leads,
    user_analytics.credits_used,
    user_analytics.avg_engagement_score,
    user_analytics.avg_intent_score,
    user_analytics.created_at,
    user_analytics.updated_at
   FROM public.user_analytics
  WHERE (user_analytics.grain = 'day'::text);

CREATE TABLE public.user_sessions (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    token_hash character varying(255) NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone DEFAULT now() NOT NULL,
    ip_address inet,
    user_agent text,
    is_active boolean DEFAULT true NOT NULL,
    refresh_token_hash character varying(255),
    refresh_expires_at timestamp with time zone,
    previous_refresh_hash character varying(255),
    rotated_at timestamp with time zone,
    CONSTRAINT user_sessions_refresh_check CHECK (((refresh_token_hash IS NULL) = (refresh_expires_at IS NULL)))
);

COMMENT ON COLUMN public.user_sessions.previous_refresh_hash IS 'The refresh token before the present one. Two requests may use it at the same moment; later it is a stolen one.';

CREATE SEQUENCE tally.analysis_claim_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.analysis_settings (
    user_id uuid NOT NULL,
    provider text DEFAULT 'off'::text NOT NULL,
    base_url text,
    model text,
    sealed_api_key bytea,
    max_output_tokens integer DEFAULT 1000 NOT NULL,
    input_price_micros bigint,
    output_price_micros bigint,
    daily_cap_micros bigint,
    concurrency integer DEFAULT 2 NOT NULL,
    turn bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT analysis_settings_base_url_check CHECK (((base_url ~ '^https?://[^/]'::text) AND (base_url !~ '/$'::text))),
    CONSTRAINT analysis_settings_cap_check CHECK (((daily_cap_micros IS NULL) OR ((daily_cap_micros >= 0) AND (input_price_micros IS NOT NULL) AND (output_price_micros IS NOT NULL)))),
    CONSTRAINT analysis_settings_concurrency_check CHECK (((concurrency >= 1) AND (concurrency <= 64))),
    CONSTRAINT analysis_settings_model_check CHECK ((model <> ''::text)),
    CONSTRAINT analysis_settings_openai_check CHECK (((provider <> 'openai'::text) OR ((base_url IS NOT NULL) AND (model IS NOT NULL)))),
    CONSTRAINT analysis_settings_prices_check CHECK (((input_price_micros >= 0) AND (output_price_micros >= 0))),
    CONSTRAINT analysis_settings_provider_check CHECK ((provider = ANY (ARRAY['bolna'::text, 'openai'::text, 'webhook'::text, 'rules'::text, 'off'::text]))),
    CONSTRAINT analysis_settings_tokens_check CHECK (((max_output_tokens >= 100) AND (max_output_tokens <= 100000)))
);

COMMENT ON COLUMN tally.analysis_settings.input_price_micros IS 'Of a million tokens, in micro-units; output_price_micros likewise.';

COMMENT ON COLUMN tally.analysis_settings.daily_cap_micros IS 'Most that a day of the tenant''s zone may cost, in micro-units.';

CREATE TABLE tally.analysis_spend (
    user_id uuid NOT NULL,
    spent_on date NOT NULL,
    spent_micros bigint DEFAULT 0 NOT NULL,
    CONSTRAINT analysis_spend_check CHECK ((spent_micros >= 0))
);

COMMENT ON TABLE tally.analysis_spend IS 'Cost by local day. A request counts with the most that it may cost until its cost is known; if its process dies, it stays so.';

CREATE SEQUENCE tally.analysis_turn_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.api_tokens (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    token_hash text NOT NULL,
    may_change boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_tokens_name_check CHECK (((name <> ''::text) AND (length(name) <= 100)))
);

COMMENT ON TABLE tally.api_tokens IS 'Tokens for programs; each may do what its account may, or only read.';

COMMENT ON COLUMN tally.api_tokens.last_used_at IS 'To the minute.';

CREATE TABLE tally.audit_differences (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    detected_at timestamp with time zone DEFAULT now() NOT NULL,
    found_by text NOT NULL,
    tier smallint,
    bucket_start timestamp with time zone,
    bucket_end timestamp with time zone,
    agent_id uuid,
    figure text NOT NULL,
    compared_with text NOT NULL,
    expected text,
    found text,
    explanation text,
    call_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    CONSTRAINT audit_differences_bucket_check CHECK (((tier IS NULL) = (bucket_start IS NULL))),
    CONSTRAINT audit_differences_call_ids_check CHECK ((cardinality(call_ids) <= 20)),
    CONSTRAINT audit_differences_compared_with_check CHECK ((compared_with = ANY (ARRAY['calls'::text, 'children'::text, 'agents'::text, 'ledger'::text]))),
    CONSTRAINT audit_differences_explanation_check CHECK ((explanation = ANY (ARRAY['missing'::text, 'counted_twice'::text, 'changed_last'::text, 'children'::text]))),
    CONSTRAINT audit_differences_found_by_check CHECK ((found_by = ANY (ARRAY['sample'::text, 'full'::text]))),
    CONSTRAINT audit_differences_tier_check CHECK (((tier >= 0) AND (tier <= 3))),
    CONSTRAINT audit_differences_values_check CHECK ((expected IS DISTINCT FROM found))
);

COMMENT ON COLUMN tally.audit_differences.call_ids IS 'Calls that explain the difference: the one that is missing or counted twice, else those of the bucket that changed last.';

CREATE TABLE tally.backfill_units (
    user_id uuid NOT NULL,
    backfill_id uuid NOT NULL,
    from_time timestamp with time zone NOT NULL,
    to_time timestamp with time zone NOT NULL,
    state text DEFAULT 'ready'::text NOT NULL,
    days integer NOT NULL,
    calls bigint NOT NULL,
    calls_read bigint DEFAULT 0 NOT NULL,
    buckets_written integer DEFAULT 0 NOT NULL,
    buckets_discarded integer DEFAULT 0 NOT NULL,
    work_seconds double precision DEFAULT 0 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    error text,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    wait_tier smallint,
    wait_seq bigint,
    finished_at timestamp with time zone,
    CONSTRAINT backfill_units_finished_check CHECK (((state = ANY (ARRAY['done'::text, 'failed'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT backfill_units_range_check CHECK ((from_time < to_time)),
    CONSTRAINT backfill_units_state_check CHECK ((state = ANY (ARRAY['ready'::text, 'marked'::text, 'done'::text, 'failed'::text]))),
    CONSTRAINT backfill_units_wait_check CHECK ((((state = 'marked'::text) = (wait_tier IS NOT NULL)) AND ((wait_tier IS NULL) = (wait_seq IS NULL))))
);

CREATE TABLE tally.backfills (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid,
    first_day date,
    last_day date,
    mode text NOT NULL,
    method text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    max_calls_per_second integer,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    running_since timestamp with time zone DEFAULT now() NOT NULL,
    next_unit_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT backfills_days_check CHECK ((first_day <= last_day)),
    CONSTRAINT backfills_finished_check CHECK (((state = ANY (ARRAY['cancelled'::text, 'done'::text, 'failed'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT backfills_method_check CHECK ((method = ANY (ARRAY['marks'::text, 'scan'::text]))),
    CONSTRAINT backfills_mode_check CHECK ((mode = ANY (ARRAY['missing'::text, 'stale'::text, 'all'::text]))),
    CONSTRAINT backfills_rate_check CHECK ((max_calls_per_second > 0)),
    CONSTRAINT backfills_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'cancelled'::text, 'done'::text, 'failed'::text])))
);

CREATE TABLE tally.call_aliases (
    user_id uuid NOT NULL,
    call_sid text NOT NULL,
    call_id uuid NOT NULL
);

COMMENT ON TABLE tally.call_aliases IS 'CallSids of a call: one execution with retries has several.';

CREATE TABLE tally.call_analyses (
    user_id uuid NOT NULL,
    call_id uuid NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    provider text NOT NULL,
    input_sha256 bytea NOT NULL,
    analyzed_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    wait_reason text,
    claim bigint,
    claimed_until timestamp with time zone,
    error_code text,
    error_detail text,
    model text,
    input_tokens bigint DEFAULT 0 NOT NULL,
    output_tokens bigint DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT call_analyses_claim_check CHECK ((((state = 'claimed'::text) = (claim IS NOT NULL)) AND ((claim IS NULL) = (claimed_until IS NULL)))),
    CONSTRAINT call_analyses_counts_check CHECK (((attempts >= 0) AND (input_tokens >= 0) AND (output_tokens >= 0) AND (cost_micros >= 0))),
    CONSTRAINT call_analyses_detail_check CHECK ((length(error_detail) <= 500)),
    CONSTRAINT call_analyses_error_check CHECK (((error_code ~ '^[a-z_]{3,40}$'::text) AND ((state <> ALL (ARRAY['failed'::text, 'skipped'::text])) OR (error_code IS NOT NULL)))),
    CONSTRAINT call_analyses_finished_check CHECK (((state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'skipped'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT call_analyses_input_check CHECK ((length(input_sha256) = 32)),
    CONSTRAINT call_analyses_provider_check CHECK ((provider = ANY (ARRAY['bolna'::text, 'openai'::text, 'rules'::text]))),
    CONSTRAINT call_analyses_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'claimed'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text]))),
    CONSTRAINT call_analyses_wait_check CHECK (((wait_reason = ANY (ARRAY['retry'::text, 'spending_cap'::text])) AND ((wait_reason IS NULL) OR (state = 'pending'::text))))
);

COMMENT ON TABLE tally.call_analyses IS 'Analyses of calls: to be made, under way, ended. The results are events of the inbox; error_detail never holds a transcript.';

COMMENT ON COLUMN tally.call_analyses.cost_micros IS 'Of all requests for the present input; likewise the tokens.';

CREATE TABLE tally.call_attempts (
    user_id uuid NOT NULL,
    call_id uuid NOT NULL,
    attempt integer NOT NULL,
    lifecycle text NOT NULL,
    outcome text NOT NULL,
    call_sid text,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    duration_seconds integer NOT NULL,
    CONSTRAINT call_attempts_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT call_attempts_duration_seconds_check CHECK ((duration_seconds >= 0))
);

COMMENT ON COLUMN tally.call_attempts.started_at IS 'Null where only a later record tells of the dial.';

CREATE TABLE tally.call_events (
    user_id uuid NOT NULL,
    call_id uuid NOT NULL,
    provider text NOT NULL,
    body_sha256 bytea NOT NULL,
    inbox_id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    facts jsonb NOT NULL
);

CREATE TABLE tally.call_legs (
    user_id uuid NOT NULL,
    call_id uuid NOT NULL,
    leg_key text NOT NULL,
    kind text NOT NULL,
    lifecycle text NOT NULL,
    outcome text NOT NULL,
    duration_seconds integer,
    cost_reported numeric,
    to_number text,
    from_number text,
    recording_url text,
    hangup_by text,
    hangup_reason text,
    hangup_provider_code bigint,
    termination_reason text,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT call_legs_cost_reported_check CHECK ((cost_reported >= (0)::numeric)),
    CONSTRAINT call_legs_duration_seconds_check CHECK ((duration_seconds >= 0)),
    CONSTRAINT call_legs_kind_check CHECK ((kind = ANY (ARRAY['transfer'::text, 'child'::text]))),
    CONSTRAINT call_legs_leg_key_check CHECK ((leg_key <> ''::text)),
    CONSTRAINT call_legs_outcome_check CHECK ((outcome = ANY (ARRAY['answered'::text, 'voicemail'::text, 'no_answer'::text, 'busy'::text, 'failed'::text, 'cancelled'::text, 'in_progress'::text])))
);

COMMENT ON TABLE tally.call_legs IS 'Legs of a call that are no dials of it. Their seconds and prices are in no figure of the call.';

COMMENT ON COLUMN tally.call_legs.leg_key IS 'The carrier''s id of the leg; transfer: and the attempt for one without.';

COMMENT ON COLUMN tally.call_legs.cost_reported IS 'The number as reported. Its unit is not documented, so it is no money and is never summed.';

COMMENT ON COLUMN tally.call_legs.started_at IS 'The carrier''s first word about the leg; null where only the call''s record tells of it, which gives no times.';

CREATE VIEW tally.call_metrics AS
 SELECT c.user_id,
    c.id AS call_id,
    c.agent_id,
    c.started_at,
    tally.quarter_of(c.started_at) AS quarter_start,
    c.outcome,
    c.duration_seconds,
    c.duration_minutes,
    c.credits_micros,
    c.cost_micros,
    c.lead_type,
    c.call_source,
    c.contact_id,
    (l.id IS NOT NULL) AS is_lead,
    l.quality,
    ((COALESCE(l.company_name, ''::character varying))::text <> ''::text) AS has_company,
    l.intent_score,
    l.urgency_score,
    l.budget_score,
    l.fit_score,
    l.engagement_score,
    l.total_score,
    ((l.intent_score * 100) >= (70 * l.dimension_scale)) AS high_intent,
    ((l.budget_score * 100) >= (70 * l.dimension_scale)) AS high_budget,
    ((l.urgency_score * 100) >= (70 * l.dimension_scale)) AS urgent,
    l.cta_pricing_clicked,
    l.cta_demo_clicked,
    l.cta_followup_clicked,
    l.cta_sample_clicked,
    l.cta_escalated_to_human,
    md5((((((((((((((((((((((((((((((((((((('36:'::text || (c.id)::text) || ';36:'::text) || (c.agent_id)::text) || ';'::text) || length((EXTRACT(epoch FROM c.started_at))::text)) || ':'::text) || (EXTRACT(epoch FROM c.started_at))::text) || ';'::text) || length((c.outcome)::text)) || ':'::text) || (c.outcome)::text) || ';'::text) || length((c.duration_seconds)::text)) || ':'::text) || (c.duration_seconds)::text) || ';'::text) || length((c.duration_minutes)::text)) || ':'::text) || (c.duration_minutes)::text) || ';'::text) || length((c.credits_micros)::text)) || ':'::text) || (c.credits_micros)::text) || ';'::text) || length((c.cost_micros)::text)) || ':'::text) || (c.cost_micros)::text) || ';'::text) || COALESCE(((length((c.lead_type)::text) || ':'::text) || (c.lead_type)::text), '-'::text)) || ';'::text) || length((c.call_source)::text)) || ':'::text) || (c.call_source)::text) || ';'::text) || COALESCE(('36:'::text || (c.contact_id)::text), '-'::text)) ||
        CASE
            WHEN (l.id IS NULL) THEN ';-;-;-;-;-;-;-;-;-;-;-;-;-;-;-'::text
            ELSE (((((((((((((((((((((((((((((';36:'::text || (l.id)::text) || ';'::text) || COALESCE(((length((l.quality)::text) || ':'::text) || (l.quality)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.company_name)::text) || ':'::text) || (l.company_name)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.dimension_scale)::text) || ':'::text) || (l.dimension_scale)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.intent_score)::text) || ':'::text) || (l.intent_score)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.urgency_score)::text) || ':'::text) || (l.urgency_score)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.budget_score)::text) || ':'::text) || (l.budget_score)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.fit_score)::text) || ':'::text) || (l.fit_score)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.engagement_score)::text) || ':'::text) || (l.engagement_score)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.total_score)::text) || ':'::text) || (l.total_score)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.cta_pricing_clicked)::text) || ':'::text) || (l.cta_pricing_clicked)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.cta_demo_clicked)::text) || ':'::text) || (l.cta_demo_clicked)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.cta_followup_clicked)::text) || ':'::text) || (l.cta_followup_clicked)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.cta_sample_clicked)::text) || ':'::text) || (l.cta_sample_clicked)::text), '-'::text)) || ';'::text) || COALESCE(((length((l.cta_escalated_to_human)::text) || ':'::text) || (l.cta_escalated_to_human)::text), '-'::text))
        END)) AS fingerprint
   FROM (public.calls c
     LEFT JOIN public.lead_analytics l ON (((l.user_id = c.user_id) AND (l.call_id = c.id) AND ((l.analysis_type)::text = 'individual'::text))));

CREATE TABLE tally.contact_analyses (
    user_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    generation bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'idle'::text NOT NULL,
    input_sha256 bytea,
    result jsonb,
    result_sha256 bytea,
    attempts integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    wait_reason text,
    claim bigint,
    claimed_until timestamp with time zone,
    error_code text,
    error_detail text,
    model text,
    input_tokens bigint DEFAULT 0 NOT NULL,
    output_tokens bigint DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    CONSTRAINT contact_analyses_claim_check CHECK ((((state = 'claimed'::text) = (claim IS NOT NULL)) AND ((claim IS NULL) = (claimed_until IS NULL)))),
    CONSTRAINT contact_analyses_counts_check CHECK (((attempts >= 0) AND (input_tokens >= 0) AND (output_tokens >= 0) AND (cost_micros >= 0))),
    CONSTRAINT contact_analyses_detail_check CHECK ((length(error_detail) <= 500)),
    CONSTRAINT contact_analyses_error_check CHECK (((error_code ~ '^[a-z_]{3,40}$'::text) AND ((state <> 'failed'::text) OR (error_code IS NOT NULL)))),
    CONSTRAINT contact_analyses_input_check CHECK (((length(input_sha256) = 32) AND ((state = 'idle'::text) = (input_sha256 IS NULL)))),
    CONSTRAINT contact_analyses_result_check CHECK (((length(result_sha256) = 32) AND ((result IS NULL) = (result_sha256 IS NULL)))),
    CONSTRAINT contact_analyses_state_check CHECK ((state = ANY (ARRAY['idle'::text, 'pending'::text, 'claimed'::text, 'succeeded'::text, 'failed'::text]))),
    CONSTRAINT contact_analyses_wait_check CHECK (((wait_reason = ANY (ARRAY['retry'::text, 'spending_cap'::text])) AND ((wait_reason IS NULL) OR (state = 'pending'::text))))
);

COMMENT ON TABLE tally.contact_analyses IS 'The fold of each contact''s analyses; for provider openai also the request that looks at all of its calls. Without a result for the present input the fold stands.';

CREATE TABLE tally.customer_counters (
    user_id uuid NOT NULL,
    year integer NOT NULL,
    last_number integer NOT NULL
);

CREATE TABLE tally.dead_jobs (
    dead_id bigint NOT NULL,
    job_id bigint NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    user_id uuid,
    coalesce_key text,
    payload jsonb NOT NULL,
    priority smallint NOT NULL,
    attempts integer NOT NULL,
    max_attempts integer NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    dead_at timestamp with time zone NOT NULL,
    trace text,
    claims bigint NOT NULL
);

COMMENT ON COLUMN tally.dead_jobs.claims IS 'A replayed job counts on from here, so that no old report fits it.';

CREATE SEQUENCE tally.dead_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE tally.dead_jobs_id_seq OWNED BY tally.dead_jobs.dead_id;

CREATE TABLE tally.endpoints (
    endpoint text NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    secret_sha256 bytea,
    previous_secret_sha256 bytea,
    sealed_key bytea,
    previous_sealed_key bytea,
    previous_expires_at timestamp with time zone,
    account_sid text,
    allowed_ips inet[],
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT endpoints_account_sid_check CHECK ((account_sid ~ '^AC[0-9a-f]{32}$'::text)),
    CONSTRAINT endpoints_check CHECK (
CASE provider
    WHEN 'bolna'::text THEN (secret_sha256 IS NOT NULL)
    ELSE (sealed_key IS NOT NULL)
END),
    CONSTRAINT endpoints_endpoint_check CHECK ((endpoint ~ '^[a-z0-9_-]{8,64}$'::text)),
    CONSTRAINT endpoints_previous_secret_sha256_check CHECK ((length(previous_secret_sha256) = 32)),
    CONSTRAINT endpoints_provider_check CHECK ((provider = ANY (ARRAY['bolna'::text, 'twilio'::text, 'analysis'::text]))),
    CONSTRAINT endpoints_secret_sha256_check CHECK ((length(secret_sha256) = 32))
);

COMMENT ON TABLE tally.endpoints IS 'Where a tenant''s provider posts to. The tenant of an event is the tenant of its endpoint, never what the body says.';

CREATE TABLE tally.history_files (
    user_id uuid NOT NULL,
    month_start timestamp with time zone NOT NULL,
    month_end timestamp with time zone NOT NULL,
    path text NOT NULL,
    calls bigint NOT NULL,
    fingerprint_hi bigint NOT NULL,
    fingerprint_lo bigint NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT history_files_calls_check CHECK ((calls > 0)),
    CONSTRAINT history_files_path_check CHECK ((path <> ''::text)),
    CONSTRAINT history_files_range_check CHECK ((month_start < month_end))
);

COMMENT ON TABLE tally.history_files IS 'The file of each month whose calls are gone, and what its calls come to. Of a month that was begun in another zone, the file holds the rest.';

CREATE TABLE tally.history_horizons (
    user_id uuid NOT NULL,
    frozen_before timestamp with time zone NOT NULL
);

COMMENT ON TABLE tally.history_horizons IS 'Tenants whose older calls have gone to files: their buckets before this are never recomputed.';

CREATE SEQUENCE tally.inbox_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.inbox (
    user_id uuid NOT NULL,
    id bigint DEFAULT nextval('tally.inbox_seq'::regclass) NOT NULL,
    provider text NOT NULL,
    endpoint text NOT NULL,
    body_sha256 bytea NOT NULL,
    body bytea,
    headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT inbox_body_sha256_check CHECK ((length(body_sha256) = 32)),
    CONSTRAINT inbox_provider_check CHECK ((provider = ANY (ARRAY['bolna'::text, 'twilio'::text, 'analysis'::text])))
);
ALTER TABLE ONLY tally.inbox ALTER COLUMN body SET STORAGE EXTERNAL;

COMMENT ON TABLE tally.inbox IS 'Every distinct webhook as it came. Never updated by the pipeline; the body may be stripped by retention.';

CREATE TABLE tally.inbox_pending (
    user_id uuid NOT NULL,
    inbox_id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    state text DEFAULT 'ready'::text NOT NULL,
    claims integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    wait_key text,
    CONSTRAINT inbox_pending_check CHECK (((state = 'waiting'::text) = (wait_key IS NOT NULL))),
    CONSTRAINT inbox_pending_state_check CHECK ((state = ANY (ARRAY['ready'::text, 'waiting'::text])))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

COMMENT ON COLUMN tally.inbox_pending.wait_key IS 'The CallSid whose call a waiting Twilio event is waiting for: its own, or its parent''s if it is of a child leg.';

CREATE TABLE tally.job_history (
    job_id bigint NOT NULL,
    claim bigint NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    user_id uuid,
    attempt integer NOT NULL,
    outcome text NOT NULL,
    error text,
    log text,
    queued_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint,
    lease_id uuid,
    CONSTRAINT job_history_outcome_check CHECK ((outcome = ANY (ARRAY['succeeded'::text, 'failed'::text, 'interrupted'::text, 'snoozed'::text, 'lost'::text, 'dead'::text, 'cancelled'::text, 'discarded'::text])))
)
PARTITION BY RANGE (finished_at);

COMMENT ON TABLE tally.job_history IS 'One row per attempt that ended, and per job that ended without one, appended by the statement that ended it.';

COMMENT ON COLUMN tally.job_history.log IS 'The last lines that the handler logged, one per line.';

COMMENT ON COLUMN tally.job_history.duration_ms IS 'Run time of the handler; null where its process disappeared.';

CREATE TABLE tally.job_history_other (
    job_id bigint NOT NULL,
    claim bigint NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    user_id uuid,
    attempt integer NOT NULL,
    outcome text NOT NULL,
    error text,
    log text,
    queued_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint,
    lease_id uuid,
    CONSTRAINT job_history_outcome_check CHECK ((outcome = ANY (ARRAY['succeeded'::text, 'failed'::text, 'interrupted'::text, 'snoozed'::text, 'lost'::text, 'dead'::text, 'cancelled'::text, 'discarded'::text])))
);

COMMENT ON TABLE tally.job_history_other IS 'Days that have no partition of their own: what was there before partitions, and what a late maintenance missed.';

CREATE TABLE tally.job_leases (
    lease_id uuid NOT NULL,
    label text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    queues text[] DEFAULT '{}'::text[] NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tally.job_leases IS 'One row per start of a process, with a random id. Jobs of a lease that expired, or is gone, are taken back.';

COMMENT ON COLUMN tally.job_leases.queues IS 'Queues that the process takes jobs from.';

CREATE TABLE tally.job_permits (
    queue text NOT NULL,
    tenant uuid NOT NULL,
    slot integer NOT NULL,
    job_id bigint,
    claim bigint,
    lease_id uuid,
    CONSTRAINT job_permits_holder_check CHECK ((((job_id IS NULL) = (claim IS NULL)) AND ((job_id IS NULL) = (lease_id IS NULL)))),
    CONSTRAINT job_permits_slot_check CHECK ((slot > 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE tally.job_permits IS 'One row per job of a tenant that may run at once in a capped queue; taken by the claim, freed by what ends it.';

CREATE SEQUENCE tally.lane_turn_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.lanes (
    user_id uuid NOT NULL,
    turn bigint DEFAULT 0 NOT NULL,
    claims integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

COMMENT ON COLUMN tally.lanes.claims IS 'Batches begun since the last one that ended; counted in a committed transaction before the work.';

CREATE SEQUENCE tally.lead_mark_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.lead_marks (
    user_id uuid NOT NULL,
    seq bigint DEFAULT nextval('tally.lead_mark_seq'::regclass) NOT NULL,
    contact_id uuid NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

CREATE TABLE tally.notification_deliveries (
    user_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    claim bigint DEFAULT 0 NOT NULL,
    claimed_until timestamp with time zone,
    last_status smallint,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT notification_deliveries_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT notification_deliveries_claimed_check CHECK (((claimed_until IS NULL) OR (state = 'pending'::text))),
    CONSTRAINT notification_deliveries_error_check CHECK ((length(last_error) <= 200)),
    CONSTRAINT notification_deliveries_finished_check CHECK (((state = 'pending'::text) = (finished_at IS NULL))),
    CONSTRAINT notification_deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT notification_deliveries_status_check CHECK (((last_status >= 100) AND (last_status <= 999)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');

CREATE TABLE tally.notification_endpoints (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    url text NOT NULL,
    kinds text[],
    sealed_key bytea NOT NULL,
    previous_sealed_key bytea,
    previous_expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    disabled_reason text,
    turn bigint DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    CONSTRAINT notification_endpoints_disabled_check CHECK (((disabled_at IS NULL) = (disabled_reason IS NULL))),
    CONSTRAINT notification_endpoints_failures_check CHECK ((failures >= 0)),
    CONSTRAINT notification_endpoints_kinds_check CHECK ((cardinality(kinds) > 0)),
    CONSTRAINT notification_endpoints_previous_check CHECK (((previous_sealed_key IS NULL) = (previous_expires_at IS NULL))),
    CONSTRAINT notification_endpoints_url_check CHECK (((url ~ '^https?://[^[:space:]]+$'::text) AND (length(url) <= 2000)))
);

CREATE SEQUENCE tally.notification_turn_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.notifications (
    user_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    idempotency_key text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    is_handed_out boolean DEFAULT false NOT NULL,
    CONSTRAINT notifications_kind_check CHECK ((kind ~ '^[a-z_]+(\.[a-z_]+)+$'::text)),
    CONSTRAINT notifications_payload_check CHECK ((jsonb_typeof(payload) = 'object'::text))
);

CREATE TABLE tally.paused_kinds (
    kind text NOT NULL,
    paused_at timestamp with time zone NOT NULL,
    reason text NOT NULL
);

CREATE TABLE tally.paused_queues (
    queue text NOT NULL,
    paused_at timestamp with time zone NOT NULL,
    reason text NOT NULL
);

CREATE TABLE tally.provider_accounts (
    user_id uuid NOT NULL,
    provider text NOT NULL,
    base_url text NOT NULL,
    account_sid text,
    sealed_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    disabled_reason text,
    reconciled_until timestamp with time zone,
    last_run_at timestamp with time zone,
    last_error text,
    CONSTRAINT provider_accounts_account_sid_check CHECK (
CASE provider
    WHEN 'twilio'::text THEN ((account_sid IS NOT NULL) AND (account_sid ~ '^AC[0-9a-f]{32}$'::text))
    ELSE (account_sid IS NULL)
END),
    CONSTRAINT provider_accounts_base_url_check CHECK ((base_url ~ '^(https://[^@]+|http://(127\.[0-9.]+|localhost|\[::1\])(:[0-9]+)?(/[^@]*)?)$'::text)),
    CONSTRAINT provider_accounts_disabled_check CHECK (((disabled_at IS NULL) = (disabled_reason IS NULL))),
    CONSTRAINT provider_accounts_disabled_reason_check CHECK ((disabled_reason ~ '^[a-z0-9_]{3,40}$'::text)),
    CONSTRAINT provider_accounts_last_error_check CHECK ((last_error ~ '^[a-z0-9_]{3,40}$'::text)),
    CONSTRAINT provider_accounts_provider_check CHECK ((provider = ANY (ARRAY['bolna'::text, 'twilio'::text])))
);

CREATE TABLE tally.provider_checks (
    user_id uuid NOT NULL,
    provider text NOT NULL,
    ref text NOT NULL,
    result text NOT NULL,
    listed text,
    checks integer DEFAULT 1 NOT NULL,
    first_checked_at timestamp with time zone NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    next_check_at timestamp with time zone NOT NULL,
    conflict text,
    CONSTRAINT provider_checks_checks_check CHECK ((checks > 0)),
    CONSTRAINT provider_checks_provider_check CHECK ((provider = ANY (ARRAY['bolna'::text, 'twilio'::text]))),
    CONSTRAINT provider_checks_result_check CHECK ((result = ANY (ARRAY['found'::text, 'unknown'::text, 'refused'::text])))
);

COMMENT ON COLUMN tally.provider_checks.conflict IS 'Digest of the contradicting ends when the provider was asked about them; another end is another conflict.';

CREATE SEQUENCE tally.quarantine_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.quarantine (
    user_id uuid NOT NULL,
    id bigint DEFAULT nextval('tally.quarantine_seq'::regclass) NOT NULL,
    provider text NOT NULL,
    endpoint text NOT NULL,
    inbox_id bigint,
    reason text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    wait_key text,
    body bytea,
    received_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT quarantine_body_check CHECK ((length(body) <= 65536)),
    CONSTRAINT quarantine_check CHECK (((inbox_id IS NULL) = (body IS NOT NULL))),
    CONSTRAINT quarantine_reason_check CHECK ((reason ~ '^[a-z_]{3,40}$'::text))
);

COMMENT ON TABLE tally.quarantine IS 'Events that could not be applied, with the reason; replayed by hand or, for unknown_agent, when the agent appears.';

CREATE TABLE tally.quarter_rollups (
    user_id uuid NOT NULL,
    bucket_start timestamp with time zone NOT NULL,
    agent_id uuid NOT NULL,
    generation bigint NOT NULL,
    total_calls integer DEFAULT 0 NOT NULL,
    successful_calls integer DEFAULT 0 NOT NULL,
    voicemail_calls integer DEFAULT 0 NOT NULL,
    no_answer_calls integer DEFAULT 0 NOT NULL,
    busy_calls integer DEFAULT 0 NOT NULL,
    failed_outcome_calls integer DEFAULT 0 NOT NULL,
    cancelled_calls integer DEFAULT 0 NOT NULL,
    in_progress_calls integer DEFAULT 0 NOT NULL,
    inbound_calls integer DEFAULT 0 NOT NULL,
    outbound_calls integer DEFAULT 0 NOT NULL,
    phone_calls integer DEFAULT 0 NOT NULL,
    internet_calls integer DEFAULT 0 NOT NULL,
    unknown_source_calls integer DEFAULT 0 NOT NULL,
    total_duration_minutes integer DEFAULT 0 NOT NULL,
    leads_generated integer DEFAULT 0 NOT NULL,
    hot_leads integer DEFAULT 0 NOT NULL,
    warm_leads integer DEFAULT 0 NOT NULL,
    cold_leads integer DEFAULT 0 NOT NULL,
    unqualified_leads integer DEFAULT 0 NOT NULL,
    leads_with_company integer DEFAULT 0 NOT NULL,
    intent_score_count integer DEFAULT 0 NOT NULL,
    urgency_score_count integer DEFAULT 0 NOT NULL,
    budget_score_count integer DEFAULT 0 NOT NULL,
    fit_score_count integer DEFAULT 0 NOT NULL,
    engagement_score_count integer DEFAULT 0 NOT NULL,
    total_score_count integer DEFAULT 0 NOT NULL,
    high_intent_leads integer DEFAULT 0 NOT NULL,
    high_budget_leads integer DEFAULT 0 NOT NULL,
    urgent_leads integer DEFAULT 0 NOT NULL,
    cta_pricing_clicks integer DEFAULT 0 NOT NULL,
    cta_demo_clicks integer DEFAULT 0 NOT NULL,
    cta_followup_clicks integer DEFAULT 0 NOT NULL,
    cta_sample_clicks integer DEFAULT 0 NOT NULL,
    cta_human_escalations integer DEFAULT 0 NOT NULL,
    leads_with_cta integer DEFAULT 0 NOT NULL,
    talk_seconds bigint DEFAULT 0 NOT NULL,
    credits_micros bigint DEFAULT 0 NOT NULL,
    cost_micros bigint DEFAULT 0 NOT NULL,
    intent_score_sum bigint DEFAULT 0 NOT NULL,
    urgency_score_sum bigint DEFAULT 0 NOT NULL,
    budget_score_sum bigint DEFAULT 0 NOT NULL,
    fit_score_sum bigint DEFAULT 0 NOT NULL,
    engagement_score_sum bigint DEFAULT 0 NOT NULL,
    total_score_sum bigint DEFAULT 0 NOT NULL,
    fingerprint_hi bigint DEFAULT 0 NOT NULL,
    fingerprint_lo bigint DEFAULT 0 NOT NULL,
    duration_values integer[] NOT NULL,
    duration_counts integer[] NOT NULL,
    contact_ids uuid[] NOT NULL,
    CONSTRAINT quarter_rollups_bucket_start_check CHECK ((bucket_start = date_bin('00:15:00'::interval, bucket_start, '2000-01-01 00:00:00+00'::timestamp with time zone)))
)
WITH (fillfactor='80');

CREATE TABLE tally.queue_caps (
    queue text NOT NULL,
    tenant_cap integer NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT queue_caps_tenant_cap_check CHECK ((tenant_cap > 0))
);

COMMENT ON TABLE tally.queue_caps IS 'Jobs of one tenant that may run at once in a queue, over all processes.';

CREATE TABLE tally.rollup_buckets (
    user_id uuid NOT NULL,
    tier smallint NOT NULL,
    bucket_start timestamp with time zone NOT NULL,
    generation bigint DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    last_error text,
    CONSTRAINT rollup_buckets_error_check CHECK (((failures = 0) = (last_error IS NULL))),
    CONSTRAINT rollup_buckets_failures_check CHECK ((failures >= 0))
)
WITH (fillfactor='50');

COMMENT ON COLUMN tally.rollup_buckets.not_before IS 'Marks of this bucket wait until then: after a recomputation for some times what it cost, after a failure for longer each time.';

COMMENT ON COLUMN tally.rollup_buckets.failures IS 'Recomputations that failed since the last one that did not.';

CREATE SEQUENCE tally.rollup_mark_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE tally.rollup_marks (
    user_id uuid NOT NULL,
    seq bigint DEFAULT nextval('tally.rollup_mark_seq'::regclass) NOT NULL,
    tier smallint NOT NULL,
    bucket_start timestamp with time zone NOT NULL,
    marked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    trace text DEFAULT NULLIF(current_setting('tally.trace'::text, true), ''::text),
    CONSTRAINT rollup_marks_tier_check CHECK (((tier >= 0) AND (tier <= 3)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

COMMENT ON COLUMN tally.rollup_marks.trace IS 'W3C traceparent of what changed the bucket''s inputs, while spans are exported.';

CREATE TABLE tally.schedule_fires (
    schedule text NOT NULL,
    fire_at timestamp with time zone NOT NULL,
    job_id bigint,
    outcome text NOT NULL,
    fired_at timestamp with time zone NOT NULL,
    fire_id bigint NOT NULL,
    manual boolean DEFAULT false NOT NULL,
    CONSTRAINT schedule_fires_check CHECK (((outcome = 'enqueued'::text) = (job_id IS NOT NULL))),
    CONSTRAINT schedule_fires_manual_check CHECK (((NOT manual) OR (outcome = 'enqueued'::text))),
    CONSTRAINT schedule_fires_outcome_check CHECK ((outcome = ANY (ARRAY['enqueued'::text, 'skipped_missed'::text, 'skipped_overlap'::text, 'skipped_paused'::text])))
);

COMMENT ON TABLE tally.schedule_fires IS 'Every time a schedule came due, once, and every run by hand; the row and its job are inserted by one transaction.';

CREATE SEQUENCE tally.schedule_fires_fire_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE tally.schedule_fires_fire_id_seq OWNED BY tally.schedule_fires.fire_id;

CREATE TABLE tally.schedules (
    name text NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    max_attempts integer NOT NULL,
    cron text NOT NULL,
    timezone text NOT NULL,
    payload jsonb NOT NULL,
    missed text NOT NULL,
    overlap text NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    next_fire_at timestamp with time zone,
    updated_at timestamp with time zone NOT NULL,
    catch_up_max integer,
    catch_up_within_seconds integer,
    gap text DEFAULT 'next'::text NOT NULL,
    fold text DEFAULT 'auto'::text NOT NULL,
    jitter_seconds integer DEFAULT 0 NOT NULL,
    paused_at timestamp with time zone,
    paused_reason text,
    CONSTRAINT schedules_catch_up_max_check CHECK ((catch_up_max > 0)),
    CONSTRAINT schedules_catch_up_within_seconds_check CHECK ((catch_up_within_seconds > 0)),
    CONSTRAINT schedules_fold_check CHECK ((fold = ANY (ARRAY['auto'::text, 'first'::text, 'second'::text, 'both'::text]))),
    CONSTRAINT schedules_gap_check CHECK ((gap = ANY (ARRAY['next'::text, 'skip'::text]))),
    CONSTRAINT schedules_jitter_seconds_check CHECK (((jitter_seconds >= 0) AND (jitter_seconds <= 86400))),
    CONSTRAINT schedules_max_attempts_check CHECK ((max_attempts > 0)),
    CONSTRAINT schedules_missed_check CHECK ((missed = ANY (ARRAY['skip'::text, 'coalesce'::text, 'catch_up'::text]))),
    CONSTRAINT schedules_overlap_check CHECK ((overlap = ANY (ARRAY['allow'::text, 'skip'::text, 'queue'::text]))),
    CONSTRAINT schedules_paused_check CHECK (((paused = (paused_at IS NOT NULL)) AND (paused = (paused_reason IS NOT NULL)))),
    CONSTRAINT schedules_priority_check CHECK (((priority >= 0) AND (priority <= 3)))
);

COMMENT ON COLUMN tally.schedules.next_fire_at IS 'Null when the expression names no time that will ever come.';

COMMENT ON COLUMN tally.schedules.catch_up_max IS 'Of missed fires that are caught up at most so many, the newest; null: all.';

COMMENT ON COLUMN tally.schedules.catch_up_within_seconds IS 'Missed fires older than this are not caught up; null: however old.';

CREATE TABLE tally.service_exporter (
    only_row boolean NOT NULL,
    process_id uuid NOT NULL,
    label text NOT NULL,
    held_until timestamp with time zone NOT NULL,
    CONSTRAINT service_exporter_only_row_check CHECK (only_row)
);

COMMENT ON TABLE tally.service_exporter IS 'The process that exports the service metrics, until a moment; then any other one may take it.';

CREATE TABLE tally.spools (
    spool_id uuid NOT NULL,
    label text NOT NULL,
    events bigint NOT NULL,
    bytes bigint NOT NULL,
    oldest_received_at timestamp with time zone NOT NULL,
    noted_at timestamp with time zone NOT NULL,
    CONSTRAINT spools_bytes_check CHECK ((bytes > 0)),
    CONSTRAINT spools_events_check CHECK ((events > 0))
);

COMMENT ON TABLE tally.spools IS 'Spools that are not empty, as far as the database was told: figures lag behind the oldest event of any. The row goes when the spool is drained.';

CREATE TABLE tally.user_emails (
    email_lower character varying(255) NOT NULL,
    user_id uuid NOT NULL,
    CONSTRAINT user_emails_email_lower_check CHECK (((email_lower)::text = lower((email_lower)::text)))
);

CREATE TABLE tally.zone_holds (
    user_id uuid NOT NULL
);

COMMENT ON TABLE tally.zone_holds IS 'One row a tenant. A roll-up holds it FOR KEY SHARE and passes the tenant over when it cannot; who changes the tenant''s zone or its calendar holds it FOR UPDATE. Apart from users, so that neither calls nor charges wait.';

CREATE TABLE tally.zone_offsets (
    zone text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    utc_offset interval NOT NULL,
    CONSTRAINT zone_offsets_check CHECK ((period_start < period_end))
);

COMMENT ON TABLE tally.zone_offsets IS 'Periods [period_start, period_end) during which a zone''s offset from UTC is constant.';

CREATE TABLE tally.zones (
    zone text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY tally.job_history ATTACH PARTITION tally.job_history_other DEFAULT;

ALTER TABLE ONLY tally.dead_jobs ALTER COLUMN dead_id SET DEFAULT nextval('tally.dead_jobs_id_seq'::regclass);

ALTER TABLE ONLY tally.jobs ALTER COLUMN id SET DEFAULT nextval('tally.jobs_id_seq'::regclass);

ALTER TABLE ONLY tally.schedule_fires ALTER COLUMN fire_id SET DEFAULT nextval('tally.schedule_fires_fire_id_seq'::regclass);

ALTER TABLE ONLY public.admin_audit_log
    ADD CONSTRAINT admin_audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agent_analytics
    ADD CONSTRAINT agent_analytics_pkey PRIMARY KEY (user_id, agent_id, grain, bucket_start);

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_user_id_bolna_agent_id_key UNIQUE (user_id, bolna_agent_id);

ALTER TABLE ONLY public.call_analytics_cache
    ADD CONSTRAINT call_analytics_cache_pkey PRIMARY KEY (user_id, period_type, date_period);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_user_id_bolna_execution_id_key UNIQUE (user_id, bolna_execution_id);

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_user_id_phone_e164_key UNIQUE (user_id, phone_e164);

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_user_id_phone_number_key UNIQUE (user_id, phone_number);

ALTER TABLE ONLY public.credit_transactions
    ADD CONSTRAINT credit_transactions_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.credit_transactions
    ADD CONSTRAINT credit_transactions_user_id_call_id_charge_no_key UNIQUE (user_id, call_id, charge_no);

ALTER TABLE ONLY public.credit_transactions
    ADD CONSTRAINT credit_transactions_user_id_idempotency_key_key UNIQUE (user_id, idempotency_key);

ALTER TABLE ONLY public.credit_transactions
    ADD CONSTRAINT credit_transactions_user_id_stripe_payment_id_key UNIQUE (user_id, stripe_payment_id);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_user_id_contact_id_key UNIQUE (user_id, contact_id);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_user_id_customer_reference_number_key UNIQUE (user_id, customer_reference_number);

ALTER TABLE ONLY public.dashboard_cache
    ADD CONSTRAINT dashboard_cache_pkey PRIMARY KEY (user_id, cache_key);

ALTER TABLE ONLY public.follow_ups
    ADD CONSTRAINT follow_ups_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.lead_analytics
    ADD CONSTRAINT lead_analytics_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.login_attempts
    ADD CONSTRAINT login_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.password_reset_attempts
    ADD CONSTRAINT password_reset_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_bolna_phone_number_id_key UNIQUE (bolna_phone_number_id);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.system_config
    ADD CONSTRAINT system_config_config_key_key UNIQUE (config_key);

ALTER TABLE ONLY public.system_config
    ADD CONSTRAINT system_config_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.transcripts
    ADD CONSTRAINT transcripts_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.transcripts
    ADD CONSTRAINT transcripts_user_id_call_id_key UNIQUE (user_id, call_id);

ALTER TABLE ONLY public.twilio_processed_calls
    ADD CONSTRAINT twilio_processed_calls_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.twilio_processed_calls
    ADD CONSTRAINT twilio_processed_calls_user_id_twilio_call_sid_key UNIQUE (user_id, twilio_call_sid);

ALTER TABLE ONLY public.user_analytics
    ADD CONSTRAINT user_analytics_pkey PRIMARY KEY (user_id, grain, bucket_start);

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_user_id_refresh_token_hash_key UNIQUE (user_id, refresh_token_hash);

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_user_id_token_hash_key UNIQUE (user_id, token_hash);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tally.analysis_settings
    ADD CONSTRAINT analysis_settings_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY tally.analysis_spend
    ADD CONSTRAINT analysis_spend_pkey PRIMARY KEY (user_id, spent_on);

ALTER TABLE ONLY tally.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY tally.audit_differences
    ADD CONSTRAINT audit_differences_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY tally.backfill_units
    ADD CONSTRAINT backfill_units_pkey PRIMARY KEY (user_id, backfill_id, from_time);

ALTER TABLE ONLY tally.backfills
    ADD CONSTRAINT backfills_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tally.calendar
    ADD CONSTRAINT calendar_pkey PRIMARY KEY (zone, grain, bucket_start);

ALTER TABLE ONLY tally.call_aliases
    ADD CONSTRAINT call_aliases_pkey PRIMARY KEY (user_id, call_sid);

ALTER TABLE ONLY tally.call_analyses
    ADD CONSTRAINT call_analyses_pkey PRIMARY KEY (user_id, call_id);

ALTER TABLE ONLY tally.call_attempts
    ADD CONSTRAINT call_attempts_pkey PRIMARY KEY (user_id, call_id, attempt);

ALTER TABLE ONLY tally.call_events
    ADD CONSTRAINT call_events_pkey PRIMARY KEY (user_id, call_id, provider, body_sha256);

ALTER TABLE ONLY tally.call_legs
    ADD CONSTRAINT call_legs_pkey PRIMARY KEY (user_id, call_id, leg_key);

ALTER TABLE ONLY tally.contact_analyses
    ADD CONSTRAINT contact_analyses_pkey PRIMARY KEY (user_id, contact_id);

ALTER TABLE ONLY tally.contact_archive
    ADD CONSTRAINT contact_archive_pkey PRIMARY KEY (user_id, contact_id);

ALTER TABLE ONLY tally.customer_counters
    ADD CONSTRAINT customer_counters_pkey PRIMARY KEY (user_id, year);

ALTER TABLE ONLY tally.dead_jobs
    ADD CONSTRAINT dead_jobs_pkey PRIMARY KEY (dead_id);

ALTER TABLE ONLY tally.endpoints
    ADD CONSTRAINT endpoints_pkey PRIMARY KEY (endpoint);

ALTER TABLE ONLY tally.history_files
    ADD CONSTRAINT history_files_pkey PRIMARY KEY (user_id, month_start);

ALTER TABLE ONLY tally.history_horizons
    ADD CONSTRAINT history_horizons_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY tally.inbox_pending
    ADD CONSTRAINT inbox_pending_pkey PRIMARY KEY (user_id, inbox_id);

ALTER TABLE ONLY tally.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY tally.inbox
    ADD CONSTRAINT inbox_user_id_provider_body_sha256_key UNIQUE (user_id, provider, body_sha256);

ALTER TABLE ONLY tally.job_keys
    ADD CONSTRAINT job_keys_pkey PRIMARY KEY (kind, tenant, key);

ALTER TABLE ONLY tally.job_leases
    ADD CONSTRAINT job_leases_pkey PRIMARY KEY (lease_id);

ALTER TABLE ONLY tally.job_permits
    ADD CONSTRAINT job_permits_pkey PRIMARY KEY (queue, tenant, slot);

ALTER TABLE ONLY tally.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tally.lanes
    ADD CONSTRAINT lanes_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY tally.lead_marks
    ADD CONSTRAINT lead_marks_pkey PRIMARY KEY (user_id, seq);

ALTER TABLE ONLY tally.notification_deliveries
    ADD CONSTRAINT notification_deliveries_pkey PRIMARY KEY (user_id, notification_id, endpoint_id);

ALTER TABLE ONLY tally.notification_endpoints
    ADD CONSTRAINT notification_endpoints_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY tally.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY tally.notifications
    ADD CONSTRAINT notifications_user_id_idempotency_key_key UNIQUE (user_id, idempotency_key);

ALTER TABLE ONLY tally.paused_kinds
    ADD CONSTRAINT paused_kinds_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY tally.paused_queues
    ADD CONSTRAINT paused_queues_pkey PRIMARY KEY (queue);

ALTER TABLE ONLY tally.provider_accounts
    ADD CONSTRAINT provider_accounts_pkey PRIMARY KEY (user_id, provider);

ALTER TABLE ONLY tally.provider_checks
    ADD CONSTRAINT provider_checks_pkey PRIMARY KEY (user_id, provider, ref);

ALTER TABLE ONLY tally.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY tally.quarantine
    ADD CONSTRAINT quarantine_user_id_inbox_id_key UNIQUE (user_id, inbox_id);

ALTER TABLE ONLY tally.quarter_rollups
    ADD CONSTRAINT quarter_rollups_pkey PRIMARY KEY (user_id, bucket_start, agent_id);

ALTER TABLE ONLY tally.queue_caps
    ADD CONSTRAINT queue_caps_pkey PRIMARY KEY (queue);

ALTER TABLE ONLY tally.rollup_buckets
    ADD CONSTRAINT rollup_buckets_pkey PRIMARY KEY (user_id, tier, bucket_start);

ALTER TABLE ONLY tally.rollup_marks
    ADD CONSTRAINT rollup_marks_pkey PRIMARY KEY (user_id, seq);

ALTER TABLE ONLY tally.schedule_fires
    ADD CONSTRAINT schedule_fires_pkey PRIMARY KEY (schedule, fire_at, fire_id);

ALTER TABLE ONLY tally.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tally.service_exporter
    ADD CONSTRAINT service_exporter_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY tally.spools
    ADD CONSTRAINT spools_pkey PRIMARY KEY (spool_id);

ALTER TABLE ONLY tally.user_emails
    ADD CONSTRAINT user_emails_pkey PRIMARY KEY (email_lower);

ALTER TABLE ONLY tally.user_emails
    ADD CONSTRAINT user_emails_user_id_key UNIQUE (user_id);

ALTER TABLE ONLY tally.zone_holds
    ADD CONSTRAINT zone_holds_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY tally.zone_offsets
    ADD CONSTRAINT zone_offsets_pkey PRIMARY KEY (zone, period_start);

ALTER TABLE ONLY tally.zones
    ADD CONSTRAINT zones_pkey PRIMARY KEY (zone);

CREATE INDEX admin_audit_log_admin_idx ON public.admin_audit_log USING btree (admin_user_id, created_at);

CREATE INDEX admin_audit_log_created_at_idx ON public.admin_audit_log USING btree (created_at);

CREATE INDEX admin_audit_log_target_idx ON public.admin_audit_log USING btree (target_user_id, created_at);

CREATE INDEX agent_analytics_grain_idx ON public.agent_analytics USING btree (user_id, grain, bucket_start);

CREATE INDEX calls_agent_started_at_idx ON public.calls USING btree (user_id, agent_id, started_at);

CREATE INDEX calls_conflict_idx ON public.calls USING btree (user_id, started_at) WHERE (flags @> ARRAY['conflicting_terminals'::text]);

CREATE INDEX calls_contact_idx ON public.calls USING btree (user_id, contact_id, started_at) WHERE (contact_id IS NOT NULL);

CREATE INDEX calls_started_at_idx ON public.calls USING btree (user_id, started_at);

CREATE INDEX contacts_email_idx ON public.contacts USING btree (user_id, lower((email)::text)) WHERE (email IS NOT NULL);

CREATE INDEX contacts_last_contact_idx ON public.contacts USING btree (user_id, last_contact_at DESC, id DESC) WHERE (last_contact_at IS NOT NULL);

CREATE INDEX credit_transactions_entry_idx ON public.credit_transactions USING btree (user_id, entry_no DESC);

CREATE INDEX dashboard_cache_expires_idx ON public.dashboard_cache USING btree (expires_at);

CREATE UNIQUE INDEX follow_ups_analysis_key ON public.follow_ups USING btree (user_id, call_id) WHERE ((source)::text = 'analysis'::text);

CREATE INDEX follow_ups_date_idx ON public.follow_ups USING btree (user_id, follow_up_status, follow_up_date);

CREATE INDEX follow_ups_phone_e164_idx ON public.follow_ups USING btree (user_id, phone_e164) WHERE (phone_e164 IS NOT NULL);

CREATE INDEX follow_ups_phone_idx ON public.follow_ups USING btree (user_id, lead_phone);

CREATE INDEX follow_ups_to_remind_idx ON public.follow_ups USING btree (user_id, follow_up_date) WHERE (((follow_up_status)::text = 'pending'::text) AND (reminded_date IS DISTINCT FROM follow_up_date));

CREATE UNIQUE INDEX lead_analytics_complete_key ON public.lead_analytics USING btree (user_id, contact_id) WHERE ((analysis_type)::text = 'complete'::text);

CREATE UNIQUE INDEX lead_analytics_individual_key ON public.lead_analytics USING btree (user_id, call_id) WHERE ((analysis_type)::text = 'individual'::text);

CREATE INDEX lead_analytics_score_idx ON public.lead_analytics USING btree (user_id, total_score DESC, contact_id DESC) WHERE (((analysis_type)::text = 'complete'::text) AND (total_score IS NOT NULL));

CREATE INDEX login_attempts_attempted_at_idx ON public.login_attempts USING btree (attempted_at);

CREATE INDEX login_attempts_email_idx ON public.login_attempts USING btree (email, attempted_at);

CREATE INDEX login_attempts_ip_idx ON public.login_attempts USING btree (ip_address, attempted_at);

CREATE INDEX password_reset_attempts_attempted_at_idx ON public.password_reset_attempts USING btree (attempted_at);

CREATE INDEX password_reset_attempts_email_idx ON public.password_reset_attempts USING btree (email, attempted_at);

CREATE INDEX password_reset_attempts_ip_idx ON public.password_reset_attempts USING btree (ip_address, attempted_at);

CREATE UNIQUE INDEX phone_numbers_active_e164_key ON public.phone_numbers USING btree (phone_e164) WHERE is_active;

CREATE UNIQUE INDEX phone_numbers_active_number_key ON public.phone_numbers USING btree (phone_number) WHERE is_active;

CREATE INDEX phone_numbers_user_idx ON public.phone_numbers USING btree (assigned_to_user_id);

CREATE INDEX twilio_processed_calls_processed_at_idx ON public.twilio_processed_calls USING btree (user_id, processed_at);

CREATE UNIQUE INDEX user_kpi_summary_user_key ON public.user_kpi_summary USING btree (user_id);

CREATE INDEX user_sessions_expiry_idx ON public.user_sessions USING btree (user_id, GREATEST(expires_at, refresh_expires_at));

CREATE INDEX audit_differences_bucket_idx ON tally.audit_differences USING btree (user_id, tier, bucket_start);

CREATE INDEX audit_differences_detected_at_idx ON tally.audit_differences USING btree (detected_at);

CREATE INDEX backfill_units_next_idx ON tally.backfill_units USING btree (backfill_id, state, to_time DESC, user_id);

CREATE INDEX backfills_running_idx ON tally.backfills USING btree (id) WHERE (state = 'running'::text);

CREATE INDEX call_aliases_call_idx ON tally.call_aliases USING btree (user_id, call_id);

CREATE INDEX call_analyses_claimed_idx ON tally.call_analyses USING btree (user_id, claimed_until) WHERE (state = 'claimed'::text);

CREATE INDEX call_analyses_pending_idx ON tally.call_analyses USING btree (user_id, not_before, call_id) WHERE (state = 'pending'::text);

CREATE INDEX call_legs_key_idx ON tally.call_legs USING btree (user_id, leg_key);

CREATE INDEX contact_analyses_claimed_idx ON tally.contact_analyses USING btree (user_id, claimed_until) WHERE (state = 'claimed'::text);

CREATE INDEX contact_analyses_pending_idx ON tally.contact_analyses USING btree (user_id, not_before, contact_id) WHERE (state = 'pending'::text);

CREATE INDEX dead_jobs_job ON tally.dead_jobs USING btree (job_id);

CREATE INDEX dead_jobs_kind ON tally.dead_jobs USING btree (kind, dead_at);

CREATE INDEX endpoints_user_idx ON tally.endpoints USING btree (user_id);

CREATE INDEX inbox_pending_received_idx ON tally.inbox_pending USING btree (received_at);

CREATE INDEX inbox_pending_wait_idx ON tally.inbox_pending USING btree (user_id, wait_key) WHERE (state = 'waiting'::text);

CREATE INDEX inbox_received_idx ON tally.inbox USING brin (received_at) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX job_history_job ON ONLY tally.job_history USING btree (job_id);

CREATE INDEX job_history_unsuccessful ON ONLY tally.job_history USING btree (finished_at, job_id, claim) WHERE (outcome <> 'succeeded'::text);

CREATE INDEX job_history_other_finished_at_job_id_claim_idx ON tally.job_history_other USING btree (finished_at, job_id, claim) WHERE (outcome <> 'succeeded'::text);

CREATE INDEX job_history_other_job_id_idx ON tally.job_history_other USING btree (job_id);

CREATE INDEX job_keys_expiry ON tally.job_keys USING btree (expires_at) WHERE (expires_at IS NOT NULL);

CREATE UNIQUE INDEX jobs_coalesced ON tally.jobs USING btree (kind, user_id, coalesce_key) NULLS NOT DISTINCT WHERE (coalesce_key IS NOT NULL);

CREATE INDEX jobs_lanes ON tally.jobs USING btree (queue, priority, COALESCE(user_id, '00000000-0000-0000-0000-000000000000'::uuid), kind, run_at, id);

CREATE INDEX jobs_to_cancel ON tally.jobs USING btree (id) WHERE (cancel_requested_at IS NOT NULL);

CREATE INDEX lead_marks_contact_idx ON tally.lead_marks USING btree (user_id, contact_id);

CREATE INDEX lead_marks_seq_idx ON tally.lead_marks USING btree (seq);

CREATE INDEX notification_deliveries_claimed_idx ON tally.notification_deliveries USING btree (user_id, endpoint_id, claimed_until) WHERE (claimed_until IS NOT NULL);

CREATE INDEX notification_deliveries_due_idx ON tally.notification_deliveries USING btree (user_id, endpoint_id, not_before) WHERE (state = 'pending'::text);

CREATE INDEX notification_deliveries_failed_idx ON tally.notification_deliveries USING btree (user_id, endpoint_id) WHERE (state = ANY (ARRAY['failed'::text, 'cancelled'::text]));

CREATE INDEX notifications_waiting_idx ON tally.notifications USING btree (user_id, created_at) WHERE (NOT is_handed_out);

CREATE INDEX provider_checks_checked_at_idx ON tally.provider_checks USING btree (checked_at);

CREATE INDEX quarantine_created_idx ON tally.quarantine USING btree (user_id, created_at);

CREATE INDEX quarantine_wait_idx ON tally.quarantine USING btree (user_id, reason, wait_key) WHERE (wait_key IS NOT NULL);

CREATE INDEX rollup_buckets_failing_idx ON tally.rollup_buckets USING btree (user_id, tier) WHERE (failures > 0);

CREATE INDEX rollup_marks_bucket_idx ON tally.rollup_marks USING btree (user_id, tier, bucket_start);

CREATE INDEX rollup_marks_marked_at_idx ON tally.rollup_marks USING btree (marked_at);

CREATE UNIQUE INDEX schedule_fires_clock ON tally.schedule_fires USING btree (schedule, fire_at) WHERE (NOT manual);

CREATE INDEX schedule_fires_job ON tally.schedule_fires USING btree (job_id) WHERE (job_id IS NOT NULL);

ALTER INDEX tally.job_history_unsuccessful ATTACH PARTITION tally.job_history_other_finished_at_job_id_claim_idx;

ALTER INDEX tally.job_history_job ATTACH PARTITION tally.job_history_other_job_id_idx;

CREATE TRIGGER agents_touch BEFORE UPDATE ON public.agents FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER call_analytics_cache_touch BEFORE UPDATE ON public.call_analytics_cache FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER calls_contacts_deleted AFTER DELETE ON public.calls REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.count_contacts();

CREATE TRIGGER calls_contacts_inserted AFTER INSERT ON public.calls REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.count_contacts();

CREATE TRIGGER calls_contacts_truncated AFTER TRUNCATE ON public.calls FOR EACH STATEMENT EXECUTE FUNCTION tally.recount_all_contacts();

CREATE TRIGGER calls_contacts_updated AFTER UPDATE ON public.calls REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.count_contacts();

CREATE TRIGGER calls_frozen_deleted AFTER DELETE ON public.calls REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_calls();

CREATE TRIGGER calls_frozen_inserted AFTER INSERT ON public.calls REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_calls();

CREATE TRIGGER calls_frozen_updated AFTER UPDATE ON public.calls REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_calls();

CREATE TRIGGER calls_keep_charged AFTER DELETE ON public.calls FOR EACH ROW EXECUTE FUNCTION tally.keep_charged_call();

CREATE TRIGGER calls_mark_deleted AFTER DELETE ON public.calls REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_calls_deleted();

CREATE TRIGGER calls_mark_inserted AFTER INSERT ON public.calls REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_calls_inserted();

CREATE TRIGGER calls_mark_truncated AFTER TRUNCATE ON public.calls FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_truncated();

CREATE TRIGGER calls_mark_updated AFTER UPDATE ON public.calls REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_calls_updated();

CREATE TRIGGER calls_note_deleted AFTER DELETE ON public.calls REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_calls();

CREATE TRIGGER calls_note_updated AFTER UPDATE ON public.calls REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_calls();

CREATE TRIGGER calls_touch BEFORE UPDATE ON public.calls FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER contacts_note_updated AFTER UPDATE ON public.contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts();

CREATE TRIGGER contacts_touch BEFORE UPDATE ON public.contacts FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER credit_transactions_call_inserted AFTER INSERT ON public.credit_transactions FOR EACH ROW WHEN ((new.call_id IS NOT NULL)) EXECUTE FUNCTION tally.check_charged_call();

CREATE TRIGGER credit_transactions_call_updated AFTER UPDATE OF user_id, call_id ON public.credit_transactions FOR EACH ROW WHEN ((new.call_id IS NOT NULL)) EXECUTE FUNCTION tally.check_charged_call();

CREATE TRIGGER credit_transactions_low_credit AFTER INSERT ON public.credit_transactions REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION tally.settle_low_credit();

CREATE TRIGGER customers_last_interaction BEFORE INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION tally.take_last_interaction();

CREATE TRIGGER customers_reference BEFORE INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION tally.assign_customer_reference();

CREATE TRIGGER customers_touch BEFORE UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER dashboard_cache_touch BEFORE UPDATE ON public.dashboard_cache FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER follow_ups_touch BEFORE UPDATE ON public.follow_ups FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER lead_analytics_touch BEFORE UPDATE ON public.lead_analytics FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER leads_frozen_deleted AFTER DELETE ON public.lead_analytics REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_leads();

CREATE TRIGGER leads_frozen_inserted AFTER INSERT ON public.lead_analytics REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_leads();

CREATE TRIGGER leads_frozen_updated AFTER UPDATE ON public.lead_analytics REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_leads();

CREATE TRIGGER leads_mark_deleted AFTER DELETE ON public.lead_analytics REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_leads_changed();

CREATE TRIGGER leads_mark_inserted AFTER INSERT ON public.lead_analytics REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_leads_changed();

CREATE TRIGGER leads_mark_truncated AFTER TRUNCATE ON public.lead_analytics FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_truncated();

CREATE TRIGGER leads_mark_updated AFTER UPDATE ON public.lead_analytics REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_leads_changed();

CREATE TRIGGER leads_note_deleted AFTER DELETE ON public.lead_analytics REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_leads();

CREATE TRIGGER leads_note_inserted AFTER INSERT ON public.lead_analytics REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_leads();

CREATE TRIGGER leads_note_updated AFTER UPDATE ON public.lead_analytics REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.mark_contacts_of_leads();

CREATE TRIGGER phone_numbers_touch BEFORE UPDATE ON public.phone_numbers FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER system_config_touch BEFORE UPDATE ON public.system_config FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER transcripts_touch BEFORE UPDATE ON public.transcripts FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER users_forget AFTER DELETE ON public.users REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.forget_tenants();

CREATE TRIGGER users_forget_audit AFTER DELETE ON public.users REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.forget_audit();

CREATE TRIGGER users_forget_leads AFTER DELETE ON public.users REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.forget_lead_marks();

CREATE TRIGGER users_open_ledger AFTER INSERT ON public.users FOR EACH ROW WHEN ((new.credits_micros <> 0)) EXECUTE FUNCTION tally.open_ledger();

CREATE TRIGGER users_requalify AFTER UPDATE OF score_scale, dimension_scale, hot_threshold_percent, warm_threshold_percent, cold_threshold_percent ON public.users FOR EACH ROW WHEN ((((((old.score_scale IS DISTINCT FROM new.score_scale) OR (old.dimension_scale IS DISTINCT FROM new.dimension_scale)) OR (old.hot_threshold_percent IS DISTINCT FROM new.hot_threshold_percent)) OR (old.warm_threshold_percent IS DISTINCT FROM new.warm_threshold_percent)) OR (old.cold_threshold_percent IS DISTINCT FROM new.cold_threshold_percent))) EXECUTE FUNCTION tally.request_requalification();

CREATE TRIGGER users_touch BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TRIGGER users_zone BEFORE UPDATE OF timezone ON public.users FOR EACH ROW EXECUTE FUNCTION tally.refuse_bare_zone_change();

CREATE TRIGGER users_zone_hold AFTER INSERT ON public.users REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.add_zone_holds();

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_user_id_agent_id_fkey FOREIGN KEY (user_id, agent_id) REFERENCES public.agents(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_user_id_contact_id_fkey FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts(user_id, id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.credit_transactions
    ADD CONSTRAINT credit_transactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_user_id_contact_id_fkey FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.follow_ups
    ADD CONSTRAINT follow_ups_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.follow_ups
    ADD CONSTRAINT follow_ups_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.lead_analytics
    ADD CONSTRAINT lead_analytics_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.lead_analytics
    ADD CONSTRAINT lead_analytics_user_id_contact_id_fkey FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.transcripts
    ADD CONSTRAINT transcripts_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.twilio_processed_calls
    ADD CONSTRAINT twilio_processed_calls_user_id_contact_id_fkey FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.twilio_processed_calls
    ADD CONSTRAINT twilio_processed_calls_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_timezone_fkey FOREIGN KEY (timezone) REFERENCES tally.zones(zone);

ALTER TABLE ONLY tally.analysis_settings
    ADD CONSTRAINT analysis_settings_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.analysis_spend
    ADD CONSTRAINT analysis_spend_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.api_tokens
    ADD CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.backfill_units
    ADD CONSTRAINT backfill_units_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.calendar
    ADD CONSTRAINT calendar_zone_fkey FOREIGN KEY (zone) REFERENCES tally.zones(zone) ON DELETE CASCADE;

ALTER TABLE ONLY tally.call_aliases
    ADD CONSTRAINT call_aliases_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.call_analyses
    ADD CONSTRAINT call_analyses_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.call_attempts
    ADD CONSTRAINT call_attempts_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.call_events
    ADD CONSTRAINT call_events_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.call_legs
    ADD CONSTRAINT call_legs_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.contact_analyses
    ADD CONSTRAINT contact_analyses_user_id_contact_id_fkey FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.contact_archive
    ADD CONSTRAINT contact_archive_user_id_contact_id_fkey FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.contact_archive
    ADD CONSTRAINT contact_archive_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.customer_counters
    ADD CONSTRAINT customer_counters_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.history_files
    ADD CONSTRAINT history_files_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.history_horizons
    ADD CONSTRAINT history_horizons_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.inbox_pending
    ADD CONSTRAINT inbox_pending_user_id_inbox_id_fkey FOREIGN KEY (user_id, inbox_id) REFERENCES tally.inbox(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.lanes
    ADD CONSTRAINT lanes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.notification_deliveries
    ADD CONSTRAINT notification_deliveries_user_id_endpoint_id_fkey FOREIGN KEY (user_id, endpoint_id) REFERENCES tally.notification_endpoints(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.notification_deliveries
    ADD CONSTRAINT notification_deliveries_user_id_notification_id_fkey FOREIGN KEY (user_id, notification_id) REFERENCES tally.notifications(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.notification_endpoints
    ADD CONSTRAINT notification_endpoints_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.notifications
    ADD CONSTRAINT notifications_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.provider_accounts
    ADD CONSTRAINT provider_accounts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.provider_checks
    ADD CONSTRAINT provider_checks_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.zone_holds
    ADD CONSTRAINT zone_holds_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY tally.zone_offsets
    ADD CONSTRAINT zone_offsets_zone_fkey FOREIGN KEY (zone) REFERENCES tally.zones(zone) ON DELETE CASCADE;

ALTER TABLE public.agent_analytics ENABLE ROW LEVEL SECURITY;

CREATE POLICY agent_analytics_api ON public.agent_analytics FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY agent_analytics_worker ON public.agent_analytics TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.agents ENABLE ROW LEVEL SECURITY;

CREATE POLICY agents_api ON public.agents FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY agents_worker ON public.agents TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.call_analytics_cache ENABLE ROW LEVEL SECURITY;

CREATE POLICY call_analytics_cache_api ON public.call_analytics_cache FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY call_analytics_cache_worker ON public.call_analytics_cache TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.calls ENABLE ROW LEVEL SECURITY;

CREATE POLICY calls_api ON public.calls FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY calls_worker ON public.calls TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.contacts ENABLE ROW LEVEL SECURITY;

CREATE POLICY contacts_api ON public.contacts FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY contacts_worker ON public.contacts TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.credit_transactions ENABLE ROW LEVEL SECURITY;

CREATE POLICY credit_transactions_api ON public.credit_transactions FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY credit_transactions_worker ON public.credit_transactions TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;

CREATE POLICY customers_api ON public.customers FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY customers_worker ON public.customers TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.dashboard_cache ENABLE ROW LEVEL SECURITY;

CREATE POLICY dashboard_cache_api ON public.dashboard_cache FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY dashboard_cache_worker ON public.dashboard_cache TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.follow_ups ENABLE ROW LEVEL SECURITY;

CREATE POLICY follow_ups_api ON public.follow_ups FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY follow_ups_worker ON public.follow_ups TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.lead_analytics ENABLE ROW LEVEL SECURITY;

CREATE POLICY lead_analytics_api ON public.lead_analytics FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY lead_analytics_worker ON public.lead_analytics TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.transcripts ENABLE ROW LEVEL SECURITY;

CREATE POLICY transcripts_api ON public.transcripts FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY transcripts_worker ON public.transcripts TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.twilio_processed_calls ENABLE ROW LEVEL SECURITY;

CREATE POLICY twilio_processed_calls_api ON public.twilio_processed_calls FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY twilio_processed_calls_worker ON public.twilio_processed_calls TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.user_analytics ENABLE ROW LEVEL SECURITY;

CREATE POLICY user_analytics_api ON public.user_analytics FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY user_analytics_worker ON public.user_analytics TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.user_sessions ENABLE ROW LEVEL SECURITY;

CREATE POLICY user_sessions_worker ON public.user_sessions TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

CREATE POLICY users_api ON public.users FOR SELECT TO tallyline_api USING ((id = public.current_tenant()));

CREATE POLICY users_worker ON public.users TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE tally.contact_archive ENABLE ROW LEVEL SECURITY;

CREATE POLICY contact_archive_api ON tally.contact_archive FOR SELECT TO tallyline_api USING ((user_id = public.current_tenant()));

CREATE POLICY contact_archive_worker ON tally.contact_archive TO tallyline_worker USING (true) WITH CHECK (true);

GRANT ALL ON SCHEMA public TO tallyline_owner;

GRANT USAGE ON SCHEMA tally TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.absorb_call(tenant uuid, absorbed uuid, into_call uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.absorb_call(tenant uuid, absorbed uuid, into_call uuid) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.add_zone_holds() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.add_zone_holds() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.assign_customer_reference() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.assign_customer_reference() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.calendar_end() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.calendar_end() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.calendar_start() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.calendar_start() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.change_zone(tenant uuid, zone_name text, OUT before text, OUT marks bigint, OUT marks_while_held bigint, OUT held_seconds double precision, OUT row_locked_seconds double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.change_zone(tenant uuid, zone_name text, OUT before text, OUT marks bigint, OUT marks_while_held bigint, OUT held_seconds double precision, OUT row_locked_seconds double precision) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.changed_ranges(zone_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.changed_ranges(zone_name text) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.check_charged_call() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.check_charged_call() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.count_calls(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.count_calls(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.count_contacts() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.count_contacts() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.derive_buckets(zone_name text, first_instant timestamp with time zone, last_instant timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.derive_buckets(zone_name text, first_instant timestamp with time zone, last_instant timestamp with time zone) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.derive_offsets(zone_name text, first_instant timestamp with time zone, last_instant timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.derive_offsets(zone_name text, first_instant timestamp with time zone, last_instant timestamp with time zone) TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.jobs TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.enqueue_job(kind text, payload jsonb, user_id uuid, run_after interval, queue text, priority integer, max_attempts integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.enqueue_job(kind text, payload jsonb, user_id uuid, run_after interval, queue text, priority integer, max_attempts integer) TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.job_keys TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.jobs_id_seq TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.enqueue_unique_job(kind text, key text, scope text, for_at_most interval, payload jsonb, user_id uuid, run_after interval, queue text, priority integer, max_attempts integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.enqueue_unique_job(kind text, key text, scope text, for_at_most interval, payload jsonb, user_id uuid, run_after interval, queue text, priority integer, max_attempts integer) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.ensure_zone(zone_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.ensure_zone(zone_name text) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.erase_tenant(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.erase_tenant(tenant uuid) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.exact_analytics(tenant uuid, bucket_grain text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.exact_analytics(tenant uuid, bucket_grain text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, at_most integer) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.export_rows(tenant uuid, from_table text) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.export_rows(tenant uuid, from_table text) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.fingerprint(fields text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.fingerprint(fields text[]) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.fingerprint_hi(digest text) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.fingerprint_hi(digest text) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.fingerprint_lo(digest text) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.fingerprint_lo(digest text) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.forget_audit() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.forget_audit() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.forget_lead_marks() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.forget_lead_marks() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.forget_tenants() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.forget_tenants() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.frozen_before(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.frozen_before(tenant uuid) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.hold_tenants(tenants uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.hold_tenants(tenants uuid[]) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.hour_bucket(zone_name text, instant timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.hour_bucket(zone_name text, instant timestamp with time zone) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.hour_or_day_figures(tenant uuid, bucket_grain text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, exact boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.hour_or_day_figures(tenant uuid, bucket_grain text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, exact boolean) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.keep_charged_call() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.keep_charged_call() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.keep_job_history(days_ahead integer, keep_days integer, OUT made integer, OUT dropped integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.keep_job_history(days_ahead integer, keep_days integer, OUT made integer, OUT dropped integer) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.local_bucket(zone_name text, tier integer, instant timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.local_bucket(zone_name text, tier integer, instant timestamp with time zone) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.low_credit_levels() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.low_credit_levels() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_calls(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_calls(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_calls_deleted() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_calls_deleted() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_calls_inserted() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_calls_inserted() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_calls_updated() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_calls_updated() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_contacts() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_contacts() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_contacts_of_calls() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_contacts_of_calls() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_contacts_of_leads() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_contacts_of_leads() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_leads_changed() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_leads_changed() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_local_buckets(tenants uuid[], zone_name text, ranges tstzmultirange) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_local_buckets(tenants uuid[], zone_name text, ranges tstzmultirange) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.mark_truncated() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.mark_truncated() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.marked_quarters(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.marked_quarters(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, at_most integer) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.month_figures(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, exact boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.month_figures(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, exact boolean) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.move_contacts(tenants uuid[], contacts uuid[], busy integer[], no_answer integer[], failed integer[], unanswered integer[], last_before timestamp with time zone[], last_after timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.move_contacts(tenants uuid[], contacts uuid[], busy integer[], no_answer integer[], failed integer[], unanswered integer[], last_before timestamp with time zone[], last_after timestamp with time zone[]) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.open_ledger() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.open_ledger() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.percentile(vals integer[], counts integer[], fraction double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.percentile(vals integer[], counts integer[], fraction double precision) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.quarter_figures(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, marked timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.quarter_figures(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, marked timestamp with time zone[]) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.quarter_of(instant timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.quarter_of(instant timestamp with time zone) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.range_end(tenant uuid, bucket_grain text, to_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.range_end(tenant uuid, bucket_grain text, to_time timestamp with time zone) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.read_state(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.read_state(tenant uuid, from_time timestamp with time zone, to_time timestamp with time zone, at_most integer) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.recount_all_contacts() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.recount_all_contacts() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.recount_contacts(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.recount_contacts(tenant uuid) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.refresh_kpi_summary() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.refresh_kpi_summary() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.refresh_zone(zone_name text, OUT extended boolean, OUT changed tstzmultirange, OUT marks bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.refresh_zone(zone_name text, OUT extended boolean, OUT changed tstzmultirange, OUT marks bigint) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.refuse_bare_zone_change() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.refuse_bare_zone_change() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.refuse_frozen(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.refuse_frozen(tenant uuid) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.refuse_frozen_calls() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.refuse_frozen_calls() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.refuse_frozen_leads() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.refuse_frozen_leads() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.removing_frozen() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.removing_frozen() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.request_job(kind text, key text, user_id uuid, run_after interval, payload jsonb, queue text, priority integer, max_attempts integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.request_job(kind text, key text, user_id uuid, run_after interval, payload jsonb, queue text, priority integer, max_attempts integer) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.request_requalification() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.request_requalification() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.settle_low_credit() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.settle_low_credit() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.store_zone(zone_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.store_zone(zone_name text) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.stored_figures(tenant uuid, bucket_grain text, local_zone text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, other_than timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tally.stored_figures(tenant uuid, bucket_grain text, local_zone text, from_time timestamp with time zone, to_time timestamp with time zone, by_agent boolean, with_sets boolean, other_than timestamp with time zone[]) TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.take_last_interaction() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.take_last_interaction() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.tenant_tables() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.tenant_tables() TO tallyline_worker;

REVOKE ALL ON FUNCTION tally.touch_updated_at() FROM PUBLIC;
GRANT ALL ON FUNCTION tally.touch_updated_at() TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.admin_audit_log TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agent_analytics TO tallyline_worker;
GRANT SELECT ON TABLE public.agent_analytics TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agents TO tallyline_worker;
GRANT SELECT ON TABLE public.agents TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.call_analytics_cache TO tallyline_worker;
GRANT SELECT ON TABLE public.call_analytics_cache TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.calls TO tallyline_worker;
GRANT SELECT ON TABLE public.calls TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.contacts TO tallyline_worker;
GRANT SELECT ON TABLE public.contacts TO tallyline_api;

GRANT SELECT,USAGE ON SEQUENCE tally.credit_entry_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.credit_transactions TO tallyline_worker;
GRANT SELECT ON TABLE public.credit_transactions TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.customers TO tallyline_worker;
GRANT SELECT ON TABLE public.customers TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.lead_analytics TO tallyline_worker;
GRANT SELECT ON TABLE public.lead_analytics TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.contact_archive TO tallyline_worker;
GRANT SELECT ON TABLE tally.contact_archive TO tallyline_api;

GRANT SELECT ON TABLE public.customer_figures TO tallyline_worker;
GRANT SELECT ON TABLE public.customer_figures TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.dashboard_cache TO tallyline_worker;
GRANT SELECT ON TABLE public.dashboard_cache TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.follow_ups TO tallyline_worker;
GRANT SELECT ON TABLE public.follow_ups TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.login_attempts TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_analytics TO tallyline_worker;
GRANT SELECT ON TABLE public.user_analytics TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.users TO tallyline_worker;

GRANT SELECT(id) ON TABLE public.users TO tallyline_api;

GRANT SELECT(email) ON TABLE public.users TO tallyline_api;

GRANT SELECT(name) ON TABLE public.users TO tallyline_api;

GRANT SELECT(credits_micros) ON TABLE public.users TO tallyline_api;

GRANT SELECT(credits) ON TABLE public.users TO tallyline_api;

GRANT SELECT(is_active) ON TABLE public.users TO tallyline_api;

GRANT SELECT(created_at) ON TABLE public.users TO tallyline_api;

GRANT SELECT(updated_at) ON TABLE public.users TO tallyline_api;

GRANT SELECT(role) ON TABLE public.users TO tallyline_api;

GRANT SELECT(company) ON TABLE public.users TO tallyline_api;

GRANT SELECT(website) ON TABLE public.users TO tallyline_api;

GRANT SELECT(location) ON TABLE public.users TO tallyline_api;

GRANT SELECT(bio) ON TABLE public.users TO tallyline_api;

GRANT SELECT(phone) ON TABLE public.users TO tallyline_api;

GRANT SELECT(last_login) ON TABLE public.users TO tallyline_api;

GRANT SELECT(timezone) ON TABLE public.users TO tallyline_api;

GRANT SELECT(currency) ON TABLE public.users TO tallyline_api;

GRANT SELECT(default_country_code) ON TABLE public.users TO tallyline_api;

GRANT SELECT(score_scale) ON TABLE public.users TO tallyline_api;

GRANT SELECT(dimension_scale) ON TABLE public.users TO tallyline_api;

GRANT SELECT(hot_threshold_percent) ON TABLE public.users TO tallyline_api;

GRANT SELECT(warm_threshold_percent) ON TABLE public.users TO tallyline_api;

GRANT SELECT(cold_threshold_percent) ON TABLE public.users TO tallyline_api;

GRANT SELECT(billing_pulse_seconds) ON TABLE public.users TO tallyline_api;

GRANT SELECT(credits_per_minute_micros) ON TABLE public.users TO tallyline_api;

GRANT SELECT(low_credit_level) ON TABLE public.users TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.calendar TO tallyline_worker;

GRANT SELECT ON TABLE public.user_kpi_summary TO tallyline_worker;

GRANT SELECT ON TABLE public.my_kpi_summary TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.password_reset_attempts TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.phone_numbers TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.system_config TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.transcripts TO tallyline_worker;
GRANT SELECT ON TABLE public.transcripts TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.twilio_processed_calls TO tallyline_worker;
GRANT SELECT ON TABLE public.twilio_processed_calls TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_daily_analytics TO tallyline_worker;
GRANT SELECT ON TABLE public.user_daily_analytics TO tallyline_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_sessions TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.analysis_claim_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.analysis_settings TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.analysis_spend TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.analysis_turn_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.api_tokens TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.audit_differences TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.backfill_units TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.backfills TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.call_aliases TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.call_analyses TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.call_attempts TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.call_events TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.call_legs TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.call_metrics TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.contact_analyses TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.customer_counters TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.dead_jobs TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.dead_jobs_id_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.endpoints TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.history_files TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.history_horizons TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.inbox_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.inbox TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.inbox_pending TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.job_history TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.job_history_other TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.job_leases TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.job_permits TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.lane_turn_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.lanes TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.lead_mark_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.lead_marks TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.notification_deliveries TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.notification_endpoints TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.notification_turn_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.notifications TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.paused_kinds TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.paused_queues TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.provider_accounts TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.provider_checks TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.quarantine_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.quarantine TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.quarter_rollups TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.queue_caps TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.rollup_buckets TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.rollup_mark_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.rollup_marks TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.schedule_fires TO tallyline_worker;

GRANT SELECT,USAGE ON SEQUENCE tally.schedule_fires_fire_id_seq TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.schedules TO tallyline_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE tally.service_exporter TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.spools TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.user_emails TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.zone_holds TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.zone_offsets TO tallyline_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tally.zones TO tallyline_worker;
