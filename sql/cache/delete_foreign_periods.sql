-- Deletes a tenant's cached periods of a zone that it has left; returns nothing. $1 tenant.
DELETE FROM public.call_analytics_cache c
USING public.users u
WHERE c.user_id = $1 AND u.id = c.user_id AND c.zone <> u.timezone
