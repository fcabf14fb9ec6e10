-- Which process tells Prometheus of what is in the database: several telling the same would be added up.

CREATE TABLE tally.service_exporter (
    only_row    boolean     PRIMARY KEY,
    process_id  uuid        NOT NULL,
    label       text        NOT NULL,
    held_until  timestamptz NOT NULL,
    CONSTRAINT service_exporter_only_row_check CHECK (only_row)
);
COMMENT ON TABLE tally.service_exporter IS 'The process that exports the service metrics, until a moment; then any other one may take it.';

GRANT SELECT, INSERT, UPDATE ON tally.service_exporter TO tallyline_worker;
