-- The endpoint of that name and provider with what verifies its requests, and the database's time.
SELECT user_id, secret_sha256, sealed_key, account_sid,
    allowed_ips::text[] AS "allowed_ips: Vec<String>",
    CASE WHEN previous_expires_at > now() THEN previous_secret_sha256 END AS "previous_secret_sha256: Vec<u8>",
    CASE WHEN previous_expires_at > now() THEN previous_sealed_key END AS "previous_sealed_key: Vec<u8>",
    extract(epoch FROM previous_expires_at - now())::float8 AS "previous_seconds_left: f64",
    extract(epoch FROM now())::float8 AS "now_unix_seconds!"
FROM tally.endpoints
WHERE endpoint = $1 AND provider = $2 AND disabled_at IS NULL
