-- Gives the day rows of the tenant $1 histograms and contacts, whole periods apart: 30 days ago 5 calls of 7 s with the
-- contacts 1 to 4, 29 days ago 90 of 10 s and 5 of 60 s with 1 to 3, today 4 of 60 s and 1 of 3,600 s with 3 and 4.
UPDATE public.user_analytics a
SET duration_values = v.vals, duration_counts = v.counts,
    contact_ids = ARRAY(SELECT lpad(c::text, 32, '0')::uuid FROM unnest(v.contacts) c)
FROM (VALUES
    (30, ARRAY[7], ARRAY[5], ARRAY[1, 2, 3, 4]),
    (29, ARRAY[10, 60], ARRAY[90, 5], ARRAY[1, 2, 3]),
    (0, ARRAY[60, 3600], ARRAY[4, 1], ARRAY[3, 4])
) AS v (days_ago, vals, counts, contacts)
JOIN public.users u ON u.id = $1
WHERE a.user_id = u.id AND a.grain = 'day' AND a.date = (now() AT TIME ZONE u.timezone)::date - v.days_ago
