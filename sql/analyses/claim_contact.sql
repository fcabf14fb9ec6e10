-- Claims the analysis of contact $2 of tenant $1 under number $3 until $4.
UPDATE tally.contact_analyses a SET
    state = 'claimed', claim = $3, claimed_until = $4, attempts = a.attempts + 1, wait_reason = NULL
WHERE a.user_id = $1 AND a.contact_id = $2
