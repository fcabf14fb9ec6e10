-- Claims calls of tenant $1 under number $3 until $4. $2 calls.
UPDATE tally.call_analyses a SET
    state = 'claimed', claim = $3, claimed_until = $4, attempts = a.attempts + 1, wait_reason = NULL
WHERE a.user_id = $1 AND a.call_id = ANY($2)
