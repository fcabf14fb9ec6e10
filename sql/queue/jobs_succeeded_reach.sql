-- Returns the last of $3 attempts of the newest jobs below ($1, $2); no row when there are fewer.
SELECT job_id, claim
FROM tally.job_history
WHERE job_id <= $1 AND (job_id, claim) < ($1, $2::bigint)
ORDER BY job_id DESC, claim DESC
OFFSET $3::bigint - 1
LIMIT 1
