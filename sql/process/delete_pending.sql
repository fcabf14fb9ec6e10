-- Ends events: they are applied or in quarantine. $1 tenants, $2 inbox ids.
DELETE FROM tally.inbox_pending p
USING unnest($1::uuid[], $2::bigint[]) AS d (user_id, inbox_id)
WHERE p.user_id = d.user_id AND p.inbox_id = d.inbox_id
