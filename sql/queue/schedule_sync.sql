-- Writes one schedule; a changed expression or zone starts again at $11, else the next fire stays.
INSERT INTO tally.schedules AS held
    (name, kind, queue, priority, max_attempts, cron, timezone, payload, missed, overlap, next_fire_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())
ON CONFLICT (name) DO UPDATE SET
    kind = EXCLUDED.kind,
    queue = EXCLUDED.queue,
    priority = EXCLUDED.priority,
    max_attempts = EXCLUDED.max_attempts,
    cron = EXCLUDED.cron,
    timezone = EXCLUDED.timezone,
    payload = EXCLUDED.payload,
    missed = EXCLUDED.missed,
    overlap = EXCLUDED.overlap,
    next_fire_at = CASE
        WHEN (held.cron, held.timezone) = (EXCLUDED.cron, EXCLUDED.timezone) THEN held.next_fire_at
        ELSE EXCLUDED.next_fire_at
    END,
    updated_at = EXCLUDED.updated_at
