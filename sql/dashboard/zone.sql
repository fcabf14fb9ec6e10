-- Returns the time zone of the tenant $1.
SELECT timezone FROM public.users WHERE id = $1
