-- Returns what lies in our two schemas, except the list of migrations; nothing once all migrations are taken back.
SELECT o.kind || ' ' || o.name
FROM (
    SELECT 'relation' AS kind, n.nspname || '.' || c.relname AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'tally') AND c.relname NOT LIKE '\_sqlx\_migrations%'
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('public', 'tally')
    UNION ALL
    SELECT 'type', format_type(t.oid, NULL)
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname IN ('public', 'tally') AND t.typname NOT LIKE '%\_sqlx\_migrations'
    UNION ALL
    SELECT 'schema', n.nspname::text
    FROM pg_namespace n
    WHERE n.nspname = 'tally'
) o
ORDER BY 1
