-- The job queue: leases of processes, live jobs, finished attempts, dead
-- letters, schedules with the ledger of their fires, paused queues.
--
-- No foreign keys between jobs and leases: a key would make every claim take a
-- share lock on the one row that heartbeats update.

CREATE TABLE tally.job_leases (
    lease_id   uuid        PRIMARY KEY,
    label      text        NOT NULL,
    started_at timestamptz NOT NULL,
    beat_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE tally.job_leases IS
    'One row per start of a process, with a random id. Jobs of a lease that expired, or is gone, are taken back.';

CREATE SEQUENCE tally.jobs_id_seq AS bigint;
CREATE TABLE tally.jobs (
    id                 bigint      PRIMARY KEY DEFAULT nextval('tally.jobs_id_seq'),
    kind               text        NOT NULL CHECK (kind <> ''),
    queue              text        NOT NULL CHECK (queue <> ''),
    user_id            uuid,
    coalesce_key       text,
    payload            jsonb       NOT NULL DEFAULT '{}',
    priority           smallint    NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 3),
    state              text        NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'claimed')),
    run_at             timestamptz NOT NULL,
    attempt            int         NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts       int         NOT NULL DEFAULT 10 CHECK (max_attempts > 0),
    claims             bigint      NOT NULL DEFAULT 0,
    lost               int         NOT NULL DEFAULT 0,
    requested          bigint      NOT NULL DEFAULT 1,
    done               bigint      NOT NULL DEFAULT 0,
    claimed_generation bigint,
    lease_id           uuid,
    claimed_at         timestamptz,
    deadline_at        timestamptz,
    created_at         timestamptz NOT NULL,
    last_error         text,
    trace              text,
    CHECK ((state = 'claimed') = (lease_id IS NOT NULL)),
    CHECK ((state = 'claimed') = (claimed_generation IS NOT NULL)),
    CHECK ((state = 'claimed') = (deadline_at IS NOT NULL))
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
ALTER SEQUENCE tally.jobs_id_seq OWNED BY tally.jobs.id;
COMMENT ON TABLE tally.jobs IS 'Live jobs only; a job that ends leaves this table.';
COMMENT ON COLUMN tally.jobs.priority IS '0 runs first, 3 last.';
COMMENT ON COLUMN tally.jobs.claims IS
    'Claims of this row so far. It only grows, so that (id, claims, lease_id) names one claim and no other.';
COMMENT ON COLUMN tally.jobs.lost IS 'Attempts whose process disappeared, since the last generation that ended.';
COMMENT ON COLUMN tally.jobs.requested IS
    'Generations asked for. A claim takes all of them; a job whose key was requested meanwhile runs once more.';

CREATE INDEX jobs_ready ON tally.jobs (queue, priority, run_at, id) WHERE state = 'ready';
CREATE INDEX jobs_claimed ON tally.jobs (deadline_at) WHERE state = 'claimed';
CREATE UNIQUE INDEX jobs_coalesced ON tally.jobs (kind, user_id, coalesce_key) NULLS NOT DISTINCT
    WHERE coalesce_key IS NOT NULL;

CREATE SEQUENCE tally.job_history_id_seq AS bigint;
CREATE TABLE tally.job_history (
    history_id  bigint      NOT NULL DEFAULT nextval('tally.job_history_id_seq'),
    job_id      bigint      NOT NULL,
    kind        text        NOT NULL,
    user_id     uuid,
    attempt     int         NOT NULL,
    outcome     text        NOT NULL
        CHECK (outcome IN ('succeeded', 'failed', 'interrupted', 'lost', 'dead')),
    error       text,
    queued_at   timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    duration_ms bigint,
    lease_id    uuid        NOT NULL,
    PRIMARY KEY (job_id, history_id)
);
ALTER SEQUENCE tally.job_history_id_seq OWNED BY tally.job_history.history_id;
COMMENT ON TABLE tally.job_history IS 'One row per attempt that ended, appended by the statement that ended it.';
COMMENT ON COLUMN tally.job_history.duration_ms IS 'Run time of the handler; null where its process disappeared.';

CREATE SEQUENCE tally.dead_jobs_id_seq AS bigint;
CREATE TABLE tally.dead_jobs (
    dead_id      bigint      PRIMARY KEY DEFAULT nextval('tally.dead_jobs_id_seq'),
    job_id       bigint      NOT NULL,
    kind         text        NOT NULL,
    queue        text        NOT NULL,
    user_id      uuid,
    coalesce_key text,
    payload      jsonb       NOT NULL,
    priority     smallint    NOT NULL,
    attempts     int         NOT NULL,
    max_attempts int         NOT NULL,
    reason       text        NOT NULL,
    created_at   timestamptz NOT NULL,
    dead_at      timestamptz NOT NULL,
    trace        text
);
ALTER SEQUENCE tally.dead_jobs_id_seq OWNED BY tally.dead_jobs.dead_id;
CREATE INDEX dead_jobs_kind ON tally.dead_jobs (kind, dead_at);

