//! The configuration: one typed struct an area, the compiled-in `config.toml`
//! as the defaults, and the layers that override it. `docs/configuration.md`
//! says what users can rely on.

mod check;
mod environment;
mod file;
mod keys;
mod live;
mod load;
mod origin;
mod problem;
mod reload;
mod show;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use check::{exposure, ranges};
pub use live::{Live, RELOADED, RequestLimits};
pub use load::{DEFAULTS, Loaded, Overrides, load, load_all};
pub use origin::Origin;
pub use problem::{ConfigError, Problem};
pub use reload::watch as reload_on_hangup;
pub use show::{Shown, without_password};

use crate::receiver::Networks;

/// Everything that can be configured. Unknown keys are errors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub database: Database,
    pub http: Http,
    pub dashboard: Dashboard,
    pub secrets: Secrets,
    pub receiver: Receiver,
    pub process: Process,
    pub roll_up: RollUp,
    pub analyze_leads: AnalyzeLeads,
    pub backfill: Backfill,
    pub notify: Notify,
    pub queue: Queue,
    pub refresh_kpi_summary: RefreshKpiSummary,
    pub rebuild_dashboards: RebuildDashboards,
    pub audit: Audit,
    pub reconcile: Reconcile,
    pub history: History,
    pub retention: Retention,
    pub stop: Stop,
    pub log: Log,
    pub trace: Trace,
    #[serde(default)]
    pub schedule: Vec<Schedule>,
    /// What a reload put into force; no key.
    #[serde(skip)]
    pub live: Live,
}

/// Where the data is. An empty `url` means the embedded server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: String,
    pub data_dir: PathBuf,
    pub pg_bin: String,
    pub max_connections: u32,
    pub statement_timeout_seconds: u64,
}

/// The HTTP server's address and limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: String,
    pub public_origin: String,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub max_headers: usize,
    pub max_header_bytes: usize,
    pub header_deadline_seconds: u64,
    pub body_deadline_seconds: u64,
    pub write_deadline_seconds: u64,
    pub trusted_proxies: Networks,
}

/// Pages and API. Without `login` they are served to this machine only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    pub login: bool,
}

/// The key that seals provider keys; empty: a generated file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    pub key: String,
}

/// The webhook receiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    pub max_body_bytes: usize,
    pub max_buffered_bytes: usize,
    pub max_json_depth: usize,
    pub max_in_flight: usize,
    pub max_in_flight_per_tenant: usize,
    pub tenant_requests_per_second: u32,
    pub tenant_burst_requests: u32,
    pub max_group: usize,
    pub committers: usize,
    pub acknowledge_deadline_milliseconds: u64,
    pub endpoint_cache_seconds: u64,
    pub spool_dir: String,
    pub spool_max_bytes: u64,
    pub spool_segment_bytes: u64,
    pub endpoint_stale_seconds: u64,
}

/// The drain `process_call_events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    pub batch_events: i64,
    pub batch_bytes: i64,
    pub batch_tenants: i64,
    pub concurrency: usize,
    pub twilio_wait_seconds: i64,
    pub max_lane_claims: i32,
    pub max_event_claims: i32,
}

/// The drain `roll_up`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollUp {
    pub batch_buckets: i64,
    pub concurrency: usize,
    pub least_rest_milliseconds: u64,
    pub rest_cost_factor: u32,
}

/// The drain `analyze_leads`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyzeLeads {
    pub concurrency: usize,
    pub lease_seconds: u64,
    pub request_timeout_seconds: u64,
    pub max_attempts: i32,
    pub backoff_seconds: u64,
    pub longest_backoff_seconds: u64,
    pub batch_calls: i64,
    pub max_transcript_bytes: usize,
    pub breaker_failures: u32,
    pub breaker_open_seconds: u64,
}

/// The drain `backfill`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backfill {
    pub concurrency: usize,
    pub yield_lag_seconds: u64,
    pub yield_longest_seconds: u64,
    pub max_attempts: i32,
    pub retry_seconds: u64,
}

/// The drain `deliver_notifications`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    pub concurrency: usize,
    pub per_endpoint: i64,
    pub request_timeout_seconds: u64,
    pub retry_seconds: Vec<u64>,
}

/// The queue of jobs, as this process works it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub concurrency: usize,
    pub announce: bool,
    pub kinds: BTreeMap<String, usize>,
}

/// The job `refresh_kpi_summary`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshKpiSummary {
    pub debounce_seconds: u32,
}

/// The job `rebuild_dashboards`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebuildDashboards {
    pub debounce_seconds: u32,
    pub expires_seconds: u32,
}

/// The job `audit_rollups`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub sample_tenants: i64,
    pub sample_buckets: i64,
}

/// The job `reconcile_calls`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    pub concurrency: usize,
    pub bolna_requests_per_minute: u32,
    pub twilio_requests_per_minute: u32,
    pub stuck_after_minutes: u32,
    pub stuck_days: u32,
    pub look_back_hours: u32,
    pub first_days: u32,
    pub window_hours: u32,
    pub timeout_seconds: u64,
    pub retry_milliseconds: u64,
}

/// Files of calls that are past their retention.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    pub dir: String,
}

/// How long things are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub inbox_body_days: i32,
    pub login_attempt_days: i32,
    pub password_reset_days: i32,
    pub session_days: i32,
    pub dashboard_cache_days: i32,
    pub quarantine_days: i32,
    pub notification_days: i32,
    pub job_history_days: i32,
    pub dead_job_days: i32,
    pub schedule_fire_days: i32,
    pub backfill_days: i32,
    pub audit_difference_days: i32,
    pub twilio_processed_days: i32,
    pub provider_check_days: i32,
    pub calls_months: i32,
}

/// How the process ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub grace_seconds: u64,
}

/// Logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: String,
}

/// Export of spans; an empty `otlp_url` means none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    pub otlp_url: String,
    pub sample_percent: f64,
}

/// A job that starts by the clock. What is optional has its default in
/// [`crate::schedules`], since lists are replaced as a whole and not merged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub name: String,
    pub job: String,
    pub cron: String,
    pub timezone: String,
    pub missed: String,
    pub catch_up_max: Option<i32>,
    pub catch_up_within_seconds: Option<i32>,
    pub overlap: String,
    pub gap: Option<String>,
    pub fold: Option<String>,
    pub jitter_seconds: Option<i32>,
}

impl Config {
    /// The origin that providers were told, without a trailing slash.
    pub fn public_origin(&self) -> String {
        if self.http.public_origin.is_empty() {
            format!("http://{}", self.http.listen)
        } else {
            self.http.public_origin.trim_end_matches('/').to_owned()
        }
    }
}

impl Receiver {
    /// Time within which a webhook is acknowledged or refused.
    pub fn acknowledge_deadline(&self) -> Duration {
        Duration::from_millis(self.acknowledge_deadline_milliseconds)
    }
}
