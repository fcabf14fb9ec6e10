-- Returns the relations of schema public that bear a name of ours ($1), for a database that we never migrated.
SELECT c.relname::text
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relname = ANY ($1)
ORDER BY c.relname
