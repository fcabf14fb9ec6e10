-- Adds the units of one tenant, if it is still there, to a backfill; returns nothing.
-- $1 tenant, $2 backfill, $3 from, $4 to, $5 days, $6 calls, the last four in parallel arrays.
INSERT INTO tally.backfill_units (user_id, backfill_id, from_time, to_time, days, calls)
SELECT $1, $2, u.from_time, u.to_time, u.days, u.calls
FROM unnest($3::timestamptz[], $4::timestamptz[], $5::integer[], $6::bigint[]) AS u (from_time, to_time, days, calls)
WHERE EXISTS (SELECT FROM public.users t WHERE t.id = $1)
