-- Returns the ten largest tables with their bytes, indexes included, and the bytes of the database first.
SELECT 'in all' AS name, pg_database_size(current_database()) AS bytes
UNION ALL
(SELECT c.oid::regclass::text, pg_total_relation_size(c.oid) FROM pg_class c WHERE c.relkind = 'r' ORDER BY 2 DESC LIMIT 10)
