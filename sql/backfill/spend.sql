-- Puts a backfill's next unit off by the time that its rate limit gives to $2 calls; returns nothing.
UPDATE tally.backfills b
SET next_unit_at = greatest(b.next_unit_at, t.at) + make_interval(secs => $2::float8 / b.max_calls_per_second)
FROM (SELECT clock_timestamp() AS at) t
WHERE b.id = $1 AND b.max_calls_per_second IS NOT NULL
