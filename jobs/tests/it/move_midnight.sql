-- Moves the end of the present day in the zone of the tenant $1 to $2 seconds from now; returns when that is.
WITH today AS (
    UPDATE tally.calendar c SET bucket_end = now() + make_interval(secs => $2)
    FROM public.users u
    WHERE u.id = $1 AND c.zone = u.timezone AND c.grain = 'day' AND c.bucket_start <= now() AND c.bucket_end > now()
    RETURNING c.zone, c.date, c.bucket_end
), tomorrow AS (
    UPDATE tally.calendar c SET bucket_start = t.bucket_end
    FROM today t
    WHERE c.zone = t.zone AND c.grain = 'day' AND c.date = t.date + 1
)
SELECT bucket_end FROM today
