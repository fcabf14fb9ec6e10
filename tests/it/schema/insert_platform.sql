-- Writes one row into each table that belongs to no tenant and is empty after the migrations.
INSERT INTO public.phone_numbers (name, phone_number, bolna_phone_number_id, created_by_admin_id)
VALUES ('Main', '15550199', 'number-1', gen_random_uuid());
INSERT INTO public.login_attempts (email) VALUES ('a@example.com');
INSERT INTO public.password_reset_attempts (email) VALUES ('a@example.com');
INSERT INTO public.admin_audit_log (admin_user_id, action, resource_type) VALUES (gen_random_uuid(), 'LOOK', 'user');
INSERT INTO public.system_config (config_key, config_value) VALUES ('key-1', 'value');
INSERT INTO tally.job_leases (lease_id, label, started_at, beat_at, expires_at) VALUES (gen_random_uuid(), 'test', now(), now(), now());
INSERT INTO tally.schedules (name, kind, queue, priority, max_attempts, cron, timezone, payload, missed, overlap, updated_at)
VALUES ('nightly', 'work', 'default', 1, 1, '0 0 * * *', 'UTC', '{}', 'skip', 'skip', now());
INSERT INTO tally.schedule_fires (schedule, fire_at, job_id, outcome, fired_at) VALUES ('nightly', now(), 1, 'enqueued', now());
INSERT INTO tally.paused_queues (queue, paused_at, reason) VALUES ('default', now(), 'test');
INSERT INTO tally.paused_kinds (kind, paused_at, reason) VALUES ('work', now(), 'test');
INSERT INTO tally.queue_caps (queue, tenant_cap, updated_at) VALUES ('default', 1, now());
INSERT INTO tally.backfills (mode, method) VALUES ('all', 'scan');
INSERT INTO tally.spools (spool_id, label, events, bytes, oldest_received_at, noted_at)
VALUES (gen_random_uuid(), 'host:1', 1, 100, now(), now());
INSERT INTO tally.service_exporter (only_row, process_id, label, held_until) VALUES (true, gen_random_uuid(), 'host:1', now());
