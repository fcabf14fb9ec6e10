-- Backfills: figures of past days made anew, in units that are one transaction each.

CREATE TABLE tally.backfills (
    id                      uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- One tenant, or all when null.
    user_id                 uuid,
    -- Local days of each tenant, both included; null: from the first call or row on, up to the last.
    first_day               date,
    last_day                date,
    mode                    text        NOT NULL,
    method                  text        NOT NULL,
    state                   text        NOT NULL DEFAULT 'running',
    max_calls_per_second    integer,
    reason                  text        NOT NULL DEFAULT '',
    created_at              timestamptz NOT NULL DEFAULT now(),
    -- Since when it runs without a pause; the time left is reckoned from here.
    running_since           timestamptz NOT NULL DEFAULT now(),
    -- The rate limit: no unit begins before.
    next_unit_at            timestamptz NOT NULL DEFAULT now(),
    finished_at             timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT backfills_days_check CHECK (first_day <= last_day),
    CONSTRAINT backfills_mode_check CHECK (mode IN ('missing', 'stale', 'all')),
    CONSTRAINT backfills_method_check CHECK (method IN ('marks', 'scan')),
    CONSTRAINT backfills_state_check CHECK (state IN ('running', 'paused', 'cancelled', 'done', 'failed')),
    CONSTRAINT backfills_finished_check CHECK ((state IN ('cancelled', 'done', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT backfills_rate_check CHECK (max_calls_per_second > 0)
);
CREATE INDEX backfills_running_idx ON tally.backfills (id) WHERE state = 'running';

-- A run of local days of one tenant. Who works on it holds the lock of its row
-- until the figures and the row's new state commit together.
CREATE TABLE tally.backfill_units (
    user_id             uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    backfill_id         uuid        NOT NULL,
    from_time           timestamptz NOT NULL,
    to_time             timestamptz NOT NULL,
    state               text        NOT NULL DEFAULT 'ready',
    days                integer     NOT NULL,
    -- Counted when it was planned.
    calls               bigint      NOT NULL,
    calls_read          bigint      NOT NULL DEFAULT 0,
    buckets_written     integer     NOT NULL DEFAULT 0,
    buckets_discarded   integer     NOT NULL DEFAULT 0,
    work_seconds        double precision NOT NULL DEFAULT 0,
    attempts            integer     NOT NULL DEFAULT 0,
    error               text,
    not_before          timestamptz NOT NULL DEFAULT now(),
    -- While marked: the tier whose marks up to this seq are to be consumed first.
    wait_tier           smallint,
    wait_seq            bigint,
    finished_at         timestamptz,
    PRIMARY KEY (user_id, backfill_id, from_time),
    CONSTRAINT backfill_units_range_check CHECK (from_time < to_time),
    CONSTRAINT backfill_units_state_check CHECK (state IN ('ready', 'marked', 'done', 'failed')),
    CONSTRAINT backfill_units_wait_check CHECK ((state = 'marked') = (wait_tier IS NOT NULL) AND (wait_tier IS NULL) = (wait_seq IS NULL)),
    CONSTRAINT backfill_units_finished_check CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL))
);
-- Newest first, whosever it is.
CREATE INDEX backfill_units_next_idx ON tally.backfill_units (backfill_id, state, to_time DESC, user_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON tally.backfills, tally.backfill_units TO tallyline_worker;
