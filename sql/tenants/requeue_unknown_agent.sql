-- Nothing; events that waited for this agent are pending again, those whose body is gone stay.
WITH released AS (
    DELETE FROM tally.quarantine q
    WHERE q.user_id = $1 AND q.reason = 'unknown_agent' AND q.wait_key = $2
        AND EXISTS (SELECT FROM tally.inbox i WHERE i.user_id = $1 AND i.id = q.inbox_id AND i.body IS NOT NULL)
    RETURNING q.user_id, q.inbox_id, q.received_at
)
INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at)
SELECT user_id, inbox_id, received_at FROM released
ON CONFLICT (user_id, inbox_id) DO NOTHING
