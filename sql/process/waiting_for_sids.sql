-- Returns the Twilio events that wait for one of the given CallSids. $1 tenants, $2 CallSids.
SELECT p.user_id, p.inbox_id
FROM tally.inbox_pending p
WHERE p.state = 'waiting' AND (p.user_id, p.wait_key) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
ORDER BY p.user_id, p.inbox_id
