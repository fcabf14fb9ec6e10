-- Returns $4 changes before ($2, $3), from the newest on where these are null; those that concern the tenant $1, where it is not null.
SELECT id, created_at, admin_user_id, action, resource_type, resource_id, target_user_id, details, host(ip_address) AS address, user_agent
FROM public.admin_audit_log
WHERE ($1::uuid IS NULL OR target_user_id = $1) AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
ORDER BY created_at DESC, id DESC
LIMIT $4
