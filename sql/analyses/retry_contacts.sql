-- Lets a provider look again at contacts of tenant $1 at which it failed to.
UPDATE tally.contact_analyses a SET
    state = 'pending', attempts = 0, not_before = '-infinity', error_code = NULL, error_detail = NULL
WHERE a.user_id = $1 AND a.state = 'failed'
