DROP FUNCTION tally.enqueue_unique_job;
DROP FUNCTION tally.keep_job_history;

CREATE SEQUENCE tally.job_history_id_seq AS bigint;
CREATE TABLE tally.job_history_flat (
    history_id  bigint      NOT NULL DEFAULT nextval('tally.job_history_id_seq'),
    job_id      bigint      NOT NULL,
    kind        text        NOT NULL,
    user_id     uuid,
    attempt     int         NOT NULL,
    outcome     text        NOT NULL
        CONSTRAINT job_history_outcome_check CHECK (outcome IN ('succeeded', 'failed', 'interrupted', 'lost', 'dead')),
    error       text,
    queued_at   timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    duration_ms bigint,
    lease_id    uuid        NOT NULL
);
INSERT INTO tally.job_history_flat
    (job_id, kind, user_id, attempt, outcome, error, queued_at, started_at, finished_at, duration_ms, lease_id)
SELECT job_id, kind, user_id, attempt, outcome, error, queued_at, started_at, finished_at, duration_ms, lease_id
FROM tally.job_history
WHERE outcome IN ('succeeded', 'failed', 'interrupted', 'lost', 'dead') AND started_at IS NOT NULL AND lease_id IS NOT NULL
ORDER BY finished_at, claim;
DROP TABLE tally.job_history;
ALTER TABLE tally.job_history_flat RENAME TO job_history;
ALTER TABLE tally.job_history ADD PRIMARY KEY (job_id, history_id);
ALTER SEQUENCE tally.job_history_id_seq OWNED BY tally.job_history.history_id;
COMMENT ON TABLE tally.job_history IS 'One row per attempt that ended, appended by the statement that ended it.';
COMMENT ON COLUMN tally.job_history.duration_ms IS 'Run time of the handler; null where its process disappeared.';
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.job_history TO tallyline_worker;
GRANT USAGE, SELECT ON SEQUENCE tally.job_history_id_seq TO tallyline_worker;

DROP INDEX tally.dead_jobs_job;
ALTER TABLE tally.dead_jobs DROP COLUMN claims;
DROP TABLE tally.job_permits, tally.queue_caps, tally.paused_kinds, tally.job_keys;

DROP INDEX tally.jobs_to_cancel;
ALTER TABLE tally.jobs
    DROP COLUMN unique_key,
    DROP COLUMN unique_scope,
    DROP COLUMN permit_slot,
    DROP COLUMN cancel_requested_at,
    DROP COLUMN cancel_reason,
    DROP CONSTRAINT IF EXISTS jobs_claim_check,
    DROP CONSTRAINT jobs_values_check,
    ADD CHECK ((state = 'claimed') = (lease_id IS NOT NULL)),
    ADD CHECK ((state = 'claimed') = (claimed_generation IS NOT NULL)),
    ADD CHECK ((state = 'claimed') = (deadline_at IS NOT NULL)),
    ADD CHECK (state IN ('ready', 'claimed')),
    ADD CHECK (kind <> ''),
    ADD CHECK (queue <> ''),
    ADD CHECK (priority BETWEEN 0 AND 3),
    ADD CHECK (attempt >= 0),
    ADD CHECK (max_attempts > 0);
ALTER TABLE tally.jobs RESET (fillfactor);
DROP INDEX tally.jobs_claimed;
CREATE INDEX jobs_claimed ON tally.jobs (deadline_at) WHERE state = 'claimed';
DROP INDEX tally.jobs_ready;
CREATE INDEX jobs_ready ON tally.jobs (queue, priority, run_at, id) WHERE state = 'ready';
