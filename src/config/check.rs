//! Values that have the right type and still make no sense.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use super::problem::Problem;
use super::{Config, Receiver};
use crate::receiver::MAX_JSON_DEPTH;
use crate::{schedules, telemetry};

/// Bolna's list takes a window of a week at most, borders included.
const MOST_WINDOW_HOURS: u32 = 167;

/// What no process could work with: zero sizes, limits that contradict each
/// other, texts that mean nothing. All of it.
pub fn ranges(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    zeros(config, &mut problems);
    orders(config, &mut problems);
    texts(config, &mut problems);
    jobs(config, &mut problems);
    problems
}

/// What others could reach and should not. A process without the role dashboard
/// may be configured so.
pub fn exposure(config: &Config) -> Vec<Problem> {
    let loopback = match SocketAddr::from_str(&config.http.listen) {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => config.http.listen.starts_with("localhost:"),
    };
    if config.dashboard.login || loopback {
        return Vec::new();
    }
    let message = format!(
        "is false while http.listen is {}, which others can reach: whoever comes would be the operator",
        config.http.listen
    );
    vec![Problem::of_key("dashboard.login", message)]
}

fn zeros(config: &Config, problems: &mut Vec<Problem>) {
    let at_least_one = [
        ("database.max_connections", u64::from(config.database.max_connections)),
        ("database.statement_timeout_seconds", config.database.statement_timeout_seconds),
        ("http.max_connections", config.http.max_connections as u64),
        ("http.max_connections_per_address", config.http.max_connections_per_address as u64),
        ("http.max_headers", config.http.max_headers as u64),
        ("http.max_header_bytes", config.http.max_header_bytes as u64),
        ("http.header_deadline_seconds", config.http.header_deadline_seconds),
        ("http.body_deadline_seconds", config.http.body_deadline_seconds),
        ("http.write_deadline_seconds", config.http.write_deadline_seconds),
        ("receiver.max_body_bytes", config.receiver.max_body_bytes as u64),
        ("receiver.max_buffered_bytes", config.receiver.max_buffered_bytes as u64),
        ("receiver.max_json_depth", config.receiver.max_json_depth as u64),
        ("receiver.max_in_flight", config.receiver.max_in_flight as u64),
        ("receiver.max_group", config.receiver.max_group as u64),
        ("receiver.committers", config.receiver.committers as u64),
        ("receiver.acknowledge_deadline_milliseconds", config.receiver.acknowledge_deadline_milliseconds),
        ("receiver.spool_max_bytes", config.receiver.spool_max_bytes),
        ("receiver.spool_segment_bytes", config.receiver.spool_segment_bytes),
        ("process.batch_events", config.process.batch_events.try_into().unwrap_or(0)),
        ("process.batch_tenants", config.process.batch_tenants.try_into().unwrap_or(0)),
        ("process.concurrency", config.process.concurrency as u64),
        ("roll_up.batch_buckets", config.roll_up.batch_buckets.try_into().unwrap_or(0)),
        ("roll_up.concurrency", config.roll_up.concurrency as u64),
        ("analyze_leads.request_timeout_seconds", config.analyze_leads.request_timeout_seconds),
        ("analyze_leads.max_transcript_bytes", config.analyze_leads.max_transcript_bytes as u64),
        ("notify.concurrency", config.notify.concurrency as u64),
        ("notify.per_endpoint", config.notify.per_endpoint.try_into().unwrap_or(0)),
        ("notify.request_timeout_seconds", config.notify.request_timeout_seconds),
        ("audit.sample_tenants", config.audit.sample_tenants.try_into().unwrap_or(0)),
        ("audit.sample_buckets", config.audit.sample_buckets.try_into().unwrap_or(0)),
        ("reconcile.bolna_requests_per_minute", u64::from(config.reconcile.bolna_requests_per_minute)),
        ("reconcile.twilio_requests_per_minute", u64::from(config.reconcile.twilio_requests_per_minute)),
        ("reconcile.window_hours", u64::from(config.reconcile.window_hours)),
        ("reconcile.timeout_seconds", config.reconcile.timeout_seconds),
        ("retention.inbox_body_days", config.retention.inbox_body_days.try_into().unwrap_or(0)),
        ("retention.quarantine_days", config.retention.quarantine_days.try_into().unwrap_or(0)),
        ("retention.job_history_days", config.retention.job_history_days.try_into().unwrap_or(0)),
        ("retention.dead_job_days", config.retention.dead_job_days.try_into().unwrap_or(0)),
    ];
    let too_small = at_least_one.into_iter().filter(|(_, value)| *value == 0);
    problems.extend(too_small.map(|(key, _)| Problem::of_key(key, "must be at least 1")));
    if config.retention.calls_months < 0 {
        problems.push(Problem::of_key("retention.calls_months", "must be at least 0"));
    }
}

