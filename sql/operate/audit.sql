-- Returns up to $9 entries of the audit log, the newest first: of who $1, with action beginning with $2, about tenant $3,
-- made from $4 to before $5 (without an end when null); below the entry of time $6 with id $7 where $8.
SELECT l.id AS "id!", l.created_at AS "created_at!", l.admin_user_id AS "admin_user_id!", u.email AS "who?", l.action AS "action!",
       l.resource_type AS "resource_type!", l.resource_id, l.target_user_id, host(l.ip_address) AS address
FROM public.admin_audit_log l
LEFT JOIN public.users u ON u.id = l.admin_user_id
WHERE ($1::uuid IS NULL OR l.admin_user_id = $1)
  AND ($2::text IS NULL OR starts_with(l.action, $2))
  AND ($3::uuid IS NULL OR l.target_user_id = $3)
  AND l.created_at >= $4 AND ($5::timestamptz IS NULL OR l.created_at < $5)
  AND (NOT $8 OR (l.created_at, l.id) < ($6, $7::uuid))
ORDER BY l.created_at DESC, l.id DESC
LIMIT $9
