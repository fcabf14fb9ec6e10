-- Schedules: policies for the turns of the clock, bounds for what is caught up,
-- jitter, pauses that say since when and why; fires by hand in the ledger.

ALTER TABLE tally.schedules
    ADD COLUMN catch_up_max            int,
    ADD COLUMN catch_up_within_seconds int,
    ADD COLUMN gap                     text NOT NULL DEFAULT 'next',
    ADD COLUMN fold                    text NOT NULL DEFAULT 'auto',
    ADD COLUMN jitter_seconds          int  NOT NULL DEFAULT 0,
    ADD COLUMN paused_at               timestamptz,
    ADD COLUMN paused_reason           text;
UPDATE tally.schedules SET paused_at = updated_at, paused_reason = 'before reasons were kept' WHERE paused;
ALTER TABLE tally.schedules
    ADD CONSTRAINT schedules_catch_up_max_check CHECK (catch_up_max > 0),
    ADD CONSTRAINT schedules_catch_up_within_seconds_check CHECK (catch_up_within_seconds > 0),
    ADD CONSTRAINT schedules_gap_check CHECK (gap IN ('next', 'skip')),
    ADD CONSTRAINT schedules_fold_check CHECK (fold IN ('auto', 'first', 'second', 'both')),
    ADD CONSTRAINT schedules_jitter_seconds_check CHECK (jitter_seconds BETWEEN 0 AND 86400),
    ADD CONSTRAINT schedules_paused_check CHECK (paused = (paused_at IS NOT NULL) AND paused = (paused_reason IS NOT NULL));
COMMENT ON COLUMN tally.schedules.catch_up_max IS 'Of missed fires that are caught up at most so many, the newest; null: all.';
COMMENT ON COLUMN tally.schedules.catch_up_within_seconds IS 'Missed fires older than this are not caught up; null: however old.';

CREATE SEQUENCE tally.schedule_fires_fire_id_seq AS bigint;
ALTER TABLE tally.schedule_fires
    ADD COLUMN fire_id bigint  NOT NULL DEFAULT nextval('tally.schedule_fires_fire_id_seq'),
    ADD COLUMN manual  boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT schedule_fires_pkey,
    ADD CONSTRAINT schedule_fires_pkey PRIMARY KEY (schedule, fire_at, fire_id),
    DROP CONSTRAINT schedule_fires_outcome_check,
    ADD CONSTRAINT schedule_fires_outcome_check
        CHECK (outcome IN ('enqueued', 'skipped_missed', 'skipped_overlap', 'skipped_paused')),
    ADD CONSTRAINT schedule_fires_manual_check CHECK (NOT manual OR outcome = 'enqueued');
ALTER SEQUENCE tally.schedule_fires_fire_id_seq OWNED BY tally.schedule_fires.fire_id;
-- A time of the clock fires once; by hand a schedule is run at any time, that of a fire too.
CREATE UNIQUE INDEX schedule_fires_clock ON tally.schedule_fires (schedule, fire_at) WHERE NOT manual;
COMMENT ON TABLE tally.schedule_fires IS
    'Every time a schedule came due, once, and every run by hand; the row and its job are inserted by one transaction.';

GRANT USAGE, SELECT ON SEQUENCE tally.schedule_fires_fire_id_seq TO tallyline_worker;
