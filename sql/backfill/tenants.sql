-- Returns tenant $1, or all when it is null, each with its zone.
SELECT id AS user_id, timezone AS zone FROM public.users WHERE $1::uuid IS NULL OR id = $1 ORDER BY id
