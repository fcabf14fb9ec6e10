//! The faults: how each is seeded from outside, what must find it, and how it is undone.

use tallyline::doctor::State;

/// One that SQL can seed.
pub struct Fault {
    pub check: &'static str,
    pub state: State,
    /// A piece of the command that mends it.
    pub mend: &'static str,
    pub seed: &'static str,
    pub undo: &'static str,
}

pub const FAULTS: &[Fault] = &[
    Fault {
        check: "table-vacuum",
        state: State::Problem,
        mend: "RESET (autovacuum_enabled)",
        seed: "ALTER TABLE tally.jobs SET (autovacuum_enabled = false)",
        undo: "ALTER TABLE tally.jobs RESET (autovacuum_enabled)",
    },
    Fault {
        check: "history-partitions",
        state: State::Warning,
        mend: "SELECT tally.keep_job_history(3, 36500)",
        seed: "DO $$ BEGIN EXECUTE format('DROP TABLE tally.%I', 'job_history_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')); END $$",
        undo: "SELECT tally.keep_job_history(3, 36500)",
    },
    Fault {
        check: "calendar",
        state: State::Problem,
        mend: "tallyline jobs enqueue extend_calendar",
        seed: "DELETE FROM tally.calendar WHERE bucket_start > now() + interval '100 days'",
        undo: "INSERT INTO tally.calendar SELECT * FROM kept.calendar ON CONFLICT DO NOTHING",
    },
    Fault {
        check: "zones",
        state: State::Problem,
        mend: "--timezone UTC",
        seed: "BEGIN;
         SET LOCAL session_replication_role = replica;
         UPDATE users SET timezone = 'Mars/Olympus' WHERE email = 'a@example.test';
         COMMIT",
        undo: "BEGIN;
         SET LOCAL session_replication_role = replica;
         UPDATE users SET timezone = 'UTC' WHERE email = 'a@example.test';
         COMMIT",
    },
    Fault {
        check: "workers",
        state: State::Problem,
        mend: "tallyline run",
        seed: "UPDATE tally.job_leases SET expires_at = now() - interval '1 minute'",
        undo: "UPDATE tally.job_leases SET expires_at = now() + interval '1 day'",
    },
    Fault {
        check: "queues-served",
        state: State::Problem,
        mend: "tallyline run --roles worker",
        seed: "INSERT INTO tally.jobs (kind, queue, run_at, created_at) VALUES ('verify_rollups', 'lonely', now() - interval '1 hour', now())",
        undo: "DELETE FROM tally.jobs",
    },
    Fault {
        check: "jobs-late",
        state: State::Warning,
        mend: "tallyline queue workers",
        seed: "INSERT INTO tally.jobs (kind, queue, run_at, created_at) VALUES ('verify_rollups', 'default', now() - interval '1 hour', now())",
        undo: "DELETE FROM tally.jobs",
    },
    Fault {
        check: "jobs-overdue",
        state: State::Problem,
        mend: "tallyline jobs cancel ",
        seed: "INSERT INTO tally.jobs (kind, queue, run_at, created_at, state, attempt, claims, lease_id, claimed_at, deadline_at, claimed_generation)
         VALUES ('verify_rollups', 'default', now(), now(), 'claimed', 1, 1, '11111111-1111-4111-8111-111111111111', now(),
             now() - interval '1 hour', 1)",
        undo: "DELETE FROM tally.jobs",
    },
    Fault {
        check: "queues-paused",
        state: State::Warning,
        mend: "tallyline queue resume default",
        seed: "INSERT INTO tally.paused_queues (queue, paused_at, reason) VALUES ('default', now(), 'x')",
        undo: "DELETE FROM tally.paused_queues",
    },
    Fault {
        check: "queues-paused",
        state: State::Warning,
        mend: "tallyline queue resume --kind reconcile_calls",
        seed: "INSERT INTO tally.paused_kinds (kind, paused_at, reason) VALUES ('reconcile_calls', now(), 'x')",
        undo: "DELETE FROM tally.paused_kinds",
    },
    Fault {
        check: "dead-jobs",
        state: State::Warning,
        mend: "tallyline jobs retry --dead --kind reconcile_all",
        seed: "INSERT INTO tally.dead_jobs
             (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
         VALUES (1, 'reconcile_all', 'default', '{}', 1, 5, 5, 'x', now(), now(), 5)",
        undo: "DELETE FROM tally.dead_jobs",
    },
    Fault {
        check: "schedules-paused",
        state: State::Warning,
        mend: "tallyline schedule resume verify-nightly",
        seed: "UPDATE tally.schedules SET paused = true, paused_at = now(), paused_reason = 'x' WHERE name = 'verify-nightly'",
        undo: "UPDATE tally.schedules SET paused = false, paused_at = NULL, paused_reason = NULL",
    },
    Fault {
        check: "schedules-late",
        state: State::Problem,
        mend: "tallyline run --roles scheduler",
        seed: "UPDATE tally.schedules SET next_fire_at = now() - interval '1 hour' WHERE name = 'verify-nightly'",
        undo: "UPDATE tally.schedules SET next_fire_at = now() + interval '1 day'",
    },
    Fault {
        check: "inbox-lag",
        state: State::Warning,
        mend: "tallyline run --roles worker",
        seed: "INSERT INTO tally.inbox (user_id, id, provider, endpoint, body_sha256, body, received_at)
         SELECT id, 7, 'bolna', 'endpoint', sha256('x'), NULL, now() - interval '1 hour' FROM users WHERE email = 'a@example.test';
         INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at) SELECT user_id, id, received_at FROM tally.inbox",
        undo: "DELETE FROM tally.inbox_pending; DELETE FROM tally.inbox",
    },
    Fault {
        check: "retention",
        state: State::Warning,
        mend: "tallyline jobs enqueue purge_expired",
        seed: "INSERT INTO tally.inbox (user_id, id, provider, endpoint, body_sha256, body, received_at)
         SELECT id, 7, 'bolna', 'endpoint', sha256('x'), 'body', now() - interval '100 days' FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.inbox",
    },
    Fault {
        check: "marks-lag",
        state: State::Warning,
        mend: "tallyline run --roles worker",
        seed: "INSERT INTO tally.rollup_marks (user_id, tier, bucket_start, marked_at)
         SELECT id, 0, '2026-01-05 00:00Z', now() - interval '1 hour' FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.rollup_marks",
    },
    Fault {
        check: "failing-buckets",
        state: State::Problem,
        mend: "--repair",
        seed: "INSERT INTO tally.rollup_buckets (user_id, tier, bucket_start, failures, last_error)
         SELECT id, 0, '2026-01-05 00:00Z', 3, 'x' FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.rollup_buckets WHERE failures > 0",
    },
    Fault {
        check: "spools",
        state: State::Warning,
        mend: "tallyline status",
        seed: "INSERT INTO tally.spools (spool_id, label, events, bytes, oldest_received_at, noted_at)
         VALUES (gen_random_uuid(), 'there:7', 5, 500, now(), now())",
        undo: "DELETE FROM tally.spools",
    },
    Fault {
        check: "unknown-agents",
        state: State::Warning,
        mend: "--bolna-agent-id agent-x --name",
        seed: "INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, wait_key, body, received_at)
         SELECT id, 'bolna', 'endpoint', 'unknown_agent', 'agent-x', 'x', now() FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.quarantine",
    },
    Fault {
        check: "unknown-agents",
        state: State::Warning,
        mend: "--bolna-agent-id ID --name",
        seed: "INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, wait_key, body, received_at)
         SELECT id, 'bolna', 'endpoint', 'unknown_agent', 'x; rm -r /', 'x', now() FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.quarantine",
    },
    Fault {
        check: "quarantine",
        state: State::Warning,
        mend: "tallyline inbox quarantined --reason not_json",
        seed: "INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, wait_key, body, received_at)
         SELECT id, 'bolna', 'endpoint', 'not_json', NULL, 'x', now() FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.quarantine",
    },
    Fault {
        check: "tenants-without-endpoint",
        state: State::Warning,
        mend: "SET disabled_at = NULL",
        seed: "UPDATE tally.endpoints SET disabled_at = now()",
        undo: "UPDATE tally.endpoints SET disabled_at = NULL",
    },
    Fault {
        check: "tenants-without-agent",
        state: State::Warning,
        mend: "tallyline agent add ",
        seed: "UPDATE agents SET is_active = false",
        undo: "UPDATE agents SET is_active = true",
    },
    Fault {
        check: "previous-secrets",
        state: State::Warning,
        mend: "bolna --overlap-hours 0",
        seed: "UPDATE tally.endpoints SET previous_secret_sha256 = sha256('x'), previous_expires_at = now() + interval '30 days'
         WHERE provider = 'bolna'",
        undo: "UPDATE tally.endpoints SET previous_secret_sha256 = NULL, previous_expires_at = NULL",
    },
    Fault {
        check: "verify-differences",
        state: State::Problem,
        mend: "tallyline verify --tenant ",
        seed: "INSERT INTO tally.audit_differences (user_id, found_by, figure, compared_with, expected, found)
         SELECT id, 'full', 'total_calls', 'calls', '2', '1' FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.audit_differences",
    },
    Fault {
        check: "verify-stale",
        state: State::Warning,
        mend: "tallyline jobs enqueue verify_rollups",
        seed: "UPDATE users SET created_at = now() - interval '10 days' WHERE email = 'a@example.test'",
        undo: "UPDATE users SET created_at = now() WHERE email = 'a@example.test'",
    },
    Fault {
        check: "kpi-view",
        state: State::Warning,
        mend: "tallyline jobs enqueue refresh_kpi_summary",
        seed: "INSERT INTO system_config (config_key, config_value) VALUES ('last_kpi_refresh', '1764147600')
         ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value",
        undo: "DELETE FROM system_config",
    },
    Fault {
        check: "settings",
        state: State::Warning,
        mend: "tallyline settings unset no_such",
        seed: "INSERT INTO system_config (config_key, config_value) VALUES ('no_such', '1')",
        undo: "DELETE FROM system_config",
    },
    Fault {
        check: "dashboards",
        state: State::Warning,
        mend: "tallyline jobs enqueue rebuild_all_dashboards",
        seed: "INSERT INTO dashboard_cache (user_id, cache_key, cache_data, generation, expires_at)
         SELECT id, 'seeded', '{}', 1, now() - interval '1 day' FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM dashboard_cache WHERE cache_key = 'seeded'",
    },
    Fault {
        check: "backfills",
        state: State::Warning,
        mend: "tallyline backfill resume ",
        seed: "INSERT INTO tally.backfills (mode, method, state) VALUES ('all', 'marks', 'paused')",
        undo: "DELETE FROM tally.backfills",
    },
    Fault {
        check: "super-admin",
        state: State::Warning,
        mend: "--role super_admin",
        seed: "UPDATE users SET is_active = false WHERE role = 'super_admin'",
        undo: "UPDATE users SET is_active = true WHERE role = 'super_admin'",
    },
    Fault {
        check: "api-tokens",
        state: State::Warning,
        mend: "tallyline account add-token boss@example.test --name reports --days 90",
        seed: "INSERT INTO tally.api_tokens (user_id, name, token_hash, expires_at)
         SELECT id, 'reports', 'hash', now() + interval '1 day' FROM users WHERE role = 'super_admin'",
        undo: "DELETE FROM tally.api_tokens",
    },
    Fault {
        check: "analyses-without-provider",
        state: State::Warning,
        mend: "--provider rules",
        seed: "INSERT INTO tally.call_analyses (user_id, call_id, provider, input_sha256, analyzed_at, state, finished_at, error_code)
         SELECT user_id, id, 'rules', sha256('x'), now(), 'pending', NULL, NULL FROM calls",
        undo: "DELETE FROM tally.call_analyses",
    },
    Fault {
        check: "analyses-failed",
        state: State::Warning,
        mend: "tallyline analyses retry --tenant ",
        seed: "INSERT INTO tally.call_analyses (user_id, call_id, provider, input_sha256, analyzed_at, state, finished_at, error_code)
         SELECT user_id, id, 'rules', sha256('x'), now(), 'failed', now(), 'gave_up' FROM calls",
        undo: "DELETE FROM tally.call_analyses",
    },
    Fault {
        check: "notification-endpoints",
        state: State::Warning,
        mend: "tallyline notify endpoint enable --tenant ",
        seed: "INSERT INTO tally.notification_endpoints (user_id, url, sealed_key, disabled_at, disabled_reason)
         SELECT id, 'https://example.com/', 'x', now(), 'gone' FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.notification_endpoints",
    },
    Fault {
        check: "provider-accounts",
        state: State::Warning,
        mend: "tallyline tenant provider set --tenant ",
        seed: "INSERT INTO tally.provider_accounts (user_id, provider, base_url, sealed_key, last_error)
         SELECT id, 'bolna', 'https://api.example.com', 'x', 'http_500' FROM users WHERE email = 'a@example.test'",
        undo: "DELETE FROM tally.provider_accounts",
    },
    Fault {
        check: "migrations",
        state: State::Problem,
        mend: "tallyline migrate",
        seed: "DELETE FROM public._sqlx_migrations WHERE version = (SELECT max(version) FROM kept.migrations)",
        undo: "INSERT INTO public._sqlx_migrations SELECT * FROM kept.migrations ON CONFLICT DO NOTHING",
    },
    Fault {
        check: "migrations-changed",
        state: State::Problem,
        mend: "tallyline migrate --check",
        seed: "UPDATE public._sqlx_migrations SET checksum = 'x' WHERE version = (SELECT max(version) FROM kept.migrations)",
        undo: "UPDATE public._sqlx_migrations m SET checksum = k.checksum FROM kept.migrations k WHERE k.version = m.version",
    },
    Fault {
        check: "migrations-unknown",
        state: State::Problem,
        mend: "tallyline migrate --check",
        seed: "INSERT INTO public._sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
         VALUES (99990101000000, 'later', now(), true, 'x', 1)",
        undo: "DELETE FROM public._sqlx_migrations WHERE version = 99990101000000",
    },
    Fault {
        check: "schema-objects",
        state: State::Problem,
        mend: "ALTER TABLE public.users ENABLE TRIGGER users_touch",
        seed: "ALTER TABLE users DISABLE TRIGGER users_touch",
        undo: "ALTER TABLE users ENABLE TRIGGER users_touch",
    },
    Fault {
        check: "schema-drift",
        state: State::Warning,
        mend: "diff migrations/schema.sql",
        seed: "ALTER TABLE tally.spools ADD COLUMN by_hand integer",
        undo: "ALTER TABLE tally.spools DROP COLUMN by_hand",
    },
    Fault {
        check: "indexes",
        state: State::Problem,
        mend: "jobs_to_cancel ' migrations/schema.sql",
        seed: "DROP INDEX tally.jobs_to_cancel",
        undo: "CREATE INDEX jobs_to_cancel ON tally.jobs USING btree (id) WHERE (cancel_requested_at IS NOT NULL)",
    },
    Fault {
        check: "indexes",
        state: State::Problem,
        mend: "REINDEX INDEX tally.jobs_to_cancel",
        seed: "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tally.jobs_to_cancel'::regclass",
        undo: "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'tally.jobs_to_cancel'::regclass",
    },
    Fault {
        check: "isolation",
        state: State::Problem,
        mend: "ALTER TABLE public.calls ENABLE ROW LEVEL SECURITY",
        seed: "ALTER TABLE calls DISABLE ROW LEVEL SECURITY",
        undo: "ALTER TABLE calls ENABLE ROW LEVEL SECURITY",
    },
];

