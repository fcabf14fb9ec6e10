//! What a metric is: name, kind, unit, labels, buckets; and the page made of the list.

use std::fmt::Write as _;

use ::metrics::Unit;

use super::names::GROUPS;

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
    /// 25 ms to 5 s: few, since there are many routes; a page may take 300 ms.
    Route,
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
            Self::Route => &[0.025, 0.1, 0.3, 1.0, 5.0],
            Self::JobRun => &[0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0],
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

pub(super) const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: None, labels, help }
}

pub(super) const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: None, labels, help }
}

pub(super) const fn gauge_seconds(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Some(Unit::Seconds), labels, help }
}

pub(super) const fn gauge_bytes(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Some(Unit::Bytes), labels, help }
}

pub(super) const fn histogram(
    name: &'static str,
    unit: Option<Unit>,
    buckets: Buckets,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), unit, labels, help }
}

pub(super) const fn seconds(
    name: &'static str,
    buckets: Buckets,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    histogram(name, Some(Unit::Seconds), buckets, labels, help)
}

/// Whose figures a group holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Of one process: add up over instances.
    Process,
    /// Of the installation, read from the database: one process exports them.
    Service,
}

impl Scope {
    const fn about(self) -> &'static str {
        match self {
            Self::Process => "Of the process that answers.",
            Self::Service => {
                "Of the whole installation, read from the database. One process exports them, which the processes \
                 elect; when it ends another one does within 20 seconds, so bridge that with `last_over_time(…[2m])`."
            }
        }
    }
}

/// A group of metrics, as `docs/metrics.md` shows it.
pub struct Group {
    pub title: &'static str,
    pub scope: Scope,
    /// What else is to be said of the group; may be empty.
    pub about: &'static str,
    pub metrics: &'static [Metric],
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
            "\n## {}\n\n{}{}{}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n",
            group.title,
            group.scope.about(),
            if group.about.is_empty() { "" } else { " " },
            group.about
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
