//! Every metric by name. `docs/metrics.md` is made of this list, `/metrics` takes
//! help texts and buckets from it, and a test holds it against the sources.

use std::fmt::Write as _;

use ::metrics::Unit;

/// A metric of Tallyline.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// `None` for plain counts.
    pub unit: Option<Unit>,
    /// Labels; each has few values, never a tenant, a number or an address.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram(Buckets),
}

/// Upper bounds of a classic histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// 5 ms to 10 s.
    Http,
    /// 10 ms to 30 min.
    JobRun,
    /// 10 ms to 1 h.
    Wait,
    /// 1 s to 24 h.
    EventLag,
    /// 256 B to 4 MiB.
    Bytes,
    /// 1 to 1,000.
    Batch,
}

impl Buckets {
    /// The upper bounds, in the metric's unit.
    #[must_use]
    pub const fn bounds(self) -> &'static [f64] {
        match self {
            Self::Http => &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
            Self::JobRun => &[0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0],
            Self::Wait => &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0],
            Self::EventLag => &[1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0],
            Self::Bytes => &[256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0],
            Self::Batch => &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0],
        }
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: None, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: None, labels, help }
}

const fn gauge_seconds(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Some(Unit::Seconds), labels, help }
}

const fn histogram(
    name: &'static str,
    unit: Option<Unit>,
    buckets: Buckets,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), unit, labels, help }
}

const fn seconds(name: &'static str, buckets: Buckets, labels: &'static [&'static str], help: &'static str) -> Metric {
    histogram(name, Some(Unit::Seconds), buckets, labels, help)
}

pub const BUILD_INFO: &str = "tallyline_build_info";
pub const START_TIME: &str = "tallyline_start_time_seconds";
pub const READY: &str = "tallyline_ready";
pub const HTTP_REQUESTS: &str = "tallyline_http_requests_total";
pub const HTTP_DURATION: &str = "tallyline_http_request_duration_seconds";
pub const TRACE_SPANS: &str = "tallyline_trace_spans_total";
pub const LOG_MESSAGES: &str = "tallyline_log_messages_total";
pub const POOL_CONNECTIONS: &str = "tallyline_db_pool_connections";
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

/// A group of metrics, as `docs/metrics.md` shows it.
pub struct Group {
    pub title: &'static str,
    pub about: &'static str,
    pub metrics: &'static [Metric],
}

/// All metrics.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Process",
        about: "Of the process that answers.",
        metrics: &[
            gauge(BUILD_INFO, &["version"], "Always 1; the label says what runs"),
            gauge_seconds(START_TIME, &[], "When the process started, Unix time"),
            gauge(READY, &[], "1 when the last readiness check passed, else 0"),
            counter(HTTP_REQUESTS, &["route", "code"], "HTTP requests by route template and class of the status code"),
            seconds(HTTP_DURATION, Buckets::Http, &["route"], "Time from a request to the head of its answer"),
            counter(LOG_MESSAGES, &["level"], "Log messages that the filter let pass, by level"),
            counter(TRACE_SPANS, &["outcome"], "Spans for `trace.otlp_url`: exported, failed, lost for want of room"),
            gauge(
                POOL_CONNECTIONS,
                &["state"],
                "Database connections of the process: idle, used, and the most there may be",
            ),
        ],
    },
    Group {
        title: "Receiver",
        about: "Of the process that answers.",
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
            Metric {
                name: "tallyline_spool_bytes",
                kind: Kind::Gauge,
                unit: Some(Unit::Bytes),
                labels: &[],
                help: "Size of the spool's files",
            },
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
        about: "Of the process that answers: what its workers did.",
        metrics: &[
            counter("tallyline_events_applied_total", &["provider"], "Events that reached their call"),
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
            gauge_seconds(
                "tallyline_verify_last_full_timestamp_seconds",
                &[],
                "When all tenants were last verified in full, Unix time; absent until this process did it",
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
        about: "Of the process that answers: what it asked of providers, and what that cost.",
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
        about: "Of the process that answers.",
        metrics: &[
            counter(
                "tallyline_jobs_enqueued_total",
                &["job"],
                "Jobs enqueued or requested, by kind; counted before the commit",
            ),
            counter(
                "tallyline_jobs_duplicate_total",
                &["job"],
                "Unique jobs that were not enqueued since another held their key, by kind",
            ),
            counter("tallyline_jobs_finished_total", &["job", "outcome"], "Attempts that ended, by kind and outcome"),
            seconds("tallyline_job_duration_seconds", Buckets::JobRun, &["job"], "Run time of attempts, by kind"),
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
                &["job"],
                "When a scheduled kind last succeeded, Unix time",
            ),
            counter("tallyline_cron_missed_fires_total", &["job"], "Fires that were not made up for, by kind"),
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
        about: "Of the whole installation, read from the database every five seconds. Every process exports the same \
                figures: take `max`, never `sum`, over instances.",
        metrics: &[
            gauge(INBOX_WAITING, &["state"], "Events that no call shows yet: ready, or waiting for their call"),
            gauge_seconds(INBOX_OLDEST, &[], "Age of the oldest event of the inbox; 0 when it is empty"),
            gauge(DIRTY_BUCKETS, &["tier"], "Buckets whose figures are to be recomputed"),
            gauge(FAILING_BUCKETS, &["tier"], "Buckets whose last recomputation failed: their figures stand still"),
            gauge_seconds(ROLLUP_LAG, &["tier"], "Age of the oldest mark; 0 when there is none"),
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
            gauge(JOBS_DEAD, &["job"], "Dead letters, by kind of job"),
            gauge_seconds(QUEUE_OLDEST, &["queue"], "For how long the oldest due job has been due; 0 when none is"),
            gauge_seconds(
                CRON_NEXT_FIRE,
                &["schedule"],
                "When a schedule fires next, Unix time; in the past where no scheduler runs; 0 when paused or never",
            ),
            gauge(CRON_PAUSED, &["schedule"], "1 while a schedule is paused, else 0"),
            gauge_seconds(
                SERVICE_READ,
                &[],
                "When this process last read the figures of this group, Unix time by the database's clock",
            ),
            counter(SERVICE_ERRORS, &[], "Times that the figures of this group could not be read"),
        ],
    },
];

/// Every metric of every group.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|group| group.metrics)
}

/// The text of `docs/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Metrics\n\nMade from `src/telemetry/names.rs`; do not edit. \
         `GET /metrics` answers in the Prometheus text format.\n\n\
         Base units, classic histograms, few label values: no tenant, telephone number or address is ever a label.\n",
    );
    for group in GROUPS {
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n",
            group.title, group.about
        );
        for metric in group.metrics {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
            let _ = writeln!(
                text,
                "| `{}` | {}{} | {labels} | {} |",
                metric.name,
                metric.kind.as_str(),
                bounds_text(metric),
                metric.help
            );
        }
    }
    text
}

fn bounds_text(metric: &Metric) -> String {
    let Kind::Histogram(buckets) = metric.kind else { return String::new() };
    match (buckets.bounds().first(), buckets.bounds().last()) {
        (Some(first), Some(last)) => {
            let unit = metric.unit.map_or("", |unit| unit.as_canonical_label());
            format!(", {} buckets {first}{unit} to {last}{unit}", buckets.bounds().len())
        }
        _ => String::new(),
    }
}
