-- Deletes password reset attempts past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM public.password_reset_attempts WHERE id IN (
    SELECT a.id FROM public.password_reset_attempts a
    WHERE a.attempted_at < now() - make_interval(days => $1) ORDER BY a.attempted_at LIMIT 10000)
