-- Takes events out of quarantine that were there for want of what this batch brings: a CallSid's call, an execution's agent.
-- $1 tenants, $2 CallSids or execution ids.
WITH released AS (
    DELETE FROM tally.quarantine q
    WHERE q.reason IN ('no_call', 'no_agent') AND (q.user_id, q.wait_key) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
      AND EXISTS (SELECT FROM tally.inbox i WHERE i.user_id = q.user_id AND i.id = q.inbox_id AND i.body IS NOT NULL)
    RETURNING q.user_id, q.inbox_id, q.received_at
)
INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at)
SELECT user_id, inbox_id, received_at FROM released
ON CONFLICT DO NOTHING
