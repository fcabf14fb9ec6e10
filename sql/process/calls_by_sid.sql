-- Returns the calls that the given CallSids belong to, and whether their execution is known.
-- $1 tenants, $2 CallSids, in parallel arrays without repetition.
SELECT a.user_id, a.call_sid, a.call_id, c.bolna_execution_id AS execution_id
FROM unnest($1::uuid[], $2::text[]) AS k (user_id, call_sid)
JOIN tally.call_aliases a ON a.user_id = k.user_id AND a.call_sid = k.call_sid
JOIN public.calls c ON c.user_id = a.user_id AND c.id = a.call_id
