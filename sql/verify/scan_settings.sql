-- Sets tenant and range of scan_calls.sql until the end of the transaction; returns one row.
-- $1 tenant, $2 from, $3 to (exclusive).
SELECT set_config('tally.scan_user', $1::uuid::text, true) AS tenant,
       set_config('tally.scan_from', $2::timestamptz::text, true) AS from_time,
       set_config('tally.scan_to', $3::timestamptz::text, true) AS to_time
