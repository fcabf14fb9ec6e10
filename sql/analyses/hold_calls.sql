-- Lets calls of tenant $1 wait until $3, since the tenant's day may cost no more. $2 calls; null: all that are due.
UPDATE tally.call_analyses a SET
    state = 'pending', claim = NULL, claimed_until = NULL, not_before = $3, wait_reason = 'spending_cap'
WHERE a.user_id = $1 AND a.provider = 'openai' AND ($2::uuid[] IS NULL OR a.call_id = ANY($2))
  AND ((a.state = 'pending' AND a.not_before <= now()) OR (a.state = 'claimed' AND a.claimed_until <= now()))
