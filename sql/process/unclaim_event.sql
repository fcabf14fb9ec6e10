-- Takes back that an event was begun alone: its process lives. $1 tenant, $2 inbox id.
UPDATE tally.inbox_pending SET claims = greatest(claims - 1, 0), not_before = least(not_before, now())
WHERE user_id = $1 AND inbox_id = $2
