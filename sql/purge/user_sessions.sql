-- Deletes sessions that can be neither used nor refreshed, at most 10,000; returns nothing.
DELETE FROM public.user_sessions WHERE (user_id, id) IN (
    SELECT s.user_id, s.id FROM public.user_sessions s
    WHERE greatest(s.expires_at, s.refresh_expires_at) < now() LIMIT 10000)
