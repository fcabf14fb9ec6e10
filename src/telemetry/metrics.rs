//! The recorder behind `/metrics`.

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::names::{self, Buckets, Kind, Metric, Scope};

/// Buckets of histograms that the list does not know (yet): without any they
/// would become summaries, which cannot be added up over processes.
const BY_SUFFIX: [(&str, Buckets); 6] = [
    ("_duration_seconds", Buckets::JobRun),
    ("_wait_seconds", Buckets::Wait),
    ("_age_seconds", Buckets::Wait),
    ("_lag_seconds", Buckets::EventLag),
    ("_bytes", Buckets::Bytes),
    ("_events", Buckets::Batch),
];

/// Installs the recorder of the process and describes every metric. Call it
/// once, before anything counts; [`super::service::run`] does its upkeep.
///
/// # Errors
/// When a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = builder()?.install_recorder()?;
    describe_scope(Scope::Process);
    start_at_zero();
    Ok(handle)
}

/// A recorder that belongs to nobody, for use with `metrics::with_local_recorder`.
///
/// # Errors
/// None with the buckets as they are; the type is the builder's.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    Ok(builder()?.build_recorder())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (suffix, buckets) in BY_SUFFIX {
        builder = builder.set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), buckets.bounds())?;
    }
    for metric in names::all() {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets.bounds())?;
        }
    }
    Ok(builder)
}

/// Gives the current recorder the help text of every metric.
pub fn describe_all() {
    names::all().for_each(describe);
}

/// Gives the current recorder the help texts of the service metrics.
pub(super) fn describe_service() {
    describe_scope(Scope::Service);
}

fn describe_scope(scope: Scope) {
    names::GROUPS.iter().filter(|group| group.scope == scope).flat_map(|group| group.metrics).for_each(describe);
}

/// Counters that alerts watch are there before anything was counted: `increase`
/// does not see a series' first value.
fn start_at_zero() {
    let zero = |name: &'static str, label: &'static str, values: &[&'static str]| {
        values.iter().for_each(|value| counter!(name, label => *value).increment(0));
    };
    zero(names::LOG_MESSAGES, "level", &["error", "warn"]);
    zero("tallyline_job_rescues_total", "reason", &["deadline", "lease"]);
    counter!(names::SERVICE_ERRORS).increment(0);
    counter!("tallyline_spool_damaged_segments_total").increment(0);
}

fn describe(metric: &Metric) {
    let unit = metric.unit.unwrap_or(::metrics::Unit::Count);
    match metric.kind {
        Kind::Counter => describe_counter!(metric.name, unit, metric.help),
        Kind::Gauge => describe_gauge!(metric.name, unit, metric.help),
        Kind::Histogram(_) => describe_histogram!(metric.name, unit, metric.help),
    }
}
