-- The endpoint of that name and provider with what verifies its requests, and the database's time. Always one
-- row: of a name that is none it holds the decoys $3 and $4 and no tenant, and takes as long.
SELECT e.user_id AS "user_id?", coalesce(e.secret_sha256, $3) AS "secret_sha256!",
    coalesce(e.sealed_key, $4) AS "sealed_key!", e.account_sid AS "account_sid?",
    e.allowed_ips::text[] AS "allowed_ips: Vec<String>",
    CASE WHEN e.previous_expires_at > now() THEN e.previous_secret_sha256 END AS "previous_secret_sha256: Vec<u8>",
    CASE WHEN e.previous_expires_at > now() THEN e.previous_sealed_key END AS "previous_sealed_key: Vec<u8>",
    extract(epoch FROM e.previous_expires_at - now())::float8 AS "previous_seconds_left: f64",
    extract(epoch FROM now())::float8 AS "now_unix_seconds!"
FROM (VALUES ($1::text, $2::text)) AS asked (endpoint, provider)
    LEFT JOIN tally.endpoints e
        ON e.endpoint = asked.endpoint AND e.provider = asked.provider AND e.disabled_at IS NULL
