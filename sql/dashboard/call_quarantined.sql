-- Returns those of the newest 500 quarantined events of tenant $1 that belong to the call $2: by CallSid, or by its execution $3 in the
-- body as it came.
SELECT q.provider, q.reason, q.detail, q.received_at
FROM (
    SELECT * FROM tally.quarantine WHERE user_id = $1 ORDER BY created_at DESC LIMIT 500
) q
LEFT JOIN tally.inbox i ON i.user_id = q.user_id AND i.id = q.inbox_id
WHERE q.wait_key IN (SELECT a.call_sid FROM tally.call_aliases a WHERE a.user_id = $1 AND a.call_id = $2)
   OR position(convert_to('"' || $3::text || '"', 'UTF8') IN coalesce(q.body, i.body)) > 0
ORDER BY q.received_at
