-- Returns entry $1 of the audit log.
SELECT l.created_at AS "created_at!", l.admin_user_id AS "admin_user_id!", u.email AS "who?", l.action AS "action!",
       l.resource_type AS "resource_type!", l.resource_id, l.target_user_id, l.details AS "details!", host(l.ip_address) AS address,
       l.user_agent
FROM public.admin_audit_log l
LEFT JOIN public.users u ON u.id = l.admin_user_id
WHERE l.id = $1
