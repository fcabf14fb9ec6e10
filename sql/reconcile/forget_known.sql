-- Deletes the notes that a provider did not know a call whose end is known by now, but those about contradicting ends, which are
-- not asked for twice; returns nothing. $1 tenant, $2 provider, $3 statuses that end a call.
DELETE FROM tally.provider_checks p
WHERE p.user_id = $1 AND p.provider = $2 AND p.result <> 'found' AND p.conflict IS NULL AND CASE $2
    WHEN 'bolna' THEN EXISTS (
        SELECT FROM public.calls c WHERE c.user_id = p.user_id AND c.bolna_execution_id = p.ref AND c.completed_at IS NOT NULL)
    ELSE EXISTS (
        SELECT FROM tally.call_aliases a
        JOIN tally.call_events e ON e.user_id = a.user_id AND e.call_id = a.call_id AND e.provider = 'twilio'
        WHERE a.user_id = p.user_id AND a.call_sid = p.ref
          AND e.facts ->> 'call_sid' = p.ref AND e.facts ->> 'status' = ANY ($3::text[]))
END
