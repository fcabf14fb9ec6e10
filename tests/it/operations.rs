//! deploy/prometheus and deploy/grafana: rules, their tests, and boards name what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::promql::{at, faults, promtool, recorded, rules};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Break: a renamed metric; an alert without a description.
#[test]
fn rules_name_metrics_that_there_are_and_say_what_to_do() {
    let recorded = recorded();
    let mut wrong = Vec::new();
    for rule in rules() {
        wrong.extend(faults(&rule.expr, &recorded).into_iter().map(|fault| format!("{}: {fault}", rule.name)));
        if !rule.is_alert {
            assert!(rule.name.starts_with("tallyline:"), "{}", rule.name);
            continue;
        }
        assert!(rule.name.starts_with("Tallyline"), "{}", rule.name);
        let page = format!("docs/runbook/{}.md", rule.name);
        let severity = rule.keys.get("severity").map(String::as_str);
        if !matches!(severity, Some("page" | "ticket")) {
            wrong.push(format!("{}: severity {severity:?}", rule.name));
        }
        if rule.keys.get("runbook_url") != Some(&page) {
            wrong.push(format!("{}: runbook_url is not {page}", rule.name));
        }
        for key in ["summary", "description"] {
            if rule.keys.get(key).is_none_or(|text| text.len() < 10) {
                wrong.push(format!("{}: no {key}", rule.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Breaks tried: each alert taken out; each threshold a little lower, and a fifth higher; `for: 5m` as `4m`.
#[test]
fn prometheus_takes_the_rules_and_their_tests_hold() {
    let directory = at("deploy/prometheus");
    let tests = fs::read_to_string(directory.join("alerts.test.yml")).unwrap();
    for alert in rules().iter().filter(|rule| rule.is_alert) {
        for kind in ["fires", "is quiet"] {
            let name = format!("- name: {} {kind}\n", alert.name);
            assert!(tests.contains(&name), "deploy/prometheus/alerts.test.yml has no test {name}");
        }
    }
    let Some(checked) = promtool(&["check", "config", "prometheus.yml"], &directory) else { return };
    assert!(checked.status.success(), "{}", said(&checked));
    let checked = promtool(&["check", "rules", "recording.rules.yml", "alerts.rules.yml"], &directory).unwrap();
    assert!(checked.status.success(), "{}", said(&checked));
    let tested = promtool(&["test", "rules", "alerts.test.yml"], &directory).unwrap();
    assert!(tested.status.success(), "{}", said(&tested));
}

fn boards() -> BTreeMap<String, Value> {
    let entries = fs::read_dir(at("deploy/grafana/boards")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    let read = |path: &Path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

/// Every string under the key, at whatever depth.
fn all_under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == key => found.push(text),
                    _ => all_under(field, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all_under(item, key, found)),
        _ => {}
    }
}

/// As Grafana would send it.
fn filled_in(expr: &str) -> String {
    expr.replace("$__rate_interval", "1m").replace("$instance", ".*")
}

/// Breaks: a metric's name misspelt in a panel; a label that it does not have; a
/// parenthesis too many; a panel with a data source of its own.
#[test]
fn boards_ask_for_what_there_is() {
    let recorded = recorded();
    let mut wrong = Vec::new();
    let mut identifiers = BTreeSet::new();
    let mut as_rules = String::from("groups:\n  - name: boards\n    rules:\n");
    let boards = boards();
    assert!(boards.len() >= 5, "{:?}", boards.keys());
    for (file, board) in &boards {
        assert!(identifiers.insert(board["uid"].as_str().unwrap()), "{file}: its uid is another board's");
        let mut expressions = Vec::new();
        all_under(board, "expr", &mut expressions);
        assert!(expressions.len() >= 10, "{file}: {} expressions", expressions.len());
        for (number, expr) in expressions.iter().enumerate() {
            let expr = filled_in(expr);
            wrong.extend(faults(&expr, &recorded).into_iter().map(|fault| format!("{file}: {fault}")));
            assert!(!expr.contains('$'), "{file}: an unknown variable in {expr}");
            as_rules.push_str(&format!("      - record: board:{number}\n        expr: {}\n", Value::String(expr)));
        }
        let mut sources = Vec::new();
        all_under(board, "uid", &mut sources);
        let own = sources.iter().filter(|uid| **uid != "${datasource}" && Some(**uid) != board["uid"].as_str());
        wrong.extend(own.map(|uid| format!("{file}: data source {uid} is not the variable's")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("boards.yml"), as_rules).unwrap();
    let Some(parsed) = promtool(&["check", "rules", "--lint=none", "boards.yml"], directory.path()) else { return };
    assert!(parsed.status.success(), "{}", said(&parsed));
}

/// Break: a group of metrics that no board shows.
#[test]
fn every_group_of_metrics_is_on_a_board() {
    let text: String =
        boards().values().map(Value::to_string).chain(rules().into_iter().map(|rule| rule.expr)).collect();
    for group in tallyline::telemetry::names::GROUPS {
        let shown = group.metrics.iter().filter(|metric| text.contains(metric.name)).count();
        assert!(
            shown * 2 >= group.metrics.len(),
            "{}: {shown} of {} metrics are shown",
            group.title,
            group.metrics.len()
        );
    }
}
