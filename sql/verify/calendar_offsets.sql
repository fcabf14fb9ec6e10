-- Returns the periods of constant offset of zone $1, oldest first; offsets in microseconds.
SELECT period_start, period_end, (extract(epoch FROM utc_offset) * 1000000)::bigint AS "offset_micros!"
FROM tally.zone_offsets
WHERE zone = $1
ORDER BY period_start
