-- Returns what lets a request of one tenant reach more than that tenant's rows, as object and reason; no row: nothing does.
-- Read are the rights that tallyline_api has by any way: its own, those of roles it is a member of, those of PUBLIC.
WITH api AS (
    SELECT oid, rolsuper OR rolbypassrls AS unbound FROM pg_roles WHERE rolname = 'tallyline_api'
), relations AS (
    SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relacl,
           c.relkind <> 'S' AND has_any_column_privilege(api.oid, c.oid, 'SELECT') AS readable,
           c.relkind <> 'S' AND (has_table_privilege(api.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
               OR has_any_column_privilege(api.oid, c.oid, 'INSERT, UPDATE, REFERENCES')) AS writable,
           coalesce(array_to_string(c.reloptions, ' '), '') ~ '\msecurity_invoker=(true|on|yes|1)\M' AS invoker,
           coalesce(array_to_string(c.reloptions, ' '), '') ~ '\msecurity_barrier=(true|on|yes|1)\M' AS barrier,
           c.relname = 'users' OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped) AS of_tenants
    FROM pg_class c
    CROSS JOIN api
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
), policies AS (
    SELECT p.polrelid, p.polname, p.polpermissive,
           replace(coalesce(pg_get_expr(p.polqual, p.polrelid), 'true'), 'public.', '') AS shown
    FROM pg_policy p
    CROSS JOIN api
    WHERE p.polcmd IN ('r', '*')
      AND EXISTS (SELECT FROM unnest(p.polroles) r WHERE r = 0 OR pg_has_role(api.oid, r, 'USAGE'))
)
SELECT 'public.' || r.relname, w.why
FROM relations r
CROSS JOIN LATERAL (
    SELECT 'has row-level security off' AS why
    WHERE r.relkind IN ('r', 'p', 'f') AND (r.of_tenants OR r.readable) AND NOT r.relrowsecurity
    UNION ALL
    SELECT 'has no policy for tallyline_api, which may read it'
    WHERE r.relkind IN ('r', 'p') AND r.readable AND NOT EXISTS (SELECT FROM policies p WHERE p.polrelid = r.oid)
    UNION ALL
    SELECT 'has the policy ' || p.polname || ', which shows tallyline_api other rows than the tenant''s own'
    FROM policies p
    WHERE p.polrelid = r.oid AND p.polpermissive
      AND p.shown <> CASE r.relname WHEN 'users' THEN '(id = current_tenant())' ELSE '(user_id = current_tenant())' END
    UNION ALL
    -- The one view over the materialized view confines itself, and is held to it.
    SELECT 'is a view without security_invoker that tallyline_api may read'
    WHERE r.relkind = 'v' AND r.readable AND NOT r.invoker
      AND NOT (r.relname = 'my_kpi_summary' AND r.barrier
               AND replace(pg_get_viewdef(r.oid), 'public.', '') ~ '\sWHERE \((k\.|user_kpi_summary\.)?user_id = current_tenant\(\)\);$')
    UNION ALL
    SELECT 'is a materialized view that tallyline_api may read' WHERE r.relkind = 'm' AND r.readable
    UNION ALL
    SELECT 'may be written to by tallyline_api' WHERE r.writable
    UNION ALL
    SELECT 'is granted to PUBLIC'
    WHERE EXISTS (SELECT FROM aclexplode(r.relacl) g WHERE g.grantee = 0)
       OR EXISTS (SELECT FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) g WHERE a.attrelid = r.oid AND g.grantee = 0)
) w
UNION ALL
SELECT 'public.' || p.proname, 'is a function with its owner''s rights that tallyline_api may call'
FROM pg_proc p
CROSS JOIN api
WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND has_function_privilege(api.oid, p.oid, 'EXECUTE')
UNION ALL
SELECT 'the schema ' || s.nspname, s.why
FROM api
CROSS JOIN LATERAL (
    SELECT n.nspname, CASE n.nspname WHEN 'tally' THEN 'is open to tallyline_api' ELSE 'lets tallyline_api create' END AS why
    FROM pg_namespace n
    WHERE (n.nspname = 'tally' AND has_schema_privilege(api.oid, n.oid, 'USAGE, CREATE'))
       OR (n.nspname = 'public' AND has_schema_privilege(api.oid, n.oid, 'CREATE'))
) s
UNION ALL
SELECT 'the role tallyline_api', 'is not bound by row-level security'
FROM api
WHERE api.unbound OR EXISTS (
    SELECT FROM pg_roles o
    WHERE o.rolname IN ('tallyline_owner', 'tallyline_worker') AND pg_has_role(api.oid, o.oid, 'MEMBER'))
ORDER BY 1, 2
