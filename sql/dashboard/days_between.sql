-- Returns the local days of the zone $1 from $2 to $3, both included, the last first.
SELECT date, bucket_start AS start, bucket_end AS "end"
FROM tally.calendar
WHERE zone = $1 AND grain = 'day' AND date >= $2 AND date <= $3
ORDER BY bucket_start DESC
