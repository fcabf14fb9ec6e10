-- Webhooks that were acknowledged and wait on a receiver's disk until they are in the inbox.

CREATE TABLE tally.spools (
    spool_id            uuid        PRIMARY KEY,
    label               text        NOT NULL,
    events              bigint      NOT NULL,
    bytes               bigint      NOT NULL,
    oldest_received_at  timestamptz NOT NULL,
    noted_at            timestamptz NOT NULL,
    CONSTRAINT spools_events_check CHECK (events > 0),
    CONSTRAINT spools_bytes_check CHECK (bytes > 0)
);
COMMENT ON TABLE tally.spools IS 'Spools that are not empty, as far as the database was told: figures lag behind the oldest event of any. The row goes when the spool is drained.';

GRANT SELECT, INSERT, UPDATE, DELETE ON tally.spools TO tallyline_worker;
