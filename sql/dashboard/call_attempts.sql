-- Returns the dials of the call $2 of tenant $1 and after them its legs.
SELECT 'dial' AS "kind!", a.attempt, a.lifecycle AS "lifecycle!", a.outcome AS "outcome!", a.call_sid, a.started_at, a.ended_at,
       a.duration_seconds
FROM tally.call_attempts a
WHERE a.user_id = $1 AND a.call_id = $2
UNION ALL
SELECT l.kind, NULL, l.lifecycle, l.outcome, l.leg_key, l.started_at, l.ended_at, l.duration_seconds
FROM tally.call_legs l
WHERE l.user_id = $1 AND l.call_id = $2
ORDER BY 2 NULLS LAST, 6
LIMIT 200
