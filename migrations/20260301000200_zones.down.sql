DROP FUNCTION tally.refresh_zone(text);
DROP FUNCTION tally.changed_ranges(text);
DROP FUNCTION tally.change_zone(uuid, text);
DROP FUNCTION tally.mark_local_buckets(uuid[], text, tstzmultirange);
DROP FUNCTION tally.store_zone(text);
DROP FUNCTION tally.derive_buckets(text, timestamptz, timestamptz);
DROP FUNCTION tally.derive_offsets(text, timestamptz, timestamptz);
DROP FUNCTION tally.calendar_end();
DROP FUNCTION tally.calendar_start();
DROP TRIGGER users_zone_hold ON public.users;
DROP FUNCTION tally.add_zone_holds();
DROP TABLE tally.zone_holds;

-- As 20260101000100_platform.up.sql has them.
-- Derives a zone's periods, days and months from the server's tz database,
-- 2015-01-01 to the end of the year after next. What is there stays as it is; only
-- what was cut off where the calendar ended so far (known_until) is completed.
CREATE FUNCTION tally.derive_zone(zone_name text, known_until timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, tally SET timezone = 'UTC' AS $$
DECLARE
    first_instant CONSTANT timestamptz := '2015-01-01 00:00Z';
    last_instant  CONSTANT timestamptz := date_trunc('year', now()) + interval '3 years';
BEGIN
    -- Days on which the offset differs from the day before hold a transition;
    -- only those are looked at in steps of 15 minutes.
    INSERT INTO tally.zone_offsets (zone, period_start, period_end, utc_offset)
    WITH days AS (
        SELECT d, (d AT TIME ZONE zone_name) - (d AT TIME ZONE 'UTC') AS off
        FROM generate_series(first_instant, last_instant, interval '1 day') d
    ), changed AS (
        SELECT d - interval '1 day' AS from_day
        FROM (SELECT d, off, lag(off) OVER (ORDER BY d) AS before FROM days) x
        WHERE off IS DISTINCT FROM before AND before IS NOT NULL
    ), steps AS (
        SELECT first_instant AS q
        UNION
        SELECT q FROM changed, generate_series(from_day, from_day + interval '1 day', interval '15 minutes') q
    ), offsets AS (
        SELECT q, (q AT TIME ZONE zone_name) - (q AT TIME ZONE 'UTC') AS off FROM steps
    ), starts AS (
        SELECT q, off FROM (SELECT q, off, lag(off) OVER (ORDER BY q) AS before FROM offsets) x
        WHERE off IS DISTINCT FROM before
    )
    SELECT zone_name, q, coalesce(lead(q) OVER (ORDER BY q), last_instant), off FROM starts
    ON CONFLICT (zone, period_start) DO UPDATE SET period_end = EXCLUDED.period_end
    WHERE zone_offsets.period_end = known_until;

    -- A day begins with the first instant that bears its date. The server's own
    -- conversion would take the second midnight where clocks go back over it.
    INSERT INTO tally.calendar (zone, grain, bucket_start, bucket_end, date)
    WITH starts AS (
        SELECT d.date, min(s.bucket_start) AS bucket_start
        FROM (
            SELECT l::date AS date, l AT TIME ZONE 'UTC' AS midnight
            FROM generate_series(timestamp '2014-12-31', last_instant AT TIME ZONE 'UTC', interval '1 day') l
        ) d
        JOIN tally.zone_offsets o
          ON o.zone = zone_name AND o.period_start < d.midnight + interval '2 days' AND o.period_end > d.midnight - interval '2 days'
        CROSS JOIN LATERAL (SELECT greatest(o.period_start, d.midnight - o.utc_offset) AS bucket_start) s
        WHERE s.bucket_start < o.period_end AND ((s.bucket_start + o.utc_offset) AT TIME ZONE 'UTC')::date = d.date
        GROUP BY d.date
    )
    SELECT zone_name, 'day', bucket_start, coalesce(lead(bucket_start) OVER (ORDER BY bucket_start), last_instant), date
    FROM starts
    ON CONFLICT (zone, grain, bucket_start) DO UPDATE SET bucket_end = EXCLUDED.bucket_end
    WHERE calendar.bucket_end = known_until;

    INSERT INTO tally.calendar (zone, grain, bucket_start, bucket_end, date)
    SELECT zone_name, 'month', min(bucket_start), max(bucket_end), date_trunc('month', date::timestamp)::date
    FROM tally.calendar
    WHERE zone = zone_name AND grain = 'day'
    GROUP BY date_trunc('month', date::timestamp)
    ON CONFLICT (zone, grain, bucket_start) DO UPDATE SET bucket_end = EXCLUDED.bucket_end
    WHERE calendar.bucket_end = known_until;
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
        PERFORM tally.derive_zone(zone_name, NULL);
    END IF;
END $$;
COMMENT ON FUNCTION tally.ensure_zone(text) IS 'Idempotent; must run before a tenant takes the zone.';

-- Takes every zone's calendar to the end of the year after next; returns how many were behind.
CREATE FUNCTION tally.extend_zones() RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, tally AS $$
    SELECT count(tally.derive_zone(z.zone, z.known_until)::text)
    FROM (
        SELECT o.zone, max(o.period_end) AS known_until FROM tally.zone_offsets o GROUP BY o.zone
    ) z
    WHERE z.known_until < date_trunc('year', now(), 'UTC') + interval '3 years'
$$;

REVOKE EXECUTE ON FUNCTION tally.derive_zone(text, timestamptz), tally.extend_zones() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.derive_zone(text, timestamptz), tally.extend_zones() TO tallyline_worker;