/// Variables, the check that finds them, and a piece of the command that mends them.
pub type Configured = (&'static [(&'static str, &'static str)], &'static str, State, &'static str);

const OPEN: (&str, &str) = ("TALLYLINE_HTTP__LISTEN", "0.0.0.0:0");

pub const CONFIGURATIONS: &[Configured] = &[
    (&[("TALLYLINE_HTTP__LISTNE", "x")], "config", State::Problem, "tallyline config check"),
    (&[("TALLYLINE_RECEIVER__TENANT_BURST_REQUESTS", "1")], "config-ranges", State::Problem, "tallyline config check"),
    (&[("TALLYLINE_SERVICE_HOST", "10.0.0.1")], "environment", State::Warning, "tallyline config show --origin"),
    (&[OPEN, ("TALLYLINE_DASHBOARD__LOGIN", "false")], "login", State::Problem, "DASHBOARD__LOGIN=true"),
    (
        &[OPEN, ("TALLYLINE_HTTP__PUBLIC_ORIGIN", "http://calls.example.test")],
        "https",
        State::Warning,
        "PUBLIC_ORIGIN=https://",
    ),
    (&[("TALLYLINE_HTTP__PUBLIC_ORIGIN", "")], "public-origin", State::Warning, "PUBLIC_ORIGIN=https://"),
    (
        &[("TALLYLINE_SECRETS__KEY", ""), ("TALLYLINE_DATABASE__DATA_DIR", "/nowhere")],
        "secrets-key",
        State::Problem,
        "openssl rand -hex 32",
    ),
    (
        &[("TALLYLINE_SECRETS__KEY", "0808080808080808080808080808080808080808080808080808080808080808")],
        "sealed-secrets",
        State::Problem,
        "tallyline tenant rotate-secret ",
    ),
    (&[("TALLYLINE_RECEIVER__SPOOL_DIR", "/nowhere/spool")], "spool-dir", State::Problem, "install -d -m 700"),
];

/// Checks whose fault is seeded by a test and not by a line of these lists.
pub const ELSEWHERE: &[&str] = &[
    // each_fault_in_the_database…
    "database",
    "roles",
    "account",
    "long-transactions",
    "dead-rows",
    // each_fault_in_configuration_and_files…
    "config",
    "config-ranges",
    "environment",
    "listen-address",
    "login",
    "https",
    "public-origin",
    "schedules-known",
    "secrets-key",
    "key-file",
    "sealed-secrets",
    "data-dir",
    "disk-space",
    "spool-dir",
    "spool-room",
    "spool-lock",
    "spool-segments",
    // server_facts…
    "server-version",
    "encoding",
    "fsync",
    "full-page-writes",
    "synchronous-commit",
    "data-checksums",
    "autovacuum",
    "clock",
    "connections",
    "prepared-transactions",
    "replication-slots",
];
