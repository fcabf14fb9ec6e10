-- Nothing; the secret becomes the previous one until $5, $3 or $4 the current one.
UPDATE tally.endpoints
SET previous_secret_sha256 = secret_sha256, previous_sealed_key = sealed_key, previous_expires_at = $5,
    secret_sha256 = $3, sealed_key = $4
WHERE user_id = $1 AND endpoint = $2
