-- Deletes finished attempts past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.job_history WHERE (job_id, history_id) IN (
    SELECT h.job_id, h.history_id FROM tally.job_history h WHERE h.finished_at < now() - make_interval(days => $1) LIMIT 10000)
