-- Claims of jobs that were ended more than once.
SELECT concat_ws(' ', 'job', job_id, 'claim', claim, 'ended', count(*), 'times') FROM tally.job_history
GROUP BY job_id, claim HAVING count(*) > 1
