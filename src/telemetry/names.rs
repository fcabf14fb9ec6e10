//! Every metric by name. `docs/metrics.md` is made of this list, `/metrics` takes
//! help texts and buckets from it, and a test holds it against the sources.

use ::metrics::Unit;

pub use super::metric::{Buckets, Group, Kind, Metric, Scope, markdown};
use super::metric::{counter, gauge, gauge_bytes, gauge_seconds, histogram, seconds};

pub const BUILD_INFO: &str = "tallyline_build_info";
pub const START_TIME: &str = "tallyline_start_time_seconds";
pub const READY: &str = "tallyline_ready";
pub const HTTP_REQUESTS: &str = "tallyline_http_requests_total";
pub const HTTP_DURATION: &str = "tallyline_http_request_duration_seconds";
pub const TRACE_SPANS: &str = "tallyline_trace_spans_total";
pub const LOG_MESSAGES: &str = "tallyline_log_messages_total";
pub const POOL_CONNECTIONS: &str = "tallyline_db_pool_connections";
pub const POOL_WAIT: &str = "tallyline_db_pool_wait_seconds";
pub const CLOCK_SKEW: &str = "tallyline_clock_skew_seconds";
pub const TOKIO_WORKERS: &str = "tallyline_tokio_workers";
pub const TOKIO_BUSY: &str = "tallyline_tokio_busy_seconds_total";
pub const TOKIO_TASKS: &str = "tallyline_tokio_tasks";
pub const TOKIO_QUEUED: &str = "tallyline_tokio_queued_tasks";
pub const CPU: &str = "tallyline_process_cpu_seconds_total";
pub const RESIDENT: &str = "tallyline_process_resident_memory_bytes";
pub const OPEN_FDS: &str = "tallyline_process_open_fds";
pub const MAX_FDS: &str = "tallyline_process_max_fds";
pub const THREADS: &str = "tallyline_process_threads";
pub const SPOOL_MAX: &str = "tallyline_spool_max_bytes";
pub const COMPLETE_UNTIL: &str = "tallyline_rollup_complete_until_timestamp_seconds";
pub const RECENT_DIFFERENCES: &str = "tallyline_verify_recent_differences";
pub const LAST_FULL_VERIFY: &str = "tallyline_verify_last_full_timestamp_seconds";
pub const QUEUE_PAUSED: &str = "tallyline_queue_paused";
pub const SCHEDULE_SUCCESS: &str = "tallyline_schedule_last_success_timestamp_seconds";
pub const SCHEDULE_INTERVAL: &str = "tallyline_schedule_interval_seconds";
pub const DB_OLDEST_TRANSACTION: &str = "tallyline_db_oldest_transaction_seconds";
pub const DB_SESSIONS: &str = "tallyline_db_sessions";
pub const DB_MAX_SESSIONS: &str = "tallyline_db_max_sessions";
pub const DB_SIZE: &str = "tallyline_db_size_bytes";
pub const DB_TRANSACTIONS: &str = "tallyline_db_transactions_total";
pub const DB_BLOCKS: &str = "tallyline_db_blocks_read_total";
pub const DB_DEADLOCKS: &str = "tallyline_db_deadlocks_total";
pub const DB_TEMP_BYTES: &str = "tallyline_db_temporary_bytes_total";
pub const DB_WAL_BYTES: &str = "tallyline_db_wal_bytes_total";
pub const CRON_NEXT_FIRE: &str = "tallyline_cron_next_fire_timestamp_seconds";
pub const CRON_PAUSED: &str = "tallyline_cron_paused";
pub const SERVICE_READ: &str = "tallyline_service_metrics_read_timestamp_seconds";
pub const SERVICE_ERRORS: &str = "tallyline_service_metrics_errors_total";
pub const INBOX_WAITING: &str = "tallyline_inbox_waiting";
pub const INBOX_OLDEST: &str = "tallyline_inbox_oldest_seconds";
pub const DIRTY_BUCKETS: &str = "tallyline_rollup_dirty_buckets";
pub const FAILING_BUCKETS: &str = "tallyline_rollup_failing_buckets";
pub const ROLLUP_LAG: &str = "tallyline_rollup_lag_seconds";
pub const QUARANTINE: &str = "tallyline_quarantine_events";
pub const QUARANTINE_OLDEST: &str = "tallyline_quarantine_oldest_seconds";
pub const NOTIFICATION_DELIVERIES: &str = "tallyline_notification_deliveries";
pub const NOTIFICATION_OLDEST_DUE: &str = "tallyline_notification_oldest_due_seconds";
pub const KPI_AGE: &str = "tallyline_kpi_view_age_seconds";
pub const CACHE_OLDEST: &str = "tallyline_dashboard_cache_oldest_seconds";
pub const BACKFILL_UNITS: &str = "tallyline_backfill_units";
pub const BACKFILL_CALLS_LEFT: &str = "tallyline_backfill_calls_left";
pub const BACKFILL_ETA: &str = "tallyline_backfill_eta_seconds";
pub const ANALYSES_WAITING: &str = "tallyline_analyses_waiting";
pub const FOLDS_WAITING: &str = "tallyline_lead_folds_waiting";
pub const RECONCILE_ACCOUNTS: &str = "tallyline_reconcile_accounts";
pub const RECONCILE_TENANTS_WITHOUT: &str = "tallyline_reconcile_tenants_without_account";
pub const RECONCILE_WATERMARK: &str = "tallyline_reconcile_watermark_oldest_seconds";
pub const RECONCILE_CALLS: &str = "tallyline_reconcile_unresolved_calls";
pub const JOBS_READY: &str = "tallyline_jobs_ready";
pub const JOBS_RUNNING: &str = "tallyline_jobs_running";
pub const JOBS_DEAD: &str = "tallyline_jobs_dead";
pub const QUEUE_OLDEST: &str = "tallyline_queue_oldest_ready_seconds";

