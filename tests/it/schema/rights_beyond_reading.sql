-- Every right of tallyline_api in our two schemas that is not reading in schema public.
SELECT format('%s.%s %s', n.nspname, c.relname, p.privilege)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('REFERENCES')) AS p (privilege)
WHERE n.nspname IN ('public', 'tally') AND c.relkind IN ('r', 'p', 'v', 'm')
  AND NOT (n.nspname = 'public' AND p.privilege = 'SELECT')
  AND has_any_column_privilege('tallyline_api', c.oid, p.privilege)
UNION ALL
SELECT format('%s.%s %s', n.nspname, c.relname, p.privilege)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN (VALUES ('DELETE'), ('TRUNCATE'), ('TRIGGER')) AS p (privilege)
WHERE n.nspname IN ('public', 'tally') AND c.relkind IN ('r', 'p', 'v', 'm')
  AND has_table_privilege('tallyline_api', c.oid, p.privilege)
UNION ALL
SELECT format('sequence %s.%s', n.nspname, c.relname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'tally')
  -- Asked of anything else it fails.
  AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('tallyline_api', c.oid, 'USAGE, SELECT, UPDATE') END
UNION ALL
SELECT format('function %s', p.oid::regprocedure)
FROM pg_proc p
WHERE p.pronamespace = 'tally'::regnamespace AND has_function_privilege('tallyline_api', p.oid, 'EXECUTE')
UNION ALL
SELECT format('schema %s %s', n.nspname, p.privilege)
FROM pg_namespace n
CROSS JOIN (VALUES ('USAGE'), ('CREATE')) AS p (privilege)
WHERE n.nspname IN ('public', 'tally') AND NOT (n.nspname = 'public' AND p.privilege = 'USAGE')
  AND has_schema_privilege('tallyline_api', n.oid, p.privilege)
