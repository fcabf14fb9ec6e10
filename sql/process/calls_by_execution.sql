-- Returns the calls of the given executions. $1 tenants, $2 execution ids.
SELECT c.user_id, c.id, c.bolna_execution_id AS "execution_id!"
FROM public.calls c
WHERE (c.user_id, c.bolna_execution_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
