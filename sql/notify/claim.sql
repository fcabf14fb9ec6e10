-- Claims the delivery of a locked endpoint that has been due longest, if one more request is allowed, and returns what is to be sent.
-- The attempt is counted here: one that kills its process is counted too. $1 tenant, $2 endpoint, $3 requests at once to it,
-- $4 seconds that the claim lasts, $5 this turn's number.
WITH clock AS (
    SELECT clock_timestamp() AS at
), next AS (
    SELECT d.user_id, d.notification_id, d.endpoint_id
    FROM tally.notification_deliveries d, clock
    WHERE d.user_id = $1 AND d.endpoint_id = $2 AND d.state = 'pending' AND d.not_before <= clock.at
      AND (d.claimed_until IS NULL OR d.claimed_until <= clock.at)
      AND (
        SELECT count(*) FROM tally.notification_deliveries f
        WHERE f.user_id = $1 AND f.endpoint_id = $2 AND f.state = 'pending' AND f.claimed_until > clock.at
      ) < $3::bigint
    ORDER BY d.not_before, d.notification_id
    LIMIT 1
    FOR NO KEY UPDATE OF d SKIP LOCKED
), turned AS (
    UPDATE tally.notification_endpoints e SET turn = $5 FROM next n WHERE e.user_id = n.user_id AND e.id = n.endpoint_id
), claimed AS (
    UPDATE tally.notification_deliveries d
    SET claim = d.claim + 1, attempts = d.attempts + 1, claimed_until = clock.at + make_interval(secs => $4)
    FROM next n, clock
    WHERE d.user_id = n.user_id AND d.notification_id = n.notification_id AND d.endpoint_id = n.endpoint_id
    RETURNING d.user_id, d.notification_id, d.endpoint_id, d.claim, d.attempts, clock.at
)
SELECT c.user_id, c.notification_id, c.endpoint_id, c.claim, c.attempts, c.at AS "at!",
       n.kind, n.payload, n.created_at, e.url, e.sealed_key,
       CASE WHEN e.previous_expires_at > c.at THEN e.previous_sealed_key END AS previous_sealed_key
FROM claimed c
JOIN tally.notifications n ON n.user_id = c.user_id AND n.id = c.notification_id
JOIN tally.notification_endpoints e ON e.user_id = c.user_id AND e.id = c.endpoint_id
