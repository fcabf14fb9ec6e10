-- Takes those marks of tenant $1 that the scan saw on buckets which are written now; returns nothing.
-- $2 their seqs.
DELETE FROM tally.rollup_marks WHERE user_id = $1 AND seq = ANY ($2::bigint[])
