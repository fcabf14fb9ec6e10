-- Returns what is not there or not in force: of the unique indexes $1 (schema.index) and the triggers $2 (schema.table.trigger).
SELECT 'unique index ' || want.name
FROM unnest($1::text[]) AS want (name)
WHERE NOT EXISTS (
    SELECT FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = want.name AND i.indisunique AND i.indisvalid AND i.indisready
)
UNION ALL
SELECT 'trigger ' || want.name
FROM unnest($2::text[]) AS want (name)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname || '.' || t.tgname = want.name AND t.tgenabled IN ('O', 'A')
)
ORDER BY 1
