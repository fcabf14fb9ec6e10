-- Takes the given lanes that nobody else works on, to the end of the transaction; returns their tenants.
SELECT l.user_id
FROM tally.lanes l
WHERE l.user_id = ANY($1)
ORDER BY l.user_id
FOR UPDATE OF l SKIP LOCKED
