-- Returns what the figures of the buckets of tier $2 (1 hour, 2 day, 3 month) of tenant $1 that begin in [$3, $4) depend on, as one
-- text: how often they were recomputed, and the marks that are to be counted live. The text is another one when a figure is.
SELECT concat_ws('-', b.buckets, b.generations, m.marks, m.newest) AS "stamp!"
FROM (
    SELECT count(*) AS buckets, coalesce(sum(generation), 0) AS generations
    FROM tally.rollup_buckets WHERE user_id = $1 AND tier = $2 AND bucket_start >= $3 AND bucket_start < $4
) b
CROSS JOIN (
    SELECT count(*) AS marks, coalesce(max(seq), 0) AS newest
    FROM tally.rollup_marks WHERE user_id = $1 AND tier <= $2 AND bucket_start >= $3 AND bucket_start < $4
) m
