-- Returns the zone of tenant $1 and a digest of what its calendar says of [$2, $3): if both are the same later, the same buckets lie there.
SELECT u.timezone AS zone, md5(coalesce(string_agg(c.line, ';' ORDER BY c.line), '')) AS "digest!"
FROM public.users u
LEFT JOIN LATERAL (
    SELECT concat_ws(' ', k.grain, extract(epoch FROM k.bucket_start), extract(epoch FROM k.bucket_end), k.date) AS line
    FROM tally.calendar k
    WHERE k.zone = u.timezone AND k.bucket_end > $2 AND k.bucket_start < $3
    UNION ALL
    SELECT concat_ws(' ', 'offset', extract(epoch FROM o.period_start), extract(epoch FROM o.period_end), extract(epoch FROM o.utc_offset))
    FROM tally.zone_offsets o
    WHERE o.zone = u.timezone AND o.period_end > $2 AND o.period_start < $3
) c ON true
WHERE u.id = $1
GROUP BY u.timezone
