-- Calls of a tenant of the old database ($1), each as the webhook that would have told of it; null for one without the
-- platform's id. Columns that came later are read by name from the row. The length is that of the talk, or of the billed minutes.
SELECT CASE WHEN c.bolna_execution_id <> '' THEN jsonb_strip_nulls(jsonb_build_object(
    'id', c.bolna_execution_id,
    'agent_id', a.bolna_agent_id,
    'status', CASE c.status
        WHEN 'completed' THEN 'completed'
        WHEN 'cancelled' THEN 'canceled'
        WHEN 'failed' THEN CASE WHEN to_jsonb(c) ->> 'call_lifecycle_status' IN ('busy', 'no-answer')
                                THEN to_jsonb(c) ->> 'call_lifecycle_status' ELSE 'failed' END
        ELSE 'in-progress' END,
    'created_at', c.created_at,
    'updated_at', greatest(c.created_at, c.updated_at),
    'conversation_duration', coalesce(nullif(c.duration_seconds, 0), c.duration_minutes * 60),
    'transcript', (SELECT t.content FROM public.transcripts t WHERE t.call_id = c.id ORDER BY t.created_at DESC, t.id LIMIT 1),
    'recording_url', c.recording_url,
    'user_number', n.number,
    'context_details', jsonb_build_object('recipient_data', jsonb_build_object(
        'customer_name', coalesce(k.name, c.caller_name), 'email', coalesce(k.email, c.caller_email))),
    'telephony_data', jsonb_build_object(
        'call_type', c.lead_type,
        'from_number', CASE WHEN c.lead_type = 'inbound' THEN n.number END,
        'to_number', CASE WHEN c.lead_type = 'outbound' THEN n.number END,
        'provider', CASE c.call_source WHEN 'internet' THEN 'web-call' END,
        'recording_url', c.recording_url)))::text END AS body
FROM public.calls c
JOIN public.agents a ON a.id = c.agent_id
LEFT JOIN public.contacts k ON k.id = c.contact_id AND k.user_id = c.user_id
CROSS JOIN LATERAL (SELECT CASE WHEN c.phone_number ~ '^\+?[0-9 ().-]{7,20}$' THEN c.phone_number END) n (number)
WHERE c.user_id = $1
ORDER BY c.created_at, c.id