fn orders(config: &Config, problems: &mut Vec<Problem>) {
    let Receiver { tenant_requests_per_second: rate, tenant_burst_requests: burst, .. } = config.receiver;
    let mut not = |wrong: bool, key: &str, message: String| {
        if wrong {
            problems.push(Problem::of_key(key, message));
        }
    };
    let receiver = &config.receiver;
    not(
        rate > 0 && burst < rate,
        "receiver.tenant_burst_requests",
        format!(
            "is {burst}, less than the {rate} of receiver.tenant_requests_per_second, which could never be reached"
        ),
    );
    not(
        receiver.max_body_bytes > receiver.max_buffered_bytes,
        "receiver.max_body_bytes",
        format!(
            "is more than the {} of receiver.max_buffered_bytes, which all bodies share",
            receiver.max_buffered_bytes
        ),
    );
    not(
        receiver.max_json_depth > MAX_JSON_DEPTH,
        "receiver.max_json_depth",
        format!("must be at most {MAX_JSON_DEPTH}"),
    );
    not(
        receiver.max_in_flight_per_tenant > receiver.max_in_flight,
        "receiver.max_in_flight_per_tenant",
        format!("is more than the {} of receiver.max_in_flight", receiver.max_in_flight),
    );
    not(
        receiver.spool_segment_bytes > receiver.spool_max_bytes,
        "receiver.spool_segment_bytes",
        format!("is more than the {} of receiver.spool_max_bytes", receiver.spool_max_bytes),
    );
    let notify = &config.notify;
    not(
        notify.per_endpoint > 0 && notify.per_endpoint.saturating_mul(2) > notify.concurrency as i64,
        "notify.per_endpoint",
        format!("must be at most half of the {} of notify.concurrency", notify.concurrency),
    );
    let analyze = &config.analyze_leads;
    not(
        analyze.backoff_seconds > analyze.longest_backoff_seconds,
        "analyze_leads.backoff_seconds",
        format!("is more than the {} of analyze_leads.longest_backoff_seconds", analyze.longest_backoff_seconds),
    );
    not(
        config.reconcile.window_hours > MOST_WINDOW_HOURS,
        "reconcile.window_hours",
        format!("must be at most {MOST_WINDOW_HOURS}"),
    );
}

fn texts(config: &Config, problems: &mut Vec<Problem>) {
    let port = config
        .http
        .listen
        .rsplit_once(':')
        .and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>().ok())?);
    if port.is_none() {
        problems.push(Problem::of_key("http.listen", "must be an address with a port, such as 127.0.0.1:8080"));
    }
    let origin = &config.http.public_origin;
    let is_origin = |url: &reqwest::Url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/" && url.query().is_none()
    };
    if !origin.is_empty() && !reqwest::Url::parse(origin).is_ok_and(|url| is_origin(&url)) {
        let message = "must be an origin without a path, such as https://calls.example.com";
        problems.push(Problem::of_key("http.public_origin", message));
    }
    // The text is not repeated: it may hold a password.
    let url = &config.database.url;
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let is_usable = is_postgres && PgConnectOptions::from_str(url).is_ok();
    if !url.is_empty() && !is_usable {
        problems.push(Problem::of_key("database.url", "must be like postgres://user:password@host/database"));
    }
    let key = &config.secrets.key;
    if !key.is_empty() && (key.len() != 64 || !key.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        problems.push(Problem::of_key("secrets.key", "must hold 32 bytes in hex (64 digits)"));
    }
    if let Err(error) = telemetry::logs::check(&config.log) {
        let (key, message) = error.key_and_message();
        problems.push(Problem::of_key(key, message));
    }
}

fn jobs(config: &Config, problems: &mut Vec<Problem>) {
    let registry = match tallyline_jobs::registry() {
        Ok(registry) => registry,
        Err(error) => return problems.push(Problem::of_key("queue", error.to_string())),
    };
    for (kind, jobs) in &config.queue.kinds {
        let key = format!("queue.kinds.{kind}");
        let kinds: Vec<&str> = registry.kinds().collect();
        if !kinds.contains(&kind.as_str()) {
            let hint = super::keys::did_you_mean(kind, kinds);
            problems.push(Problem::of_key(key, format!("there is no such job{hint}")));
        } else if *jobs == 0 {
            problems.push(Problem::of_key(key, "0 would have them claimed by nobody; pause the kind instead"));
        }
    }
    let mut names = BTreeSet::new();
    for schedule in &config.schedule {
        let key = || format!("schedule {}", schedule.name);
        if !names.insert(&schedule.name) {
            problems.push(Problem::of_key(key(), "there are two of this name"));
        }
        match schedules::spec_of(schedule, &registry) {
            Ok(spec) => {
                if let Err(error) = spec.parse() {
                    problems.push(Problem::of_key(key(), error.to_string()));
                }
            }
            Err(error) => problems.push(Problem::of_key(key(), format!("{error:#}"))),
        }
    }
}
