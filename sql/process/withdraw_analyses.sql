-- Withdraws what was asked for of calls that turned out not to be answered. $1 tenants, $2 calls.
UPDATE tally.call_analyses a SET
    state = 'skipped', error_code = 'not_answered', error_detail = NULL, wait_reason = NULL, claim = NULL, claimed_until = NULL,
    finished_at = now()
WHERE (a.user_id, a.call_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND a.state IN ('pending', 'claimed')
