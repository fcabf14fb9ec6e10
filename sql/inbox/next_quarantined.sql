-- Returns the next entries of the quarantine after id $1 and up to $2, at most $3: of tenant $4 (all when null), for reason $5,
-- of provider $6.
SELECT q.user_id, q.id FROM tally.quarantine q
WHERE q.id > $1 AND q.id <= $2 AND ($4::uuid IS NULL OR q.user_id = $4) AND ($5::text IS NULL OR q.reason = $5)
  AND ($6::text IS NULL OR q.provider = $6)
ORDER BY q.id
LIMIT $3