CREATE TABLE tally.schedules (
    name         text        PRIMARY KEY,
    kind         text        NOT NULL,
    queue        text        NOT NULL,
    priority     smallint    NOT NULL CHECK (priority BETWEEN 0 AND 3),
    max_attempts int         NOT NULL CHECK (max_attempts > 0),
    cron         text        NOT NULL,
    timezone     text        NOT NULL,
    payload      jsonb       NOT NULL,
    missed       text        NOT NULL CHECK (missed IN ('skip', 'coalesce', 'catch_up')),
    overlap      text        NOT NULL CHECK (overlap IN ('allow', 'skip', 'queue')),
    paused       boolean     NOT NULL DEFAULT false,
    next_fire_at timestamptz,
    updated_at   timestamptz NOT NULL
);
COMMENT ON COLUMN tally.schedules.next_fire_at IS 'Null when the expression names no time that will ever come.';

CREATE TABLE tally.schedule_fires (
    schedule text        NOT NULL,
    fire_at  timestamptz NOT NULL,
    job_id   bigint,
    outcome  text        NOT NULL CHECK (outcome IN ('enqueued', 'skipped_missed', 'skipped_overlap')),
    fired_at timestamptz NOT NULL,
    PRIMARY KEY (schedule, fire_at),
    CHECK ((outcome = 'enqueued') = (job_id IS NOT NULL))
);
COMMENT ON TABLE tally.schedule_fires IS
    'Every time a schedule came due, once; the row and its job are inserted by one transaction.';
CREATE INDEX schedule_fires_job ON tally.schedule_fires (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE tally.paused_queues (
    queue     text        PRIMARY KEY,
    paused_at timestamptz NOT NULL,
    reason    text        NOT NULL
);

CREATE FUNCTION tally.enqueue_job(
    kind         text,
    payload      jsonb    DEFAULT '{}',
    user_id      uuid     DEFAULT NULL,
    run_after    interval DEFAULT '0',
    queue        text     DEFAULT 'default',
    priority     int      DEFAULT 1,
    max_attempts int      DEFAULT 10
) RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO tally.jobs (kind, queue, user_id, payload, priority, run_at, max_attempts, created_at)
    VALUES (enqueue_job.kind, enqueue_job.queue, enqueue_job.user_id, enqueue_job.payload,
            enqueue_job.priority, now() + enqueue_job.run_after, enqueue_job.max_attempts, now())
    RETURNING id;
END;
COMMENT ON FUNCTION tally.enqueue_job IS 'Adds a job in the caller''s transaction and returns its id.';

-- A request that finds the key waiting joins it, at the earlier of both times.
-- One that finds the key running leaves a generation over, so that the job runs
-- once more. One that finds it waiting for a retry does not cut the delay short:
-- else work that is requested all the time and fails would spin.
CREATE FUNCTION tally.request_job(
    kind         text,
    key          text,
    user_id      uuid     DEFAULT NULL,
    run_after    interval DEFAULT '0',
    payload      jsonb    DEFAULT '{}',
    queue        text     DEFAULT 'default',
    priority     int      DEFAULT 1,
    max_attempts int      DEFAULT 10
) RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO tally.jobs AS held
        (kind, queue, user_id, coalesce_key, payload, priority, run_at, max_attempts, created_at)
    VALUES (request_job.kind, request_job.queue, request_job.user_id, request_job.key, request_job.payload,
            request_job.priority, now() + request_job.run_after, request_job.max_attempts, now())
    ON CONFLICT (kind, user_id, coalesce_key) WHERE coalesce_key IS NOT NULL
    DO UPDATE SET
        requested = held.requested + 1,
        run_at = CASE
            WHEN held.state = 'claimed' AND held.requested = held.claimed_generation THEN EXCLUDED.run_at
            WHEN held.state = 'ready' AND held.attempt > 0 THEN held.run_at
            ELSE LEAST(held.run_at, EXCLUDED.run_at)
        END
    RETURNING id;
END;
COMMENT ON FUNCTION tally.request_job IS
    'Asks for a coalesced job: one row per (kind, user_id, key), whatever the number of requests. Returns its id.';
