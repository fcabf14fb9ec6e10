-- Returns the calls that the given CallSids belong to, and whether their execution is known. $1 tenants, $2 CallSids.
SELECT a.user_id, a.call_sid, a.call_id, c.bolna_execution_id AS execution_id
FROM tally.call_aliases a
JOIN public.calls c ON c.user_id = a.user_id AND c.id = a.call_id
WHERE (a.user_id, a.call_sid) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
