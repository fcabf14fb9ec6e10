-- Fills what does not grow with calls: 100,000 attempts of jobs in a day, 500 dead letters, 300 waiting jobs, 50,000 entries of the audit log.
WITH history AS (
    INSERT INTO tally.job_history (job_id, claim, kind, queue, user_id, attempt, outcome, queued_at, started_at, finished_at, duration_ms)
    SELECT -n, 1, (ARRAY['rebuild_dashboards', 'analyze_trends'])[1 + n % 2], 'default', md5('page ' || 1 + n % 200)::uuid, 1,
           CASE WHEN n % 200 = 0 THEN 'failed' ELSE 'succeeded' END, t.at, t.at, t.at, 40
    FROM generate_series(1, 100000) n CROSS JOIN LATERAL (SELECT now() - make_interval(secs => n * 0.8) AS at) t
), dead AS (
    INSERT INTO tally.dead_jobs (dead_id, job_id, kind, queue, user_id, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
    SELECT nextval('tally.dead_jobs_id_seq'), -1000000 - n, 'rebuild_dashboards', 'default', md5('page ' || 1 + n % 200)::uuid, '{}', 1, 10, 10,
           'the bench says so', now() - make_interval(mins => n), now() - make_interval(mins => n), 10
    FROM generate_series(1, 500) n
), audit AS (
    INSERT INTO public.admin_audit_log (admin_user_id, action, resource_type, resource_id, target_user_id, details, ip_address, created_at)
    SELECT md5('page 1')::uuid, (ARRAY['job.retry', 'queue.pause', 'credits.add'])[1 + n % 3], 'job', n::text, md5('page ' || 1 + n % 200)::uuid,
           '{"reason": "bench"}', '192.0.2.7', now() - make_interval(mins => n)
    FROM generate_series(1, 50000) n
), fire AS (
    INSERT INTO tally.schedule_fires (schedule, fire_at, outcome, fired_at)
    SELECT (SELECT min(name) FROM tally.schedules), now() - make_interval(mins => n * 15), 'skipped_missed', now() - make_interval(mins => n * 15)
    FROM generate_series(1, 5000) n
)
SELECT count(tally.enqueue_job('rebuild_dashboards', '{}', md5('page ' || 1 + n % 200)::uuid, interval '1 day')) FROM generate_series(1, 300) n
