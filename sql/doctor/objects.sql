-- Returns the columns of our tables as schema.table.column and our functions as schema.function(). Partitions of days are left
-- out: they come and go.
SELECT n.nspname || '.' || c.relname || '.' || a.attname
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'tally')
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relname NOT LIKE '\_sqlx\_%' AND c.relname !~ '^job_history_\d{8}$'
UNION
SELECT n.nspname || '.' || p.proname || '()'
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname IN ('public', 'tally')
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
