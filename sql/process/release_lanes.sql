-- Notes that the batch of these lanes ended; those with an event that was begun alone and rests are worked on one by one until it
-- has ended too. $1 tenants.
UPDATE tally.lanes l SET claims = 0
WHERE l.user_id = ANY($1) AND l.claims <> 0
    AND NOT EXISTS (SELECT FROM tally.inbox_pending p WHERE p.user_id = l.user_id AND p.claims > 0)