/// All metrics.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Process",
        scope: Scope::Process,
        about: "",
        metrics: &[
            gauge(BUILD_INFO, &["version"], "Always 1; the label says what runs"),
            gauge_seconds(START_TIME, &[], "When the process started, Unix time"),
            gauge(READY, &[], "1 when the last readiness check passed, else 0"),
            counter(
                HTTP_REQUESTS,
                &["route", "code"],
                "HTTP requests by route and class of the status code; what lies below a list counts as the list",
            ),
            seconds(HTTP_DURATION, Buckets::Route, &["route"], "Time from a request to the head of its answer"),
            counter(LOG_MESSAGES, &["level"], "Log messages that the filter let pass, by level"),
            counter(TRACE_SPANS, &["outcome"], "Spans for `trace.otlp_url`: exported, failed, lost for want of room"),
            gauge(
                POOL_CONNECTIONS,
                &["pool", "state"],
                "Database connections by pool (main, receiver) and state: idle, used, and the most there may be",
            ),
            seconds(
                POOL_WAIT,
                Buckets::Http,
                &["pool"],
                "Time until a pool gave a connection, tried every five seconds; a wait that was given up counts as it is",
            ),
            gauge_seconds(
                CLOCK_SKEW,
                &[],
                "How far the clock of the process is ahead of the database's; below 0: behind",
            ),
            counter(SERVICE_ERRORS, &[], "Times that the service metrics could not be read, or who is to export them"),
            gauge(TOKIO_WORKERS, &[], "Threads of the runtime"),
            counter(TOKIO_BUSY, &[], "Time for which those threads were busy, in seconds"),
            gauge(TOKIO_TASKS, &[], "Tasks that have not ended"),
            gauge(TOKIO_QUEUED, &[], "Tasks that no thread has taken yet"),
            counter(CPU, &[], "Processor time, in seconds (Linux only, as the next four)"),
            gauge_bytes(RESIDENT, &[], "Memory that is resident"),
            gauge(OPEN_FDS, &[], "File descriptors that are open"),
            gauge(MAX_FDS, &[], "File descriptors that may be open"),
            gauge(THREADS, &[], "Threads of the process"),
        ],
    },
    Group {
        title: "Receiver",
        scope: Scope::Process,
        about: "",
        metrics: &[
            counter(
                "tallyline_webhook_requests_total",
                &["provider", "outcome"],
                "Webhook requests by provider and outcome",
            ),
            counter(
                "tallyline_webhook_refusals_total",
                &["provider", "reason"],
                "Webhook requests that were refused, by reason: `no_credential`, `wrong_credential`, `address`, \
                 `tenant_rate`, `too_large` and others; those of bodies are the reasons of the quarantine",
            ),
            counter(
                "tallyline_sign_ins_total",
                &["outcome"],
                "Sign-ins: `succeeded`, `refused`, `locked` (too many failures); `stolen`: an old refresh token was used and \
                 its session was ended",
            ),
            counter(
                "tallyline_http_connections_cut_total",
                &["reason"],
                "Connections that ended without an answer of ours: `malformed`, `headers_too_large`, `silent` (slow \
                 headers, or nothing more to say), `unread` (answers that were not taken), `per_address`",
            ),
            counter(
                "tallyline_webhook_previous_secret_total",
                &["provider"],
                "Authentic webhooks that were proved by the secret before the last rotation",
            ),
            seconds(
                "tallyline_webhook_request_duration_seconds",
                Buckets::Http,
                &["provider"],
                "Time from the headers of a webhook to its answer",
            ),
            histogram(
                "tallyline_webhook_body_bytes",
                Some(Unit::Bytes),
                Buckets::Bytes,
                &["provider"],
                "Size of webhook bodies",
            ),
            counter("tallyline_events_stored_total", &["provider"], "New events that are durable"),
            counter("tallyline_events_duplicate_total", &["provider"], "Events that had been stored before"),
            counter("tallyline_events_quarantined_total", &["reason"], "Events put into quarantine, by reason"),
            histogram("tallyline_group_commit_events", None, Buckets::Batch, &[], "Events that shared one COMMIT"),
            counter(
                "tallyline_spool_events_total",
                &["outcome"],
                "Events of the spool: spooled (acknowledged), refused (no room, or the disk failed), replayed (in the \
                 inbox now), unreplayable (the database refuses them; in quarantine)",
            ),
            gauge("tallyline_spool_events", &[], "Events that wait in the spool"),
            gauge_bytes("tallyline_spool_bytes", &[], "Size of the spool's files"),
            gauge_bytes(SPOOL_MAX, &[], "Size that the spool may have (`receiver.spool_max_bytes`)"),
            gauge_seconds(
                "tallyline_spool_oldest_timestamp_seconds",
                &[],
                "When the oldest event of the spool was received; 0 when it is empty",
            ),
            counter(
                "tallyline_spool_damaged_segments_total",
                &[],
                "Files of the spool that did not end whole; kept aside",
            ),
        ],
    },
    Group {
        title: "Pipeline",
        scope: Scope::Process,
        about: "What its workers did.",
        metrics: &[
            counter("tallyline_events_applied_total", &["provider"], "Events that reached their call"),
            seconds(
                "tallyline_event_lag_seconds",
                Buckets::EventLag,
                &["provider"],
                "From the provider's time of an event to its receipt, where the event says one",
            ),
            histogram(
                "tallyline_process_batch_events",
                None,
                Buckets::Batch,
                &[],
                "Events of one processing transaction",
            ),
            counter(
                "tallyline_process_batches_split_total",
                &[],
                "Batches that failed and were halved to find the event at fault",
            ),
            counter("tallyline_rollup_buckets_recomputed_total", &["tier"], "Buckets recomputed"),
            seconds("tallyline_rollup_duration_seconds", Buckets::JobRun, &["tier"], "Time of one roll-up transaction"),
            counter("tallyline_rollup_marks_consumed_total", &["tier"], "Marks that were worked off"),
            counter(
                "tallyline_rollup_bucket_failures_total",
                &["tier"],
                "Recomputations of one bucket that failed; it rests and holds up no other",
            ),
            seconds(
                "tallyline_rollup_mark_age_seconds",
                Buckets::Wait,
                &["tier"],
                "Age of the oldest mark of a transaction, from mark to figure",
            ),
            gauge(
                "tallyline_verify_differences",
                &["tier"],
                "Figures that the last full verification found to differ; tier money is the ledger",
            ),
            counter(
                "tallyline_verify_differences_total",
                &["kind", "tier"],
                "Figures found to differ, by kind (sample, full) and tier",
            ),
            counter("tallyline_verify_runs_total", &["kind"], "Verifications that ran to their end: sample, full"),
            counter(
                "tallyline_verify_buckets_checked_total",
                &["kind"],
                "Rows of buckets compared, by kind of verification",
            ),
            counter(
                "tallyline_verify_tenants_failed_total",
                &["kind"],
                "Tenants that could not be verified, by kind of verification",
            ),
            seconds(
                "tallyline_verify_duration_seconds",
                Buckets::JobRun,
                &["kind"],
                "Time of one verification, by kind",
            ),
            counter(
                "tallyline_calendar_zones_changed_total",
                &[],
                "Zones derived anew because the server's tz database had changed",
            ),
            counter("tallyline_backfill_calls_read_total", &[], "Calls that scans of backfills have read"),
            counter(
                "tallyline_backfill_buckets_total",
                &["outcome"],
                "Buckets of scans: written, or discarded because live work had recomputed them",
            ),
            gauge(
                "tallyline_settings_rejected",
                &[],
                "Rows of the run-time settings that cannot be used and are ignored",
            ),
            counter("tallyline_follow_ups_reminded_total", &[], "Reminders of follow-ups that were written"),
            counter(
                "tallyline_notification_attempts_total",
                &["outcome"],
                "Attempts to deliver a notification: delivered, retried, failed (given up), gone (the endpoint was \
                 disabled), fenced (somebody else had taken it meanwhile)",
            ),
            counter(
                "tallyline_reconcile_windows_total",
                &["provider"],
                "Stretches of providers' lists read to their end",
            ),
            counter("tallyline_reconcile_pages_total", &["provider"], "Pages of providers' lists read"),
            counter(
                "tallyline_reconcile_requests_total",
                &["provider", "result"],
                "Requests to providers, by result: ok, http_… or what else went wrong",
            ),
            counter(
                "tallyline_reconcile_events_recovered_total",
                &["provider"],
                "Bodies fetched from providers that were new to the inbox",
            ),
            counter(
                "tallyline_reconcile_oversized_total",
                &["provider"],
                "Answers about single calls that were not read since they are too large",
            ),
            counter(
                "tallyline_reconcile_accounts_disabled_total",
                &["provider"],
                "Accounts taken out of use since the provider refuses their key",
            ),
            counter(
                "tallyline_reconcile_skipped_total",
                &[],
                "Runs for tenants without an account in use, or not active",
            ),
            counter("tallyline_purged_rows_total", &["what"], "Rows removed because their time of keeping was over"),
            counter("tallyline_history_archived_calls_total", &[], "Calls that went to history files"),
            counter(
                "tallyline_history_months_refused_total",
                &["reason"],
                "Months that could not go to a file: `marked` or `changed` (tried again next night), `error`",
            ),
        ],
    },
    Group {
        title: "Analyses",
        scope: Scope::Process,
        about: "What it asked of providers, and what that cost.",
        metrics: &[
            counter(
                "tallyline_analysis_requests_total",
                &["provider", "result"],
                "Analyses that were tried, by provider and `succeeded` or the error's code",
            ),
            seconds(
                "tallyline_analysis_request_seconds",
                Buckets::JobRun,
                &["provider"],
                "Time of one attempt, by provider",
            ),
            counter("tallyline_analysis_tokens_total", &["kind"], "Tokens that endpoints say they used: input, output"),
            counter(
                "tallyline_analysis_cost_micros_total",
                &[],
                "Cost in micro-units at the tenants' prices; of a request that was cut off, the most that it may cost",
            ),
            counter(
                "tallyline_analysis_put_off_total",
                &[],
                "Analyses that wait for the tenant's next day, since this one may cost no more",
            ),
            counter(
                "tallyline_analysis_claims_lost_total",
                &["provider"],
                "Results dropped because their claim had been taken back",
            ),
            counter(
                "tallyline_analysis_circuits_opened_total",
                &[],
                "Times that an endpoint was taken to be out of order",
            ),
            gauge("tallyline_analysis_circuits_open", &[], "Endpoints that are left alone now, or are being tried"),
        ],
    },
    Group {
        title: "Jobs",
        scope: Scope::Process,
        about: "",
        metrics: &[
            counter(
                "tallyline_jobs_enqueued_total",
                &["kind"],
                "Jobs enqueued or requested, by kind; counted before the commit",
            ),
            counter(
                "tallyline_jobs_duplicate_total",
                &["kind"],
                "Unique jobs that were not enqueued since another held their key, by kind",
            ),
            counter("tallyline_jobs_finished_total", &["kind", "outcome"], "Attempts that ended, by kind and outcome"),
            seconds("tallyline_job_duration_seconds", Buckets::JobRun, &["kind"], "Run time of attempts, by kind"),
            seconds("tallyline_job_wait_seconds", Buckets::Wait, &["queue"], "From due to claimed, by queue"),
            counter(
                "tallyline_job_rescues_total",
                &["reason"],
                "Jobs taken back from processes that disappeared or hung, by reason",
            ),
            counter(
                "tallyline_job_stale_completions_total",
                &[],
                "Reports refused because the claim was no longer held",
            ),
            counter(
                "tallyline_drain_units_total",
                &["drain", "outcome"],
                "Units of standing work, by drain and outcome: worked, idle, failed",
            ),
            gauge_seconds(
                "tallyline_cron_last_success_timestamp_seconds",
                &["kind"],
                "When a scheduled kind last succeeded, Unix time",
            ),
            counter("tallyline_cron_missed_fires_total", &["kind"], "Fires that were not made up for, by kind"),
            gauge(
                "tallyline_queue_dead_tuples",
                &["table"],
                "Rows of the queue's tables that vacuum has not removed yet, by table; take `max` over instances",
            ),
            gauge_seconds(
                "tallyline_oldest_snapshot_age_seconds",
                &[],
                "Age of the oldest snapshot in the database server, as far as this account may see sessions: nothing \
                 deleted since can be vacuumed away; take `max` over instances",
            ),
            counter(
                "tallyline_cron_fires_total",
                &["schedule", "outcome"],
                "Times that came due, by schedule and outcome: enqueued, skipped_missed, skipped_overlap",
            ),
            seconds(
                "tallyline_cron_lateness_seconds",
                Buckets::Wait,
                &[],
                "From the time of a fire to its job being enqueued, jitter aside",
            ),
            counter(
                "tallyline_cron_errors_total",
                &["schedule"],
                "Times that a schedule could not be fired; it is tried again and holds up no other",
            ),
            counter(
                "tallyline_queue_db_errors_total",
                &["task"],
                "Statements of the queue's own tasks that failed and are retried, by task",
            ),
        ],
    },
    Group {
        title: "Service",
        scope: Scope::Service,
        about: "Read every five seconds.",
        metrics: &[
            gauge(INBOX_WAITING, &["state"], "Events that no call shows yet: ready, or waiting for their call"),
            gauge_seconds(INBOX_OLDEST, &[], "Age of the oldest event of the inbox; 0 when it is empty"),
            gauge(DIRTY_BUCKETS, &["tier"], "Buckets whose figures are to be recomputed"),
            gauge(FAILING_BUCKETS, &["tier"], "Buckets whose last recomputation failed: their figures stand still"),
            gauge_seconds(ROLLUP_LAG, &["tier"], "Age of the oldest mark; 0 when there is none"),
            gauge_seconds(
                COMPLETE_UNTIL,
                &["tier"],
                "Every event received before this moment is in the stored figures of the tier, Unix time",
            ),
            gauge(
                RECENT_DIFFERENCES,
                &["tier"],
                "Figures that verifications of the last 24 hours, sampled or full, found to differ; tier money is the ledger",
            ),
            gauge_seconds(
                LAST_FULL_VERIFY,
                &[],
                "When all tenants were last verified in full, Unix time; absent until they were",
            ),
            gauge(QUARANTINE, &["reason"], "Events in quarantine, by reason"),
            gauge_seconds(
                QUARANTINE_OLDEST,
                &["reason"],
                "For how long the oldest event of that reason has been in quarantine; 0 when there is none",
            ),
            gauge(
                NOTIFICATION_DELIVERIES,
                &["state"],
                "Deliveries of notifications to enabled endpoints: pending (retries among them), failed (given up)",
            ),
            gauge_seconds(
                NOTIFICATION_OLDEST_DUE,
                &[],
                "For how long the oldest due delivery of a notification has been due; 0 when none is",
            ),
            gauge_seconds(KPI_AGE, &[], "Time since the KPI view was refreshed; absent until it was"),
            gauge_seconds(CACHE_OLDEST, &[], "Age of the oldest dashboard cache; 0 when there is none"),
            gauge(BACKFILL_UNITS, &["state"], "Units of the backfills that run or are paused: ready, done, failed"),
            gauge(BACKFILL_CALLS_LEFT, &[], "Calls in the units of those backfills that are still to be done"),
            gauge_seconds(
                BACKFILL_ETA,
                &[],
                "Time left to the running backfill that takes longest; 0 when none runs or none has done a unit yet",
            ),
            gauge(
                ANALYSES_WAITING,
                &["reason"],
                "Analyses to be made: due, claimed, retry (waits for its next attempt), spending_cap (for the next day)",
            ),
            gauge(FOLDS_WAITING, &[], "Contacts whose complete analysis is to be folded anew"),
            gauge(
                RECONCILE_ACCOUNTS,
                &["state"],
                "Provider accounts: in_use, failing (of those, the last run ended with an error), disabled",
            ),
            gauge(RECONCILE_TENANTS_WITHOUT, &[], "Active tenants without a provider account in use"),
            gauge_seconds(RECONCILE_WATERMARK, &[], "Age of the oldest watermark; 0 when no account is in use"),
            gauge(
                RECONCILE_CALLS,
                &["result"],
                "Calls without an end: unknown to their provider, or its answer cannot be used (refused)",
            ),
            gauge(JOBS_READY, &["queue"], "Jobs that are due"),
            gauge(JOBS_RUNNING, &["queue"], "Jobs that run"),
            gauge(QUEUE_PAUSED, &["queue"], "1 while a queue is paused, else 0"),
            gauge(JOBS_DEAD, &["kind"], "Dead letters, by kind of job"),
            gauge_seconds(QUEUE_OLDEST, &["queue"], "For how long the oldest due job has been due; 0 when none is"),
            gauge_seconds(
                CRON_NEXT_FIRE,
                &["schedule"],
                "When a schedule fires next, Unix time; in the past where no scheduler runs; 0 when paused or never",
            ),
            gauge(CRON_PAUSED, &["schedule"], "1 while a schedule is paused, else 0"),
            gauge_seconds(
                SCHEDULE_SUCCESS,
                &["schedule"],
                "When a job of the schedule last succeeded, Unix time; the oldest of its ten newest fires when none of \
                 them did; when it was made when it has not fired",
            ),
            gauge_seconds(SCHEDULE_INTERVAL, &["schedule"], "Longest time between two of the next eight fires"),
            gauge_seconds(SERVICE_READ, &[], "When these figures were last read, Unix time by the database's clock"),
        ],
    },
    Group {
        title: "Database",
        scope: Scope::Service,
        about: "Of the server, as far as the account may see; `tallyline migrate` gives it pg_read_all_stats if it may.",
        metrics: &[
            gauge_seconds(
                DB_OLDEST_TRANSACTION,
                &[],
                "Age of the oldest open transaction of this database; 0 when there is none",
            ),
            gauge(
                DB_SESSIONS,
                &["state"],
                "Client sessions of the server: active, idle, idle_in_transaction, other (or not to be seen)",
            ),
            gauge(DB_MAX_SESSIONS, &[], "Sessions that the server allows (`max_connections`)"),
            gauge_bytes(DB_SIZE, &[], "Size of this database"),
            counter(DB_TRANSACTIONS, &["outcome"], "Transactions of this database: committed, rolled_back"),
            counter(
                DB_BLOCKS,
                &["source"],
                "Blocks that this database read: from cache, or disk (or the system's cache)",
            ),
            counter(DB_DEADLOCKS, &[], "Deadlocks of this database"),
            counter(DB_TEMP_BYTES, &[], "Bytes that statements of this database wrote to temporary files"),
            counter(DB_WAL_BYTES, &[], "Bytes of write-ahead log of the server"),
        ],
    },
];

/// Every metric of every group.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|group| group.metrics)
}
