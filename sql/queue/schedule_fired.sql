-- Enters fires of schedule $1 into the ledger: times, jobs and outcomes.
INSERT INTO tally.schedule_fires (schedule, fire_at, job_id, outcome, fired_at)
SELECT $1, f.fire_at, f.job_id, f.outcome, now()
FROM unnest($2::timestamptz[], $3::bigint[], $4::text[]) AS f (fire_at, job_id, outcome)
