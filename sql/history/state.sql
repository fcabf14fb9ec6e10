-- Returns what stands in the roll-ups of tenant $1 from $2 to $3: whether anything below $3 is marked, the sums of the
-- quarters and of the days, and how often the quarters before $3 have been recomputed: when that is the same later, and
-- nothing is marked, no call before $3 has changed in between.
SELECT EXISTS (SELECT FROM tally.rollup_marks m WHERE m.user_id = $1 AND m.bucket_start < $3
               AND m.bucket_start >= tally.frozen_before($1)) AS marked,
       q.calls, q.hi, q.lo, d.calls, d.hi, d.lo, g.generations
FROM (
    SELECT coalesce(sum(total_calls), 0)::bigint AS calls, coalesce(sum(fingerprint_hi), 0)::bigint AS hi,
           coalesce(sum(fingerprint_lo), 0)::bigint AS lo
    FROM tally.quarter_rollups WHERE user_id = $1 AND bucket_start >= $2 AND bucket_start < $3
) q
CROSS JOIN (
    SELECT coalesce(sum(total_calls), 0)::bigint AS calls, coalesce(sum(fingerprint_hi), 0)::bigint AS hi,
           coalesce(sum(fingerprint_lo), 0)::bigint AS lo
    FROM public.user_analytics WHERE user_id = $1 AND grain = 'day' AND bucket_start >= $2 AND bucket_start < $3
) d
CROSS JOIN (
    SELECT coalesce(sum(generation), 0)::bigint AS generations
    FROM tally.rollup_buckets WHERE user_id = $1 AND tier = 0 AND bucket_start < $3
) g
