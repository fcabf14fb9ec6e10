-- Returns one row: attempts that ended in the last five minutes among those of the 10,000 newest, the ones of the last five
-- minutes that did not succeed, and marks that wait.
SELECT (SELECT count(*) FROM (SELECT h.finished_at FROM tally.job_history h ORDER BY h.job_id DESC LIMIT 10000) newest
        WHERE newest.finished_at > now() - interval '5 minutes') AS "jobs_ended!",
       (SELECT count(*) FROM tally.job_history h
        WHERE h.finished_at > now() - interval '5 minutes' AND h.outcome <> 'succeeded') AS "jobs_failed!",
       (SELECT count(*) FROM tally.rollup_marks) AS "marks!"
