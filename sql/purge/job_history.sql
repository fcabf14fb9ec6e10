-- Deletes finished attempts past their retention that have no partition of their day, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.job_history_other WHERE ctid = ANY (ARRAY(
    SELECT h.ctid FROM tally.job_history_other h WHERE h.finished_at < now() - make_interval(days => $1) LIMIT 10000))
