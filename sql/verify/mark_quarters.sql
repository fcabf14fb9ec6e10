-- Marks the quarters with calls or rows in the given ranges [from, to); returns how many marks were made.
-- $1 tenants, $2 from, $3 to, in parallel arrays.
SELECT coalesce(sum(tally.mark_calls(r.user_id, r.from_time, r.to_time)), 0)::bigint AS "marks!"
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS r (user_id, from_time, to_time)
