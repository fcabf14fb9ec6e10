-- Returns the zones in use whose calendar ends within 400 days, with the command that extends it.
SELECT format('%s ends %s', u.timezone, coalesce(c.calendar_end::date::text, 'before it begins')), 'tallyline jobs enqueue extend_calendar'
FROM (SELECT DISTINCT timezone FROM public.users) u
LEFT JOIN LATERAL (
    SELECT max(k.bucket_end) AS calendar_end FROM tally.calendar k WHERE k.zone = u.timezone AND k.grain = 'day'
) c ON true
WHERE (c.calendar_end IS NULL OR c.calendar_end < now() + interval '400 days')
  -- Of a zone that nobody knows there can be none.
  AND u.timezone IN (SELECT z.name FROM pg_timezone_names z)
ORDER BY 1
