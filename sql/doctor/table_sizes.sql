-- Returns our tables with their bytes, indexes and long values included, and their rows by the server's statistics; largest first.
SELECT s.schemaname || '.' || s.relname AS "table", pg_total_relation_size(s.relid) AS bytes,
       s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows
FROM pg_stat_user_tables s
WHERE s.schemaname IN ('public', 'tally')
ORDER BY 2 DESC
