-- Nothing; adds an endpoint with the hash of its secret or its sealed key.
INSERT INTO tally.endpoints (endpoint, user_id, provider, secret_sha256, sealed_key, account_sid)
VALUES ($1, $2, $3, $4, $5, $6)
