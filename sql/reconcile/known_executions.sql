-- Returns what is known of listed executions: the call, the statuses of its last attempt that Bolna has told, and what was
-- listed when the execution was last fetched. $1 tenant, $2 execution ids.
SELECT k.ref AS "ref!", c.id IS NOT NULL AS "has_call!", coalesce(c.completed_at IS NOT NULL, false) AS "is_terminal!",
       c.duration_seconds AS "duration_seconds?", p.listed AS "listed?",
       ARRAY(SELECT e.facts ->> 'status' FROM tally.call_events e
             WHERE e.user_id = $1 AND e.call_id = c.id AND e.provider = 'bolna' AND (e.facts ->> 'attempt')::integer = c.attempt) AS "statuses!: Vec<String>"
FROM unnest($2::text[]) AS k (ref)
LEFT JOIN public.calls c ON c.user_id = $1 AND c.bolna_execution_id = k.ref
LEFT JOIN tally.provider_checks p ON p.user_id = $1 AND p.provider = 'bolna' AND p.ref = k.ref
