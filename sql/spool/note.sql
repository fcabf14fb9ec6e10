-- Nothing; says what waits in spool $1: label, events, bytes, the oldest receive time.
INSERT INTO tally.spools (spool_id, label, events, bytes, oldest_received_at, noted_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (spool_id) DO UPDATE SET label = excluded.label, events = excluded.events, bytes = excluded.bytes,
    oldest_received_at = excluded.oldest_received_at, noted_at = excluded.noted_at
