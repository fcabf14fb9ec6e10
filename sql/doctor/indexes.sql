-- Returns what is wrong with an index, and the command that mends it: of $1 (schema.index) those that are not there, and those
-- of ours that are not valid.
SELECT want.name || ' is missing', 'grep -A1 ''INDEX ' || split_part(want.name, '.', 2) || ' '' migrations/schema.sql'
FROM unnest($1::text[]) AS want (name)
WHERE NOT EXISTS (
    SELECT FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = want.name AND c.relkind IN ('i', 'I'))
UNION ALL
SELECT i.indexrelid::regclass || ' is not valid',
       'psql "$DATABASE_URL" -c ''REINDEX INDEX ' || i.indexrelid::regclass || ''''
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'tally')
-- Unique ones that are not valid are found as missing objects.
WHERE NOT i.indisvalid AND NOT i.indisunique AND c.relkind = 'i'
ORDER BY 1
