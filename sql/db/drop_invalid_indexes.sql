-- Drops what a CREATE INDEX CONCURRENTLY left that was interrupted; returns nothing.
DO $drop$
DECLARE
    left_over record;
BEGIN
    FOR left_over IN
        SELECT n.nspname, c.relname
        FROM pg_index i
            JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname IN ('public', 'tally')
            -- One of a partition is valid with its parent; one that is being built is not left over.
            AND NOT c.relispartition
            AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
    LOOP
        EXECUTE format('DROP INDEX %I.%I', left_over.nspname, left_over.relname);
    END LOOP;
END $drop$
