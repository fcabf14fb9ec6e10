-- Returns executions of calls of which ends were told that contradict each other, with a digest of these ends, where Bolna has not
-- been asked about just them: the oldest call first. $1 tenant, $2 calls that began after, $3 and before, $4 at most, $5 statuses
-- that end a call, $6 the endpoint of what was fetched: an answer is no reason to ask again.
SELECT c.bolna_execution_id AS "ref!", e.ends AS "ends!"
FROM public.calls c
CROSS JOIN LATERAL (
    SELECT md5(string_agg(DISTINCT concat_ws(' ', e.facts ->> 'attempt', e.facts ->> 'status'), ',')) AS ends
    FROM tally.call_events e
    WHERE e.user_id = c.user_id AND e.call_id = c.id AND e.facts ->> 'status' = ANY ($5::text[])
      AND (SELECT i.endpoint FROM tally.inbox i WHERE i.user_id = e.user_id AND i.id = e.inbox_id) IS DISTINCT FROM $6
) e
LEFT JOIN tally.provider_checks p ON p.user_id = c.user_id AND p.provider = 'bolna' AND p.ref = c.bolna_execution_id
WHERE c.user_id = $1 AND c.flags @> ARRAY['conflicting_terminals'] AND c.bolna_execution_id IS NOT NULL
  AND c.started_at >= $2 AND c.started_at < $3 AND e.ends <> coalesce(p.conflict, '')
ORDER BY c.started_at, c.bolna_execution_id
LIMIT $4
