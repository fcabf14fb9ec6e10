-- Returns one row: when an attempt of kind $1 last succeeded, among those of the 20,000 newest jobs' attempts, and how long ago.
SELECT max(h.finished_at) AS ended_at, extract(epoch FROM now() - max(h.finished_at))::float8 AS age_seconds
FROM (SELECT kind, outcome, finished_at FROM tally.job_history ORDER BY job_id DESC LIMIT 20000) h
WHERE h.kind = $1 AND h.outcome = 'succeeded'
