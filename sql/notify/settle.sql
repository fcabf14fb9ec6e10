-- Notes how an attempt ended; changes nothing when the claim is no longer the last one. $1 tenant, $2 notification, $3 endpoint,
-- $4 number of the claim, $5 state, $6 seconds until the next attempt, $7 status of the answer, $8 what went wrong.
UPDATE tally.notification_deliveries d
SET state = $5, claimed_until = NULL, last_status = $7, last_error = $8,
    not_before = t.at + make_interval(secs => $6),
    finished_at = CASE WHEN $5 <> 'pending' THEN t.at END
FROM (SELECT clock_timestamp() AS at) t
WHERE d.user_id = $1 AND d.notification_id = $2 AND d.endpoint_id = $3 AND d.claim = $4 AND d.state = 'pending'
