-- Gives back jobs of queue $1 that lease $2 holds without knowing it (the answer to a claim was lost); returns their ids.
-- $3: the jobs it does know.
UPDATE tally.jobs
SET state = 'ready',
    attempt = attempt - 1,
    lease_id = NULL,
    claimed_at = NULL,
    deadline_at = NULL,
    claimed_generation = NULL
WHERE state = 'claimed' AND queue = $1 AND lease_id = $2 AND NOT id = ANY ($3::bigint[])
RETURNING id
