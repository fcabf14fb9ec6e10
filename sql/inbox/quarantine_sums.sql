-- Returns how much is in quarantine by reason, most first: of tenant $1 (all when null), for reason $2, of provider $3, put
-- there from $4 to before $5.
SELECT q.reason, count(*) AS "events!", count(*) FILTER (WHERE q.inbox_id IS NULL) AS "at_the_door!",
       count(DISTINCT q.user_id) AS "tenants!", min(q.created_at) AS "oldest!"
FROM tally.quarantine q
WHERE ($1::uuid IS NULL OR q.user_id = $1) AND ($2::text IS NULL OR q.reason = $2) AND ($3::text IS NULL OR q.provider = $3)
  AND q.created_at >= $4 AND q.created_at < $5
GROUP BY q.reason
ORDER BY count(*) DESC, q.reason
