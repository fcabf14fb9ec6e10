-- Returns CallSids of calls that began long ago whose end Twilio has not told, and whose next check is due: the oldest check
-- first. $1 tenant, $2 now, $3 calls that began after, $4 and before, $5 at most, $6 statuses that end a call.
SELECT a.call_sid AS "ref!"
FROM public.calls c
JOIN tally.call_aliases a ON a.user_id = c.user_id AND a.call_id = c.id
LEFT JOIN tally.provider_checks p ON p.user_id = c.user_id AND p.provider = 'twilio' AND p.ref = a.call_sid
WHERE c.user_id = $1 AND c.started_at >= $3 AND c.started_at < $4 AND a.call_sid ~ '^CA[0-9a-f]{32}$'
  AND (p.next_check_at IS NULL OR p.next_check_at <= $2)
  AND NOT EXISTS (
      SELECT FROM tally.call_events e
      WHERE e.user_id = a.user_id AND e.call_id = a.call_id AND e.provider = 'twilio'
        AND e.facts ->> 'call_sid' = a.call_sid AND e.facts ->> 'status' = ANY ($6::text[]))
ORDER BY p.next_check_at NULLS FIRST, c.started_at, a.call_sid
LIMIT $5
