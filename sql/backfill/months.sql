-- Returns the local months of zone $1 that hold a day from $2 to $3 (either may be null) and an instant of [$4, $5], newest first; each
-- with the part of it that lies between those days: from the start of its first day to the end of its last.
SELECT m.bucket_start AS "month_start!", min(k.bucket_start) AS "from_time!", max(k.bucket_end) AS "to_time!"
FROM tally.calendar m
JOIN tally.calendar k ON k.zone = m.zone AND k.grain = 'day' AND k.bucket_start >= m.bucket_start AND k.bucket_start < m.bucket_end
WHERE m.zone = $1 AND m.grain = 'month' AND m.bucket_end > $4 AND m.bucket_start <= $5
  AND k.date >= coalesce($2::date, k.date) AND k.date <= coalesce($3::date, k.date) AND k.bucket_end > $4 AND k.bucket_start <= $5
GROUP BY m.bucket_start
ORDER BY m.bucket_start DESC
