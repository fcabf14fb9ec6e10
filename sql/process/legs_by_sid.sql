-- Returns the calls that have legs with the given CallSids. $1 tenants, $2 CallSids, in parallel arrays without repetition.
SELECT DISTINCT ON (l.user_id, l.leg_key) l.user_id, l.leg_key, l.call_id
FROM unnest($1::uuid[], $2::text[]) AS k (user_id, call_sid)
JOIN tally.call_legs l ON l.user_id = k.user_id AND l.leg_key = k.call_sid
ORDER BY l.user_id, l.leg_key, l.call_id
