//! As much of Prometheus' language and files as these tests read: names, labels and rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tallyline::telemetry::names::{self, Kind};

/// A file of the repository.
pub(crate) fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A rule of deploy/prometheus.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expr: String,
    /// Other keys, those of labels and annotations among them.
    pub(crate) keys: BTreeMap<String, String>,
}

/// The rules of both files. They are read line by line, which is all the YAML that they use.
pub(crate) fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for file in ["recording.rules.yml", "alerts.rules.yml"] {
        let text = fs::read_to_string(at("deploy/prometheus").join(file)).unwrap();
        let mut folds = false;
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let key =
                line.trim_start_matches("- ").split_once(": ").map(|(key, value)| (key, value.trim_matches('\'')));
            match key {
                Some((key @ ("alert" | "record"), name)) => {
                    rules.push(Rule { name: name.to_owned(), is_alert: key == "alert", ..Rule::default() });
                    folds = false;
                }
                Some(("expr", value)) => {
                    folds = value == ">";
                    rules.last_mut().unwrap().expr = if folds { String::new() } else { value.to_owned() };
                }
                Some((key, value)) if key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
                    if let Some(rule) = rules.last_mut() {
                        rule.keys.insert(key.to_owned(), value.to_owned());
                    }
                    folds = false;
                }
                _ if folds && !line.ends_with(':') => {
                    let expr = &mut rules.last_mut().unwrap().expr;
                    expr.push_str(line);
                    expr.push(' ');
                }
                _ => {}
            }
        }
    }
    assert!(rules.len() > 20, "the rules were read");
    rules
}

/// What an expression names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Metrics, each with the labels that its braces ask for.
    pub(crate) metrics: Vec<(String, Vec<String>)>,
    /// Labels of `by`, `on`, `without`, `ignoring`, `group_left` and `group_right`.
    pub(crate) grouping: Vec<String>,
}

/// Finds metrics and labels: a word that Tallyline's metrics begin with, `up` or `ALERTS` is a metric.
pub(crate) fn named(expr: &str) -> Named {
    let mut found = Named::default();
    let mut rest = expr;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = rest[1..].find('"').expect("an open string") + 2;
            rest = &rest[end..];
            continue;
        }
        let length =
            rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')).count();
        if length == 0 {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        rest = after;
        let next = after.trim_start();
        if ["by", "on", "without", "ignoring", "group_left", "group_right"].contains(&word) && next.starts_with('(') {
            let (inside, after) = next[1..].split_once(')').unwrap();
            found
                .grouping
                .extend(inside.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()));
            rest = after;
        } else if word.starts_with("tallyline") || word == "up" || word == "ALERTS" {
            let mut labels = Vec::new();
            if let Some(inside) = next.strip_prefix('{') {
                let (inside, after) = inside.split_once('}').unwrap();
                rest = after;
                let asked = inside.split("\",").filter(|one| !one.trim().is_empty());
                labels.extend(asked.map(|one| one.split(['=', '!']).next().unwrap().trim().to_owned()));
            }
            found.metrics.push((word.to_owned(), labels));
        }
    }
    found
}

/// Labels of what an expression may name: of the list, of the recording rules, and Prometheus' own.
pub(crate) fn labels_of(
    metric: &str,
    recorded: &BTreeMap<String, BTreeSet<String>>,
) -> Result<BTreeSet<String>, String> {
    let owned = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let target = ["job", "instance"];
    match metric {
        "up" => return Ok(owned(&target)),
        "ALERTS" => return Ok(owned(&["alertname", "alertstate", "severity"])),
        _ => {}
    }
    if metric.contains(':') {
        return recorded.get(metric).cloned().ok_or_else(|| format!("no rule records {metric}"));
    }
    if let Some(listed) = names::all().find(|listed| listed.name == metric) {
        if matches!(listed.kind, Kind::Histogram(_)) {
            return Err(format!("{metric} is a histogram: _bucket, _sum or _count is missing"));
        }
        return Ok(owned(&[listed.labels, &target].concat()));
    }
    for part in ["_bucket", "_sum", "_count"] {
        let base = metric.strip_suffix(part).and_then(|base| names::all().find(|listed| listed.name == base));
        if let Some(listed) = base.filter(|listed| matches!(listed.kind, Kind::Histogram(_))) {
            let le: &[&str] = if part == "_bucket" { &["le"] } else { &[] };
            return Ok(owned(&[listed.labels, &target, le].concat()));
        }
    }
    Err(format!("there is no metric {metric}"))
}

/// The recording rules with the labels that they keep.
pub(crate) fn recorded() -> BTreeMap<String, BTreeSet<String>> {
    let records = rules().into_iter().filter(|rule| !rule.is_alert);
    records
        .map(|rule| {
            let mut labels: BTreeSet<String> = named(&rule.expr).grouping.into_iter().collect();
            if rule.expr.contains("histogram_quantile") {
                labels.remove("le");
            }
            (rule.name, labels)
        })
        .collect()
}

/// What is wrong with the names of an expression.
pub(crate) fn faults(expr: &str, recorded: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let found = named(expr);
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    if found.metrics.is_empty() {
        faults.push(format!("names no metric: {expr}"));
    }
    for (metric, asked) in &found.metrics {
        match labels_of(metric, recorded) {
            Ok(labels) => {
                faults.extend(
                    asked.iter().filter(|l| !labels.contains(*l)).map(|l| format!("{metric} has no label {l}")),
                );
                known.extend(labels);
            }
            Err(fault) => faults.push(fault),
        }
    }
    faults.extend(found.grouping.iter().filter(|l| !known.contains(*l)).map(|l| format!("no label {l} in: {expr}")));
    faults
}

/// Runs promtool. None where there is none, unless this is CI.
pub(crate) fn promtool(arguments: &[&str], directory: &Path) -> Option<Output> {
    match Command::new("promtool").args(arguments).current_dir(directory).output() {
        Ok(output) => Some(output),
        Err(error) => {
            absent("promtool", &error);
            None
        }
    }
}

/// Without Prometheus its tests say so and end, which is fine anywhere but in CI.
pub(crate) fn absent(program: &str, error: &std::io::Error) {
    let hint = "./dev setup installs the package prometheus";
    assert!(std::env::var_os("CI").is_none(), "cannot run {program} ({error}); {hint}");
    eprintln!("SKIPPED: cannot run {program} ({error}); {hint}");
}

#[test]
fn the_reader_of_expressions_finds_names_and_labels() {
    let expr = r#"sum by (queue, le) (rate(tallyline_job_wait_seconds_bucket{queue=~"a,b",instance!="x"}[5m])) > on (queue) up"#;
    let found = named(expr);
    let expected = vec![
        ("tallyline_job_wait_seconds_bucket".to_owned(), vec!["queue".to_owned(), "instance".to_owned()]),
        ("up".to_owned(), Vec::new()),
    ];
    assert_eq!(found.metrics, expected);
    assert_eq!(found.grouping, ["queue", "le", "queue"]);
    let none = BTreeMap::new();
    assert_eq!(faults(expr, &none), Vec::<String>::new());
    assert_eq!(faults("tallyline_job_wait_seconds", &none).len(), 1, "a histogram as it is");
    assert_eq!(faults("tallyline_ready_bucket", &none).len(), 1, "a gauge with a suffix");
    assert_eq!(faults(r#"tallyline_ready{queue="x"}"#, &none).len(), 1, "a label that it does not have");
    assert_eq!(faults("sum by (queue) (tallyline_ready)", &none).len(), 1, "by a label that it does not have");
}
