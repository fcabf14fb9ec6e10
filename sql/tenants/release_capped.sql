-- Lets analyses of tenant $1 that wait for its next day be tried now: its cap or its prices were changed.
WITH calls AS (
    UPDATE tally.call_analyses SET not_before = '-infinity', wait_reason = NULL WHERE user_id = $1 AND wait_reason = 'spending_cap'
)
UPDATE tally.contact_analyses SET not_before = '-infinity', wait_reason = NULL WHERE user_id = $1 AND wait_reason = 'spending_cap'
