-- Makes a backfill that runs; returns its id.
-- $1 tenant, $2 first day, $3 last day, $4 mode, $5 method, $6 calls a second at most, $7 reason.
INSERT INTO tally.backfills (user_id, first_day, last_day, mode, method, max_calls_per_second, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id
