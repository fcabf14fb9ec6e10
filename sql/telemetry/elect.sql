-- Returns true when process $1, called $2, exports the service metrics for the next $3 seconds, since it did or nobody does; else no row.
INSERT INTO tally.service_exporter AS e (only_row, process_id, label, held_until)
VALUES (true, $1, $2, now() + make_interval(secs => $3))
ON CONFLICT (only_row) DO UPDATE
SET process_id = excluded.process_id, label = excluded.label, held_until = excluded.held_until
WHERE e.process_id = excluded.process_id OR e.held_until <= now()
RETURNING true AS "elected!"
