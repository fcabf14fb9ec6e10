-- Returns CallSids of which Twilio itself has told ends that contradict each other, with a digest of these ends, where it has not
-- been asked about just them: the oldest call first. $1 tenant, $2 calls that began after, $3 and before, $4 at most, $5 statuses
-- that end a call, $6 the endpoint of what was fetched: an answer is no reason to ask again.
SELECT a.call_sid AS "ref!", e.ends AS "ends!"
FROM public.calls c
JOIN tally.call_aliases a ON a.user_id = c.user_id AND a.call_id = c.id
CROSS JOIN LATERAL (
    SELECT md5(string_agg(DISTINCT e.facts ->> 'status', ',')) AS ends, count(DISTINCT e.facts ->> 'status') AS statuses
    FROM tally.call_events e
    WHERE e.user_id = a.user_id AND e.call_id = a.call_id AND e.provider = 'twilio'
      AND e.facts ->> 'call_sid' = a.call_sid AND e.facts ->> 'status' = ANY ($5::text[])
      AND (SELECT i.endpoint FROM tally.inbox i WHERE i.user_id = e.user_id AND i.id = e.inbox_id) IS DISTINCT FROM $6
) e
LEFT JOIN tally.provider_checks p ON p.user_id = c.user_id AND p.provider = 'twilio' AND p.ref = a.call_sid
WHERE c.user_id = $1 AND c.flags @> ARRAY['conflicting_terminals'] AND a.call_sid ~ '^CA[0-9a-f]{32}$'
  AND c.started_at >= $2 AND c.started_at < $3 AND e.statuses > 1 AND e.ends <> coalesce(p.conflict, '')
ORDER BY c.started_at, a.call_sid
LIMIT $4
