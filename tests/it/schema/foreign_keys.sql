-- Every foreign key of the two schemas: its table, its name, its first column, its target and the first column there, what a delete does.
SELECT n.nspname || '.' || t.relname, n.nspname || '.' || k.conname, a.attname::text,
       fn.nspname || '.' || ft.relname, fa.attname::text, k.confdeltype::text
FROM pg_constraint k
JOIN pg_class t ON t.oid = k.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_class ft ON ft.oid = k.confrelid
JOIN pg_namespace fn ON fn.oid = ft.relnamespace
JOIN pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = k.confkey[1]
WHERE k.contype = 'f' AND n.nspname IN ('public', 'tally')
ORDER BY 1, 2
