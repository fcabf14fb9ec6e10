-- Zones that change: a tenant moves to another one, or a new tz database brings other rules.
--
-- Either way the local buckets are made anew from the quarters, by marks of tiers 1
-- to 3; no call is read. Who changes what a zone means for a tenant excludes the
-- roll-ups of that tenant for a moment, so that none of them writes rows of the old
-- calendar after the marks were made.

CREATE TABLE tally.zone_holds (
    user_id     uuid PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE
);
COMMENT ON TABLE tally.zone_holds IS 'One row a tenant. A roll-up holds it FOR KEY SHARE and passes the tenant over when it cannot; who changes the tenant''s zone or its calendar holds it FOR UPDATE. Apart from users, so that neither calls nor charges wait.';
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.zone_holds TO tallyline_worker;

CREATE FUNCTION tally.add_zone_holds() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.zone_holds (user_id) SELECT id FROM new_rows;
    RETURN NULL;
END $$;
CREATE TRIGGER users_zone_hold AFTER INSERT ON public.users
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.add_zone_holds();
INSERT INTO tally.zone_holds (user_id) SELECT id FROM public.users;

-- ---------------------------------------------------------------------------
-- What the server's tz database says.
-- ---------------------------------------------------------------------------

DROP FUNCTION tally.extend_zones();
DROP FUNCTION tally.derive_zone(text, timestamptz);

CREATE FUNCTION tally.calendar_start() RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT timestamptz '2015-01-01 00:00Z' $$;
CREATE FUNCTION tally.calendar_end() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SET timezone = 'UTC' AS $$ SELECT date_trunc('year', now()) + interval '3 years' $$;
COMMENT ON FUNCTION tally.calendar_end() IS 'The end of the year after next.';

-- A zone's periods of constant offset in [first_instant, last_instant). Days on
-- which the offset differs from the day before hold a change; only those are
-- looked at in steps of 15 minutes.
CREATE FUNCTION tally.derive_offsets(zone_name text, first_instant timestamptz, last_instant timestamptz)
RETURNS TABLE (period_start timestamptz, period_end timestamptz, utc_offset interval)
LANGUAGE sql STABLE SET search_path = pg_catalog, tally SET timezone = 'UTC' AS $$
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

-- A zone's days and months in [first_instant, last_instant), cut off at both ends.
-- A day begins with the first instant that bears its date: the server's own
-- conversion would take the second midnight where clocks go back over it, and a
-- date that the zone skipped has no instant and so no day.
CREATE FUNCTION tally.derive_buckets(zone_name text, first_instant timestamptz, last_instant timestamptz)
RETURNS TABLE (grain text, bucket_start timestamptz, bucket_end timestamptz, date date)
LANGUAGE sql STABLE SET search_path = pg_catalog, tally SET timezone = 'UTC' AS $$
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

-- Makes a zone's rows what the server derives; leaves alone what agrees.
CREATE FUNCTION tally.store_zone(zone_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, tally AS $$
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

-- Puts a zone into the calendar. Raises 22023 for a name that is not an IANA zone
-- of this server.
CREATE OR REPLACE FUNCTION tally.ensure_zone(zone_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, tally AS $$
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

-- ---------------------------------------------------------------------------
-- Marks of local buckets.
-- ---------------------------------------------------------------------------

-- Marks, for each of the tenants and inside the ranges: hours, days and months of
-- the zone that hold quarters, and stored rows, whatever zone they are of: the
-- roll-up makes the former anew and removes those of the latter that are no bucket
-- of the tenant's zone any more. What bears a mark gets no second one, so the caller
-- that relies on the result holds the tenants FOR UPDATE: then nobody consumes the
-- first.
CREATE FUNCTION tally.mark_local_buckets(tenants uuid[], zone_name text, ranges tstzmultirange) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, tally SET timezone = 'UTC' SET jit = off AS $$
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

-- Moves a tenant to a zone that is in the calendar. The bulk of the marks is made
-- before anything is held, what came meanwhile once more with the roll-ups of this
-- tenant excluded; calls wait for nothing, charges for the last statement only. All
-- of it becomes visible at once, or never. Does nothing if the tenant has this zone
-- or does not exist.
CREATE FUNCTION tally.change_zone(tenant uuid, zone_name text, OUT before text, OUT marks bigint, OUT marks_while_held bigint,
    OUT held_seconds double precision, OUT row_locked_seconds double precision)
LANGUAGE plpgsql SET search_path = pg_catalog, tally AS $$
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

-- ---------------------------------------------------------------------------
-- A new tz database.
-- ---------------------------------------------------------------------------

-- Where the stored calendar of a zone is not what the server derives today, as far
-- as the former reaches. An hour is added at both ends of a stretch of another
-- offset: an hour is cut there in one calendar and not in the other.
CREATE FUNCTION tally.changed_ranges(zone_name text) RETURNS tstzmultirange
LANGUAGE sql STABLE SET search_path = pg_catalog, tally SET timezone = 'UTC' AS $$
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

-- Makes a zone's calendar reach its end and agree with the server's tz database.
-- Where it did not, the local buckets of the zone's tenants are marked, with their
-- roll-ups excluded until the caller commits; then `changed` is not empty. The zone
-- itself is locked first: no tenant takes it meanwhile.
CREATE FUNCTION tally.refresh_zone(zone_name text, OUT extended boolean, OUT changed tstzmultirange, OUT marks bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, tally SET timezone = 'UTC' AS $$
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

REVOKE EXECUTE ON FUNCTION tally.add_zone_holds(), tally.calendar_start(), tally.calendar_end(),
    tally.derive_offsets(text, timestamptz, timestamptz), tally.derive_buckets(text, timestamptz, timestamptz), tally.store_zone(text),
    tally.mark_local_buckets(uuid[], text, tstzmultirange), tally.change_zone(uuid, text), tally.changed_ranges(text),
    tally.refresh_zone(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.add_zone_holds(), tally.calendar_start(), tally.calendar_end(),
    tally.derive_offsets(text, timestamptz, timestamptz), tally.derive_buckets(text, timestamptz, timestamptz), tally.store_zone(text),
    tally.mark_local_buckets(uuid[], text, tstzmultirange), tally.change_zone(uuid, text), tally.changed_ranges(text),
    tally.refresh_zone(text) TO tallyline_worker;
