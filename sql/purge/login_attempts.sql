-- Deletes login attempts past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM public.login_attempts WHERE id IN (
    SELECT a.id FROM public.login_attempts a
    WHERE a.attempted_at < now() - make_interval(days => $1) ORDER BY a.attempted_at LIMIT 10000)
