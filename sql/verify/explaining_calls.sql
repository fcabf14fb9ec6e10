-- Returns the calls that explain why a quarter differs, at most 20: the one whose fingerprint is the difference (missing) or
-- its negative (counted twice), else those of the quarter that changed last.
-- $1 tenant, $2 agent, $3 start of the quarter, $4 and $5 expected minus found fingerprint, upper and lower half.
SELECT m.call_id AS "call_id!",
       CASE WHEN (f.hi, f.lo) = ($4::bigint, $5::bigint) THEN 'missing'
            WHEN (f.hi, f.lo) = (-$4::bigint, -$5::bigint) THEN 'counted_twice'
            ELSE 'changed_last' END AS "how!"
FROM tally.call_metrics m
CROSS JOIN LATERAL (SELECT tally.fingerprint_hi(m.fingerprint) AS hi, tally.fingerprint_lo(m.fingerprint) AS lo) f
JOIN public.calls c ON c.user_id = m.user_id AND c.id = m.call_id
WHERE m.user_id = $1 AND m.agent_id = $2 AND m.started_at >= $3 AND m.started_at < $3 + interval '15 minutes'
ORDER BY (f.hi, f.lo) = ($4, $5) DESC, (f.hi, f.lo) = (-$4, -$5) DESC, c.updated_at DESC, m.call_id
LIMIT 20
