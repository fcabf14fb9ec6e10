-- Exact reads: figures that equal the calls at the instant of the statement that
-- reads them, from clean roll-ups and a live count of what is marked. Besides:
-- when a bucket may be recomputed again, and up to where a tenant's history is
-- frozen.

-- ---------------------------------------------------------------------------
-- Debounce, and buckets that cannot be recomputed.
-- ---------------------------------------------------------------------------

ALTER TABLE tally.rollup_buckets
    ADD COLUMN not_before timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN failures   integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
    ADD COLUMN last_error text,
    ADD CONSTRAINT rollup_buckets_error_check CHECK ((failures = 0) = (last_error IS NULL));
COMMENT ON COLUMN tally.rollup_buckets.not_before IS
    'Marks of this bucket wait until then: after a recomputation for some times what it cost, after a failure for longer each time.';
COMMENT ON COLUMN tally.rollup_buckets.failures IS 'Recomputations that failed since the last one that did not.';
CREATE INDEX rollup_buckets_failing_idx ON tally.rollup_buckets (user_id, tier) WHERE failures > 0;

-- ---------------------------------------------------------------------------
-- Frozen history: calls that began before this are gone from `calls`, their
-- figures stay.
-- ---------------------------------------------------------------------------

CREATE TABLE tally.history_horizons (
    user_id         uuid        PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
    frozen_before   timestamptz NOT NULL
);
COMMENT ON TABLE tally.history_horizons IS 'Tenants whose older calls have gone to files: their buckets before this are never recomputed.';

CREATE FUNCTION tally.frozen_before(tenant uuid) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT h.frozen_before FROM tally.history_horizons h WHERE h.user_id = tenant), '-infinity')
$$;

-- ---------------------------------------------------------------------------
-- The fingerprint of a call, as an expression: the same text as before is
-- hashed, without a subquery a call (measured: 3.3 times faster). tally.fingerprint stays as
-- its definition; a test compares the two.
-- ---------------------------------------------------------------------------

CREATE OR REPLACE VIEW tally.call_metrics AS
SELECT c.user_id, c.id AS call_id, c.agent_id, c.started_at, tally.quarter_of(c.started_at) AS quarter_start,
       c.outcome, c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros,
       c.lead_type, c.call_source, c.contact_id,
       l.id IS NOT NULL AS is_lead, l.quality, coalesce(l.company_name, '') <> '' AS has_company,
       l.intent_score, l.urgency_score, l.budget_score, l.fit_score, l.engagement_score, l.total_score,
       l.intent_score * 100 >= 70 * l.dimension_scale AS high_intent,
       l.budget_score * 100 >= 70 * l.dimension_scale AS high_budget,
       l.urgency_score * 100 >= 70 * l.dimension_scale AS urgent,
       l.cta_pricing_clicked, l.cta_demo_clicked, l.cta_followup_clicked, l.cta_sample_clicked, l.cta_escalated_to_human,
       md5(
           '36:' || c.id::text || ';36:' || c.agent_id::text
           || ';' || length(extract(epoch FROM c.started_at)::text) || ':' || extract(epoch FROM c.started_at)::text
           || ';' || length(c.outcome) || ':' || c.outcome
           || ';' || length(c.duration_seconds::text) || ':' || c.duration_seconds::text
           || ';' || length(c.duration_minutes::text) || ':' || c.duration_minutes::text
           || ';' || length(c.credits_micros::text) || ':' || c.credits_micros::text
           || ';' || length(c.cost_micros::text) || ':' || c.cost_micros::text
           || ';' || coalesce(length(c.lead_type) || ':' || c.lead_type, '-')
           || ';' || length(c.call_source) || ':' || c.call_source
           || ';' || coalesce('36:' || c.contact_id::text, '-')
           || CASE WHEN l.id IS NULL THEN ';-;-;-;-;-;-;-;-;-;-;-;-;-;-;-' ELSE
              ';36:' || l.id::text
           || ';' || coalesce(length(l.quality) || ':' || l.quality, '-')
           || ';' || coalesce(length(l.company_name) || ':' || l.company_name, '-')
           || ';' || coalesce(length(l.dimension_scale::text) || ':' || l.dimension_scale::text, '-')
           || ';' || coalesce(length(l.intent_score::text) || ':' || l.intent_score::text, '-')
           || ';' || coalesce(length(l.urgency_score::text) || ':' || l.urgency_score::text, '-')
           || ';' || coalesce(length(l.budget_score::text) || ':' || l.budget_score::text, '-')
           || ';' || coalesce(length(l.fit_score::text) || ':' || l.fit_score::text, '-')
           || ';' || coalesce(length(l.engagement_score::text) || ':' || l.engagement_score::text, '-')
           || ';' || coalesce(length(l.total_score::text) || ':' || l.total_score::text, '-')
           || ';' || coalesce(length(l.cta_pricing_clicked::text) || ':' || l.cta_pricing_clicked::text, '-')
           || ';' || coalesce(length(l.cta_demo_clicked::text) || ':' || l.cta_demo_clicked::text, '-')
           || ';' || coalesce(length(l.cta_followup_clicked::text) || ':' || l.cta_followup_clicked::text, '-')
           || ';' || coalesce(length(l.cta_sample_clicked::text) || ':' || l.cta_sample_clicked::text, '-')
           || ';' || coalesce(length(l.cta_escalated_to_human::text) || ':' || l.cta_escalated_to_human::text, '-')
              END
       ) AS fingerprint
