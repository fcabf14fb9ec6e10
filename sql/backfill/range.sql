-- Returns the tenant's zone, and [$2, $3) widened to whole local days of it; nothing when the tenant is gone.
-- $1 tenant, $2 from, $3 to.
SELECT u.timezone AS zone, min(k.bucket_start) AS "from_time!", max(k.bucket_end) AS "to_time!"
FROM public.users u
JOIN tally.calendar k ON k.zone = u.timezone AND k.grain = 'day' AND k.bucket_end > $2 AND k.bucket_start < $3
WHERE u.id = $1
GROUP BY u.timezone
