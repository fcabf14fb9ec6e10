-- The hours of the local day $2 in the zone $1, in order, as label and minutes.
SELECT h.hour || ':' || (extract(epoch FROM h.bucket_end - h.bucket_start) / 60)::integer
FROM (
    SELECT DISTINCT h.*
    FROM tally.calendar c
    CROSS JOIN generate_series(c.bucket_start, c.bucket_end - interval '15 minutes', interval '15 minutes') q
    CROSS JOIN LATERAL tally.hour_bucket($1, q) h
    WHERE c.zone = $1 AND c.grain = 'day' AND c.date = $2
) h
ORDER BY h.bucket_start