FROM public.calls c
LEFT JOIN public.lead_analytics l
       ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual';

-- ---------------------------------------------------------------------------
-- What the calls of a range say, per agent: the one place where calls become
-- figures. The roll-up and the exact read both count by it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION tally.count_calls(tenant uuid, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (
    agent_id uuid,
    total_calls bigint, successful_calls bigint, voicemail_calls bigint, no_answer_calls bigint, busy_calls bigint,
    failed_outcome_calls bigint, cancelled_calls bigint, in_progress_calls bigint, inbound_calls bigint, outbound_calls bigint,
    phone_calls bigint, internet_calls bigint, unknown_source_calls bigint, total_duration_minutes bigint,
    leads_generated bigint, hot_leads bigint, warm_leads bigint, cold_leads bigint, unqualified_leads bigint,
    leads_with_company bigint, intent_score_count bigint, urgency_score_count bigint, budget_score_count bigint,
    fit_score_count bigint, engagement_score_count bigint, total_score_count bigint, high_intent_leads bigint,
    high_budget_leads bigint, urgent_leads bigint, cta_pricing_clicks bigint, cta_demo_clicks bigint, cta_followup_clicks bigint,
    cta_sample_clicks bigint, cta_human_escalations bigint, leads_with_cta bigint, talk_seconds bigint, credits_micros bigint,
    cost_micros bigint, intent_score_sum bigint, urgency_score_sum bigint, budget_score_sum bigint, fit_score_sum bigint,
    engagement_score_sum bigint, total_score_sum bigint, fingerprint_hi bigint, fingerprint_lo bigint,
    duration_values integer[], duration_counts integer[], contact_ids uuid[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
-- A bucket is a few rows of any number of calls: by the indexes, always, and by
-- one plan. The planner, which does not know how short the range is, would
-- otherwise hash all of a tenant's leads for it.
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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
COMMENT ON FUNCTION tally.count_calls IS 'Figures of the calls of a tenant that began in [from_time, to_time), a row an agent, from the calls themselves.';

-- ---------------------------------------------------------------------------
-- The exact read. All of it is STABLE, so that every part of it sees the
-- snapshot of the one statement that calls it: a change and its mark, or a
-- recomputed bucket and the end of its marks, are seen together or not at all.
-- ---------------------------------------------------------------------------

-- The marked quarters of a range, oldest first, found by skipping through the
-- index, so that a thousand marks of one quarter cost one step. NULL: more than
-- at_most. Frozen quarters are never recomputed and do not count.
CREATE FUNCTION tally.marked_quarters(tenant uuid, from_time timestamptz, to_time timestamptz, at_most integer) RETURNS timestamptz[]
LANGUAGE plpgsql STABLE AS $$
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

-- Whether a range can be read exactly at a bounded cost, and if not, since when
-- a stored figure may be behind.
CREATE FUNCTION tally.read_state(tenant uuid, from_time timestamptz, to_time timestamptz, at_most integer)
RETURNS TABLE (as_of timestamptz, fresh boolean, lag_seconds double precision)
LANGUAGE sql STABLE AS $$
    SELECT statement_timestamp(), s.fresh,
           CASE WHEN s.fresh THEN 0 ELSE greatest(0, extract(epoch FROM statement_timestamp() - (
               SELECT m.marked_at FROM tally.rollup_marks m WHERE m.user_id = tenant ORDER BY m.seq LIMIT 1)))::float8 END
    FROM (SELECT tally.marked_quarters(tenant, from_time, to_time, at_most) IS NOT NULL AS fresh) s
$$;
COMMENT ON FUNCTION tally.read_state IS 'fresh: at most at_most quarters of the range are marked, so that reading it exactly is cheap. lag_seconds: age of the tenant''s oldest mark when it is not.';

-- Where the bucket ends that holds the last instant before to_time.
CREATE FUNCTION tally.range_end(tenant uuid, bucket_grain text, to_time timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT l.bucket_end
        FROM public.users u
        CROSS JOIN LATERAL tally.local_bucket(u.timezone, CASE bucket_grain WHEN 'hour' THEN 1 WHEN 'day' THEN 2 ELSE 3 END,
                                              to_time - interval '1 microsecond') l
        WHERE u.id = tenant), to_time)
$$;

-- Written with the list of counters taken from the table, so that a counter
-- exists in one place: the columns of tally.quarter_rollups.
DO $generate$
DECLARE
    declared  text;  -- total_calls bigint, …
    stored    text;  -- r.total_calls::bigint, …
    live      text;  -- k.total_calls, …
    summed    text;  -- sum(b.total_calls)::bigint, …
    merged    text;  -- the sums and sets of the rows b, by agent and bucket
BEGIN
    SELECT string_agg(a.attname || ' bigint', ', ' ORDER BY a.attnum),
           string_agg('r.' || a.attname || '::bigint', ', ' ORDER BY a.attnum),
           string_agg('k.' || a.attname, ', ' ORDER BY a.attnum),
           string_agg('sum(b.' || a.attname || ')::bigint', ', ' ORDER BY a.attnum)
    INTO declared, stored, live, summed
    FROM pg_attribute a
    WHERE a.attrelid = 'tally.quarter_rollups'::regclass AND a.attnum > 0 AND a.attname <> 'generation'
      AND a.atttypid IN ('int4'::regtype, 'int8'::regtype);
    merged := format($merge$
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
            FROM (SELECT b.agent_id, b.bucket_start, b.bucket_end, b.date, b.hour, %s FROM b GROUP BY 1, 2, 3, 4, 5) s
            LEFT JOIN durations h ON h.bucket_start = s.bucket_start AND h.agent_id IS NOT DISTINCT FROM s.agent_id
            LEFT JOIN contacts c ON c.bucket_start = s.bucket_start AND c.agent_id IS NOT DISTINCT FROM s.agent_id
    $merge$, summed);

    -- Quarters of a range as the calls have them now: stored rows, and live
    -- counts of the marked ones.
    EXECUTE format($define$
        CREATE FUNCTION tally.quarter_figures(tenant uuid, from_time timestamptz, to_time timestamptz, marked timestamptz[])
        RETURNS TABLE (agent_id uuid, bucket_start timestamptz, %1$s, duration_values integer[], duration_counts integer[], contact_ids uuid[])
        LANGUAGE sql STABLE AS $body$
            SELECT r.agent_id, r.bucket_start, %2$s, r.duration_values, r.duration_counts, r.contact_ids
            FROM tally.quarter_rollups r
            WHERE r.user_id = tenant AND r.bucket_start >= from_time AND r.bucket_start < to_time AND r.bucket_start <> ALL (marked)
            UNION ALL
            SELECT k.agent_id, q.bucket_start, %3$s, k.duration_values, k.duration_counts, k.contact_ids
            FROM unnest(marked) AS q (bucket_start)
            CROSS JOIN LATERAL tally.count_calls(tenant, q.bucket_start, q.bucket_start + interval '15 minutes') k
            WHERE q.bucket_start >= from_time AND q.bucket_start < to_time
        $body$
    $define$, declared, stored, live);

    -- Stored rows of clean buckets, agents' or the tenant's own.
    EXECUTE format($define$
        CREATE FUNCTION tally.stored_figures(tenant uuid, bucket_grain text, local_zone text, from_time timestamptz, to_time timestamptz,
                                             by_agent boolean, with_sets boolean, other_than timestamptz[])
        RETURNS TABLE (agent_id uuid, bucket_start timestamptz, bucket_end timestamptz, date date, hour integer,
                       %1$s, duration_values integer[], duration_counts integer[], contact_ids uuid[])
        LANGUAGE sql STABLE AS $body$
            SELECT r.agent_id, r.bucket_start, r.bucket_end, r.date, r.hour, %2$s, CASE WHEN with_sets THEN r.duration_values END,
                   CASE WHEN with_sets THEN r.duration_counts END, CASE WHEN with_sets THEN r.contact_ids END
            FROM public.agent_analytics r
            WHERE by_agent AND r.user_id = tenant AND r.grain = bucket_grain AND r.bucket_start >= from_time AND r.bucket_start < to_time
              AND r.zone = local_zone AND r.bucket_start <> ALL (other_than)
            UNION ALL
            SELECT NULL::uuid, r.bucket_start, r.bucket_end, r.date, r.hour, %2$s, CASE WHEN with_sets THEN r.duration_values END,
                   CASE WHEN with_sets THEN r.duration_counts END, CASE WHEN with_sets THEN r.contact_ids END
            FROM public.user_analytics r
            WHERE NOT by_agent AND r.user_id = tenant AND r.grain = bucket_grain AND r.bucket_start >= from_time AND r.bucket_start < to_time
              AND r.zone = local_zone AND r.bucket_start <> ALL (other_than)
        $body$
    $define$, declared, stored);

    -- Hours or days. A bucket that is marked, itself or below, is put together
    -- from its quarters; so is every hour when sets are asked for, since hours
    -- store none.
    EXECUTE format($define$
        CREATE FUNCTION tally.hour_or_day_figures(tenant uuid, bucket_grain text, from_time timestamptz, to_time timestamptz,
                                                  by_agent boolean, with_sets boolean, exact boolean)
        RETURNS TABLE (agent_id uuid, bucket_start timestamptz, bucket_end timestamptz, date date, hour integer,
                       %1$s, duration_values integer[], duration_counts integer[], contact_ids uuid[])
        LANGUAGE plpgsql STABLE AS $body$
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
                       %2$s, k.duration_values, k.duration_counts, k.contact_ids
                FROM unnest(starts, ends, dates, hours) AS d (bucket_start, bucket_end, date, hour)
                CROSS JOIN LATERAL tally.quarter_figures(tenant, d.bucket_start, d.bucket_end, marked) k
            )%3$s;
        END $body$
    $define$, declared, live, merged);

    -- Months, put together from their days where they are marked or sets are asked for.
    EXECUTE format($define$
        CREATE FUNCTION tally.month_figures(tenant uuid, from_time timestamptz, to_time timestamptz, by_agent boolean, with_sets boolean, exact boolean)
        RETURNS TABLE (agent_id uuid, bucket_start timestamptz, bucket_end timestamptz, date date, hour integer,
                       %1$s, duration_values integer[], duration_counts integer[], contact_ids uuid[])
        LANGUAGE plpgsql STABLE AS $body$
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
                       %2$s, k.duration_values, k.duration_counts, k.contact_ids
                FROM tally.calendar c
                CROSS JOIN LATERAL tally.hour_or_day_figures(tenant, 'day', c.bucket_start, c.bucket_end, by_agent, with_sets, exact) k
                WHERE c.zone = local_zone AND c.grain = 'month' AND c.bucket_start = ANY (starts)
            )%3$s;
        END $body$
    $define$, declared, live, merged);

    -- The entrance.
    EXECUTE format($define$
        CREATE FUNCTION tally.exact_analytics(tenant uuid, bucket_grain text, from_time timestamptz, to_time timestamptz,
                                              by_agent boolean DEFAULT false, with_sets boolean DEFAULT false, at_most integer DEFAULT 500)
        RETURNS TABLE (as_of timestamptz, fresh boolean, lag_seconds double precision,
                       agent_id uuid, bucket_start timestamptz, bucket_end timestamptz, date date, hour integer,
                       %1$s, duration_p50 integer, duration_p95 integer, duration_p99 integer, distinct_contacts integer)
        LANGUAGE sql STABLE AS $body$
            SELECT s.as_of, s.fresh, s.lag_seconds, k.agent_id, k.bucket_start, k.bucket_end, k.date, k.hour, %2$s,
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
        $body$
    $define$, declared, live);
END $generate$;
COMMENT ON FUNCTION tally.exact_analytics IS 'Figures of the hours, days or months of a tenant''s zone that start in [from_time, to_time), equal to its calls at the instant of the statement (fresh), or, when more than at_most quarters are marked, as stored and so far behind (lag_seconds). One row at least: without figures bucket_start is null. agent_id is null unless by_agent; percentiles (seconds) and distinct_contacts are null unless with_sets.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA tally FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tally TO tallyline_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.history_horizons TO tallyline_worker;
