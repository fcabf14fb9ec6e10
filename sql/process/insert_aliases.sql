-- Notes the CallSids of calls; a known one stays with its call. $1 tenants, $2 CallSids, $3 call ids.
INSERT INTO tally.call_aliases (user_id, call_sid, call_id)
SELECT a.user_id, a.call_sid, a.call_id
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS a (user_id, call_sid, call_id)
ORDER BY a.user_id, a.call_sid
ON CONFLICT DO NOTHING
