-- Writes one schedule; when its times change it starts again at $16, else the next fire stays, and so does a pause.
INSERT INTO tally.schedules AS held
    (name, kind, queue, priority, max_attempts, cron, timezone, payload, missed, catch_up_max, catch_up_within_seconds,
     overlap, gap, fold, jitter_seconds, next_fire_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, now())
ON CONFLICT (name) DO UPDATE SET
    kind = EXCLUDED.kind,
    queue = EXCLUDED.queue,
    priority = EXCLUDED.priority,
    max_attempts = EXCLUDED.max_attempts,
    cron = EXCLUDED.cron,
    timezone = EXCLUDED.timezone,
    payload = EXCLUDED.payload,
    missed = EXCLUDED.missed,
    catch_up_max = EXCLUDED.catch_up_max,
    catch_up_within_seconds = EXCLUDED.catch_up_within_seconds,
    overlap = EXCLUDED.overlap,
    gap = EXCLUDED.gap,
    fold = EXCLUDED.fold,
    jitter_seconds = EXCLUDED.jitter_seconds,
    next_fire_at = CASE
        WHEN (held.cron, held.timezone, held.gap, held.fold)
            = (EXCLUDED.cron, EXCLUDED.timezone, EXCLUDED.gap, EXCLUDED.fold) THEN held.next_fire_at
        ELSE EXCLUDED.next_fire_at
    END,
    updated_at = EXCLUDED.updated_at
