-- Tenants of the old database that have agents or calls, by age. Columns that came and went are read by name from the row.
SELECT u.id, u.email::text, u.name::text, nullif(to_jsonb(u) ->> 'timezone', '') AS timezone,
       round(u.credits * 1000000)::bigint AS credits_micros
FROM public.users u
WHERE EXISTS (SELECT FROM public.agents a WHERE a.user_id = u.id)
   OR EXISTS (SELECT FROM public.calls c WHERE c.user_id = u.id)
ORDER BY u.created_at, u.id
