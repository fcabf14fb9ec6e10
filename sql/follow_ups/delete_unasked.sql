-- Takes back follow-ups that the calls' latest analyses no longer ask for, unless a hand has touched them; returns nothing.
-- $1 tenants, $2 call ids.
DELETE FROM public.follow_ups f
USING unnest($1::uuid[], $2::uuid[]) AS c (user_id, call_id)
WHERE f.user_id = c.user_id AND f.call_id = c.call_id AND f.source = 'analysis'
  AND f.follow_up_status = 'pending' AND f.edited_at IS NULL
