-- Returns the tenant $1 with its local day today and a period: the dates $2 to $3, both included, or the last $4 local days.
-- previous_from begins as many days before it. Nulls for dates outside the calendar; frozen_before: older calls are in files.
SELECT u.name, u.timezone AS zone, u.currency::text AS "currency!", u.credits_micros, t.today AS "today!",
       p.from_date AS "from_date!", p.to_date AS "to_date!", b.from_time, b.to_time,
       (SELECT min(c.bucket_start) FROM tally.calendar c
        WHERE c.zone = u.timezone AND c.grain = 'day' AND c.date >= p.from_date - (p.to_date - p.from_date + 1)) AS previous_from_time,
       (SELECT h.frozen_before FROM tally.history_horizons h WHERE h.user_id = u.id) AS frozen_before
FROM public.users u
CROSS JOIN LATERAL (
    SELECT c.date AS today FROM tally.calendar c
    WHERE c.zone = u.timezone AND c.grain = 'day' AND c.bucket_start <= now()
    ORDER BY c.bucket_start DESC LIMIT 1
) t
CROSS JOIN LATERAL (
    SELECT coalesce($2::date, coalesce($3::date, t.today) - $4::integer + 1) AS from_date, coalesce($3::date, t.today) AS to_date
) p
CROSS JOIN LATERAL (
    SELECT (SELECT min(c.bucket_start) FROM tally.calendar c
            WHERE c.zone = u.timezone AND c.grain = 'day' AND c.date >= p.from_date) AS from_time,
           (SELECT max(c.bucket_end) FROM tally.calendar c
            WHERE c.zone = u.timezone AND c.grain = 'day' AND c.date <= p.to_date) AS to_time
) b
WHERE u.id = $1
