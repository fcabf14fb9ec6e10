-- Returns the local days and months of zone $1, oldest first.
SELECT grain, bucket_start, bucket_end, date
FROM tally.calendar
WHERE zone = $1
ORDER BY grain, bucket_start
