-- Returns executions of calls that have not ended though they began long ago, and whose next check is due: the oldest check
-- first. $1 tenant, $2 now, $3 calls that began after, $4 and before, $5 at most.
SELECT c.bolna_execution_id AS "ref!"
FROM public.calls c
LEFT JOIN tally.provider_checks p ON p.user_id = c.user_id AND p.provider = 'bolna' AND p.ref = c.bolna_execution_id
WHERE c.user_id = $1 AND c.completed_at IS NULL AND c.bolna_execution_id IS NOT NULL
  AND c.started_at >= $3 AND c.started_at < $4 AND (p.next_check_at IS NULL OR p.next_check_at <= $2)
ORDER BY p.next_check_at NULLS FIRST, c.started_at, c.bolna_execution_id
LIMIT $5
