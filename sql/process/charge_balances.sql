-- Takes charges from balances; returns the new balances in micro-credits. $1 tenants, $2 micro-credits to take (may be negative).
UPDATE public.users u SET credits_micros = u.credits_micros - d.taken
FROM unnest($1::uuid[], $2::bigint[]) AS d (user_id, taken)
WHERE u.id = d.user_id
RETURNING u.id, u.credits_micros
