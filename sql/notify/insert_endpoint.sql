-- Adds an endpoint of a tenant. $1 tenant, $2 id, $3 URL, $4 kinds or null, $5 sealed key.
INSERT INTO tally.notification_endpoints (user_id, id, url, kinds, sealed_key) VALUES ($1, $2, $3, $4, $5)
