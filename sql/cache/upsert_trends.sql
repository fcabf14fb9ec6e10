-- Stores the trends $2 of the tenant $1, of generation $3, until $4, unless newer ones are there; returns nothing.
INSERT INTO public.dashboard_cache AS c (user_id, cache_key, cache_data, generation, expires_at)
SELECT u.id, 'trends', $2, $3, $4 FROM public.users u WHERE u.id = $1
ON CONFLICT (user_id, cache_key) DO UPDATE SET
    cache_data = EXCLUDED.cache_data, generation = EXCLUDED.generation, expires_at = EXCLUDED.expires_at
WHERE (c.generation, c.expires_at) <= (EXCLUDED.generation, EXCLUDED.expires_at)
   -- One of a day that is over, or of another zone, may go whatever it was built from.
   OR c.expires_at <= now() OR c.cache_data ->> 'userTimezone' <> EXCLUDED.cache_data ->> 'userTimezone'
