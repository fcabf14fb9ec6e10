-- Takes back the policies, bounds and pauses of schedules, and the fires that the older ledger cannot hold.

DELETE FROM tally.schedule_fires WHERE manual OR outcome = 'skipped_paused';
DROP INDEX tally.schedule_fires_clock;
ALTER TABLE tally.schedule_fires
    DROP CONSTRAINT schedule_fires_manual_check,
    DROP CONSTRAINT schedule_fires_outcome_check,
    ADD CONSTRAINT schedule_fires_outcome_check CHECK (outcome IN ('enqueued', 'skipped_missed', 'skipped_overlap')),
    DROP CONSTRAINT schedule_fires_pkey,
    ADD CONSTRAINT schedule_fires_pkey PRIMARY KEY (schedule, fire_at),
    DROP COLUMN manual,
    DROP COLUMN fire_id;
COMMENT ON TABLE tally.schedule_fires IS
    'Every time a schedule came due, once; the row and its job are inserted by one transaction.';

ALTER TABLE tally.schedules
    DROP CONSTRAINT schedules_paused_check,
    DROP COLUMN paused_reason,
    DROP COLUMN paused_at,
    DROP COLUMN jitter_seconds,
    DROP COLUMN fold,
    DROP COLUMN gap,
    DROP COLUMN catch_up_within_seconds,
    DROP COLUMN catch_up_max;
