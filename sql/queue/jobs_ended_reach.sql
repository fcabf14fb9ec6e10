-- Returns the last of $5 attempts that did not succeed, since $1 and below ($2, $3, $4); no row when there are fewer.
SELECT finished_at, job_id, claim
FROM tally.job_history
WHERE outcome <> 'succeeded' AND finished_at >= $1 AND finished_at <= $2
    AND (finished_at, job_id, claim) < ($2, $3::bigint, $4::bigint)
ORDER BY finished_at DESC, job_id DESC, claim DESC
OFFSET $5::bigint - 1
LIMIT 1
