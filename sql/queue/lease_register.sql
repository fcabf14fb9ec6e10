-- Registers lease $1 of the process labelled $2 for $3 seconds; it takes jobs from the queues $4.
INSERT INTO tally.job_leases (lease_id, label, started_at, beat_at, expires_at, queues)
VALUES ($1, $2, now(), now(), now() + $3::float8 * interval '1 second', $4)
