-- Returns one row: the account of this session and what it may do about Tallyline's roles.
SELECT r.rolname::text AS user_name,
       r.rolsuper AS superuser,
       r.rolsuper OR r.rolcreaterole AS may_create_roles,
       COALESCE((
           SELECT pg_has_role(r.oid, o.oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
           FROM pg_roles o
           WHERE o.rolname = 'tallyline_owner'
       ), false) AS may_become_owner
FROM pg_roles r
WHERE r.rolname = session_user
