DELETE FROM tally.jobs;
DELETE FROM tally.rollup_marks;
DELETE FROM tally.job_leases;
INSERT INTO tally.job_leases (lease_id, label, started_at, beat_at, expires_at, queues)
VALUES ('11111111-1111-4111-8111-111111111111', 'there:7', now(), now(), now() + interval '1 day', '{default,reconcile}');
UPDATE tally.schedules SET next_fire_at = now() + interval '1 day';
SELECT tally.keep_job_history(3, 36500);
SELECT tally.ensure_zone(timezone) FROM users;
CREATE SCHEMA kept;
CREATE TABLE kept.migrations AS SELECT * FROM public._sqlx_migrations;
CREATE TABLE kept.calendar AS SELECT * FROM tally.calendar;
