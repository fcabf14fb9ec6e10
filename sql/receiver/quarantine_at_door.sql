-- Keeps a refused body, if its tenant is still there; of those, the newest $7 of the tenant stay. Returns nothing.
WITH trimmed AS (
    DELETE FROM tally.quarantine
    WHERE user_id = $1 AND inbox_id IS NULL AND id <= (
        SELECT q.id FROM tally.quarantine q
        WHERE q.user_id = $1 AND q.inbox_id IS NULL
        ORDER BY q.id DESC OFFSET $7::bigint - 1 LIMIT 1)
)
INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, detail, body, received_at)
SELECT $1, $2, $3, $4, $5, $6, clock_timestamp()
WHERE EXISTS (SELECT FROM public.users WHERE id = $1)
