-- Counts that an event is begun alone; returns how often that happened. Committed before the work. If its process dies,
-- the event rests for longer each time, and others go first: a process that dies anyway is not taken to die of it.
UPDATE tally.inbox_pending SET claims = claims + 1,
    not_before = CASE WHEN state = 'ready' THEN now() + make_interval(secs => least(4 ^ least(claims, 3), 60)) ELSE not_before END
WHERE user_id = $1 AND inbox_id = $2
RETURNING claims
