-- Stored events that are neither waiting nor applied nor in quarantine: no lag would tell of them.
SELECT concat_ws(' ', i.provider, 'event', i.id, 'of', i.user_id) FROM tally.inbox i
WHERE NOT EXISTS (SELECT FROM tally.inbox_pending p WHERE p.user_id = i.user_id AND p.inbox_id = i.id)
    AND NOT EXISTS (SELECT FROM tally.call_events e WHERE e.user_id = i.user_id AND e.inbox_id = i.id)
    AND NOT EXISTS (SELECT FROM tally.quarantine q WHERE q.user_id = i.user_id AND q.inbox_id = i.id)
