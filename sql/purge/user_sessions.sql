-- Deletes sessions that can be neither used nor refreshed, one without a refresh token among them, for the retention, at most
-- 10,000; returns nothing. $1 days.
DELETE FROM public.user_sessions WHERE (user_id, id) IN (
    SELECT s.user_id, s.id FROM public.user_sessions s
    WHERE greatest(s.expires_at, s.refresh_expires_at) < now() - make_interval(days => $1) LIMIT 10000)
