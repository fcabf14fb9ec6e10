-- Returns one row: the role this session works as, and whether row-level security would not bind it.
SELECT current_user::text AS role_name,
       r.rolsuper AS superuser,
       r.rolbypassrls AS bypasses_rls,
       EXISTS (
           SELECT FROM pg_roles o
           WHERE o.rolname = 'tallyline_owner' AND pg_has_role(r.oid, o.oid, 'USAGE')
       ) AS owner
FROM pg_roles r
WHERE r.rolname = current_user
