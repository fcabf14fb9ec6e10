-- Counts that an event is begun alone; returns how often that happened. Committed before the work.
UPDATE tally.inbox_pending SET claims = claims + 1
WHERE user_id = $1 AND inbox_id = $2
RETURNING claims
