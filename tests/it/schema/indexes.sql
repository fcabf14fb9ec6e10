-- Every index of the two schemas: its table, its name, the first column ('' for an expression), whether it is the primary key.
SELECT n.nspname || '.' || t.relname, n.nspname || '.' || c.relname, coalesce(a.attname, '')::text, i.indisprimary
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attnum > 0
WHERE n.nspname IN ('public', 'tally') AND t.relname <> '_sqlx_migrations'
ORDER BY 1, 2
