-- Returns the instants at which the local dates from $2 to $3, both included, begin and end in the zone of tenant $1; nulls for
-- dates outside the calendar. No row: no such tenant.
SELECT (SELECT min(c.bucket_start) FROM tally.calendar c WHERE c.zone = u.timezone AND c.grain = 'day' AND c.date >= $2) AS from_time,
       (SELECT max(c.bucket_end) FROM tally.calendar c WHERE c.zone = u.timezone AND c.grain = 'day' AND c.date <= $3) AS to_time
FROM public.users u
WHERE u.id = $1
