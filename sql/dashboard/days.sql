-- Returns the last $2 local days of the zone $1, today first.
SELECT date, bucket_start AS start, bucket_end AS "end"
FROM tally.calendar
WHERE zone = $1 AND grain = 'day' AND bucket_start <= now()
ORDER BY bucket_start DESC
LIMIT $2
