-- Schema `tally`, the tenants and the tables that belong to no tenant.
--
-- The roles `tallyline_owner`, `tallyline_worker` and `tallyline_api` exist
-- before the first migration (`crates/db` creates them); everything below is
-- created by, and so belongs to, `tallyline_owner`.

CREATE SCHEMA tally;
COMMENT ON SCHEMA tally IS 'Tallyline''s own machinery: inbox, jobs, marks, schedules, endpoints. Nothing here is granted to tallyline_api.';

-- Keeps updated_at true whatever statement changes a row.
CREATE FUNCTION tally.touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

-- ---------------------------------------------------------------------------
-- Time zones. Hours follow from the periods of constant offset, days and
-- months are rows. Nothing else in the database computes with a zone's name,
-- so every tier agrees even when the server's tz database is upgraded.
-- ---------------------------------------------------------------------------

CREATE TABLE tally.zones (
    zone        text PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tally.zone_offsets (
    zone            text        NOT NULL REFERENCES tally.zones (zone) ON DELETE CASCADE,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL,
    utc_offset      interval    NOT NULL,
    PRIMARY KEY (zone, period_start),
    CHECK (period_start < period_end)
);
COMMENT ON TABLE tally.zone_offsets IS 'Periods [period_start, period_end) during which a zone''s offset from UTC is constant.';

CREATE TABLE tally.calendar (
    zone            text        NOT NULL REFERENCES tally.zones (zone) ON DELETE CASCADE,
    grain           text        NOT NULL CHECK (grain IN ('day', 'month')),
    bucket_start    timestamptz NOT NULL,
    bucket_end      timestamptz NOT NULL,
    date            date        NOT NULL,
    PRIMARY KEY (zone, grain, bucket_start),
    CHECK (bucket_start < bucket_end)
);
COMMENT ON TABLE tally.calendar IS 'Local days and months as half-open ranges of instants; date is the local label (first day for a month).';

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
CREATE FUNCTION tally.ensure_zone(zone_name text) RETURNS void
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

SELECT tally.ensure_zone('UTC');

-- ---------------------------------------------------------------------------
-- Tenants
-- ---------------------------------------------------------------------------

CREATE TABLE public.users (
    id                          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email                       varchar(255) NOT NULL,
    name                        varchar(255) NOT NULL,
    credits_micros              bigint       NOT NULL DEFAULT 15000000,
    credits                     numeric(18, 6) GENERATED ALWAYS AS (credits_micros / 1000000.0) STORED,
    is_active                   boolean      NOT NULL DEFAULT true,
    auth_provider               varchar(50)  NOT NULL DEFAULT 'email',
    email_verified              boolean      NOT NULL DEFAULT false,
    email_verification_sent_at  timestamptz,
    created_at                  timestamptz  NOT NULL DEFAULT now(),
    updated_at                  timestamptz  NOT NULL DEFAULT now(),
    role                        varchar(50)  NOT NULL DEFAULT 'user',
    password_hash               varchar(255),
    password_reset_token        varchar(255),
    password_reset_expires      timestamptz,
    email_verification_token    varchar(255),
    company                     varchar(255),
    website                     varchar(500),
    location                    varchar(255),
    bio                         text,
    phone                       varchar(50),
    last_login                  timestamptz,
    timezone                    varchar(50)  NOT NULL DEFAULT 'UTC' REFERENCES tally.zones (zone),
    currency                    char(3)      NOT NULL DEFAULT 'USD',
    default_country_code        varchar(4),
    score_scale                 smallint     NOT NULL DEFAULT 15,
    dimension_scale             smallint     NOT NULL DEFAULT 3,
    hot_threshold_percent       smallint     NOT NULL DEFAULT 80,
    warm_threshold_percent      smallint     NOT NULL DEFAULT 60,
    cold_threshold_percent      smallint     NOT NULL DEFAULT 40,
    billing_pulse_seconds       integer      NOT NULL DEFAULT 60,
    credits_per_minute_micros   bigint       NOT NULL DEFAULT 1000000,
    low_credit_level            smallint     NOT NULL DEFAULT 0,
    CONSTRAINT users_email_check CHECK (email = btrim(email) AND position('@' IN email) > 1),
    CONSTRAINT users_bio_length_check CHECK (length(bio) <= 1000),
    CONSTRAINT users_phone_format_check CHECK (phone ~ '^\+?[0-9\s\-\(\)]{7,20}$'),
    CONSTRAINT users_website_format_check CHECK (website ~ '^https?://'),
    CONSTRAINT users_auth_provider_check CHECK (auth_provider IN ('email', 'google', 'linkedin', 'github')),
    CONSTRAINT users_role_check CHECK (role IN ('user', 'admin', 'super_admin')),
    CONSTRAINT users_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT users_default_country_code_check CHECK (default_country_code ~ '^[1-9][0-9]{0,3}$'),
    CONSTRAINT users_score_scale_check CHECK (score_scale BETWEEN 5 AND 100 AND dimension_scale BETWEEN 1 AND 100),
    CONSTRAINT users_thresholds_check CHECK (
        100 >= hot_threshold_percent AND hot_threshold_percent > warm_threshold_percent
        AND warm_threshold_percent > cold_threshold_percent AND cold_threshold_percent >= 0),
    CONSTRAINT users_billing_pulse_check CHECK (billing_pulse_seconds BETWEEN 1 AND 3600),
    CONSTRAINT users_credits_per_minute_check CHECK (credits_per_minute_micros BETWEEN 0 AND 1000000000),
    CONSTRAINT users_low_credit_level_check CHECK (low_credit_level BETWEEN 0 AND 3)
);
COMMENT ON TABLE public.users IS 'A tenant and its login. The balance may go negative: a call is never free because the balance is used up.';
COMMENT ON COLUMN public.users.credits_micros IS 'Balance in micro-credits; credits is the same in credits.';
COMMENT ON COLUMN public.users.score_scale IS 'What the analysis calls a full total score (15 or 100); thresholds are percentages of it.';
COMMENT ON COLUMN public.users.dimension_scale IS 'What the analysis calls a full single score (3 or 100).';
-- A change of zone rebuilds the tenant's hours, days and months. It goes through
-- the program, which does that in the same transaction.
CREATE FUNCTION tally.refuse_bare_zone_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.timezone <> OLD.timezone AND coalesce(current_setting('tally.zone_change', true), '') <> 'on' THEN
        RAISE EXCEPTION 'a tenant''s zone is changed by `tallyline tenant set --timezone`, which rebuilds its figures'
            USING ERRCODE = '55000';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER users_zone BEFORE UPDATE OF timezone ON public.users FOR EACH ROW EXECUTE FUNCTION tally.refuse_bare_zone_change();
CREATE TRIGGER users_touch BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

-- What must be unique over all tenants lives in small tables of its own.
CREATE TABLE tally.user_emails (
    email_lower varchar(255) PRIMARY KEY CHECK (email_lower = lower(email_lower)),
    user_id     uuid NOT NULL UNIQUE
);

-- ---------------------------------------------------------------------------
-- Platform tables: no tenant key, no foreign key into the tenant tables.
-- ---------------------------------------------------------------------------

CREATE TABLE public.phone_numbers (
    id                      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name                    varchar(255) NOT NULL,
    phone_number            varchar(50)  NOT NULL,
    bolna_phone_number_id   varchar(255) NOT NULL UNIQUE,
    assigned_to_user_id     uuid,
    assigned_to_agent_id    uuid,
    created_by_admin_id     uuid         NOT NULL,
    is_active               boolean      NOT NULL DEFAULT true,
    created_at              timestamptz  NOT NULL DEFAULT now(),
    updated_at              timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT phone_numbers_assignment_check CHECK (assigned_to_agent_id IS NULL OR assigned_to_user_id IS NOT NULL)
);
CREATE UNIQUE INDEX phone_numbers_active_number_key ON public.phone_numbers (phone_number) WHERE is_active;
CREATE INDEX phone_numbers_user_idx ON public.phone_numbers (assigned_to_user_id);
CREATE TRIGGER phone_numbers_touch BEFORE UPDATE ON public.phone_numbers FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();

CREATE TABLE public.login_attempts (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email           varchar(255) NOT NULL,
    ip_address      inet,
    attempted_at    timestamptz  NOT NULL DEFAULT now(),
    success         boolean      NOT NULL DEFAULT false,
    failure_reason  varchar(100),
    CONSTRAINT login_attempts_reason_check CHECK (NOT success OR failure_reason IS NULL)
);
CREATE INDEX login_attempts_email_idx ON public.login_attempts (email, attempted_at);
CREATE INDEX login_attempts_ip_idx ON public.login_attempts (ip_address, attempted_at);
CREATE INDEX login_attempts_attempted_at_idx ON public.login_attempts (attempted_at);

CREATE TABLE public.password_reset_attempts (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email           varchar(255) NOT NULL,
    ip_address      inet,
    attempted_at    timestamptz  NOT NULL DEFAULT now(),
    success         boolean      NOT NULL DEFAULT false
);
CREATE INDEX password_reset_attempts_email_idx ON public.password_reset_attempts (email, attempted_at);
CREATE INDEX password_reset_attempts_ip_idx ON public.password_reset_attempts (ip_address, attempted_at);
CREATE INDEX password_reset_attempts_attempted_at_idx ON public.password_reset_attempts (attempted_at);

-- The trail outlives the accounts that it speaks of: no foreign keys.
CREATE TABLE public.admin_audit_log (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    admin_user_id   uuid         NOT NULL,
    action          varchar(100) NOT NULL,
    resource_type   varchar(50)  NOT NULL,
    resource_id     varchar(255),
    target_user_id  uuid,
    details         jsonb        NOT NULL DEFAULT '{}',
    ip_address      inet,
    user_agent      text,
    created_at      timestamptz  NOT NULL DEFAULT now()
);
CREATE INDEX admin_audit_log_created_at_idx ON public.admin_audit_log (created_at);
CREATE INDEX admin_audit_log_admin_idx ON public.admin_audit_log (admin_user_id, created_at);
CREATE INDEX admin_audit_log_target_idx ON public.admin_audit_log (target_user_id, created_at);

CREATE TABLE public.system_config (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    config_key      varchar(255) NOT NULL UNIQUE,
    config_value    text         NOT NULL,
    is_encrypted    boolean      NOT NULL DEFAULT false,
    description     text,
    updated_by      uuid,
    created_at      timestamptz  NOT NULL DEFAULT now(),
    updated_at      timestamptz  NOT NULL DEFAULT now()
);
CREATE TRIGGER system_config_touch BEFORE UPDATE ON public.system_config FOR EACH ROW EXECUTE FUNCTION tally.touch_updated_at();
