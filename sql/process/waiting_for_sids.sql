-- Returns the Twilio events that wait for one of the given CallSids, and whether they are among the first whose bodies have
-- $3 bytes together. $1 tenants, $2 CallSids.
SELECT p.user_id, p.inbox_id,
       coalesce(sum(octet_length(i.body)) OVER (ORDER BY p.user_id, p.inbox_id ROWS UNBOUNDED PRECEDING), 0) <= $3 AS "fits!"
FROM tally.inbox_pending p
JOIN tally.inbox i ON i.user_id = p.user_id AND i.id = p.inbox_id
WHERE p.state = 'waiting' AND (p.user_id, p.wait_key) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
ORDER BY p.user_id, p.inbox_id
