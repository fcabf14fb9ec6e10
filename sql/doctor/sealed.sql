-- Returns the sealed secrets of endpoints in use and of analyses, at most 10,000.
SELECT e.user_id, 'endpoint' AS kind, e.endpoint, e.provider, e.sealed_key AS sealed
FROM tally.endpoints e WHERE e.sealed_key IS NOT NULL AND e.disabled_at IS NULL
UNION ALL
SELECT s.user_id, 'analysis', '', s.provider, s.sealed_api_key
FROM tally.analysis_settings s WHERE s.sealed_api_key IS NOT NULL
LIMIT 10000
