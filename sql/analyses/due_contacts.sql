-- Returns contacts of tenant $1 whose calls are to be looked at together, locked; at most $2.
SELECT a.contact_id, a.attempts, a.input_sha256 AS "input_sha256!"
FROM tally.contact_analyses a
WHERE a.user_id = $1
  AND ((a.state = 'pending' AND a.not_before <= now()) OR (a.state = 'claimed' AND a.claimed_until <= now()))
ORDER BY a.not_before, a.contact_id
LIMIT $2
FOR UPDATE OF a SKIP LOCKED
