//! The page of metrics of real processes: who tells of the service, and how long the page may become.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use tallyline::telemetry::election::Candidate;
use tallyline::telemetry::names::{self, Kind, Scope};
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Daemon, Site, text};
use crate::label_values;
use crate::telemetry::{Sample, parse};

const LONG: Duration = Duration::from_secs(60);
const MOST_SERIES: usize = 2_000;
const MOST_BYTES: usize = 300_000;

/// One for all, since making one reads the certificates of the machine; no connection
/// is kept, since it would belong to the runtime of one test.
pub(crate) static HTTP: LazyLock<Client> =
    LazyLock::new(|| Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap());

async fn page(site: &Site) -> String {
    let answer = HTTP.get(format!("http://{}/metrics", site.address)).send().await.unwrap();
    assert!(answer.status().is_success());
    answer.text().await.unwrap()
}

/// Name of the metric that a sample belongs to.
fn metric_of(sample: &Sample) -> &str {
    let is_listed = |name: &str| names::all().any(|metric| metric.name == name);
    let parts = ["_bucket", "_sum", "_count"];
    match parts.iter().find_map(|part| sample.name.strip_suffix(part)).filter(|name| is_listed(name)) {
        Some(name) => name,
        None => &sample.name,
    }
}

fn scope_of(sample: &Sample) -> Scope {
    let name = metric_of(sample);
    let group = names::GROUPS.iter().find(|group| group.metrics.iter().any(|metric| metric.name == name));
    group.unwrap_or_else(|| panic!("{name} is not in the list")).scope
}

/// Series of the service on the page of a process.
async fn of_service(site: &Site) -> Vec<String> {
    let (_, samples) = parse(&page(site).await);
    assert!(samples.iter().any(|sample| sample.name == names::BUILD_INFO), "what is the process's own is always there");
    let service = samples.iter().filter(|sample| scope_of(sample) == Scope::Service);
    service.map(|sample| format!("{}{{{}}}", sample.name, sample.labels)).collect()
}

/// Which of the processes tells of the service, once exactly one does, and what.
async fn teller(sites: &[&Site]) -> usize {
    let found = std::cell::Cell::new(0);
    wait_until("exactly one process tells of the service", LONG, async || {
        let mut telling = Vec::new();
        for (position, site) in sites.iter().enumerate() {
            let series = of_service(site).await;
            let was_read = series.iter().any(|name| name.starts_with(names::SERVICE_READ));
            if was_read {
                telling.push(position);
            }
            assert!(was_read || series.is_empty(), "{series:?}");
        }
        found.set(telling.first().copied().unwrap_or(0));
        telling.len() == 1
    })
    .await;
    found.get()
}

fn signal(daemon: &Daemon, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(daemon.pid()).unwrap()), signal).unwrap();
}

/// Breaks: `elect.sql` without its last WHERE (all tell); a page that shows the
/// service however late it is (the thawed process tells).
#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_processes_tells_of_the_service_and_another_when_it_is_gone() {
    let db = TestDb::new().await;
    let sites = [Site::new(&db), Site::new(&db), Site::new(&db)];
    let mut daemons = Vec::new();
    for site in &sites {
        daemons.push(Some(site.start().await));
    }
    let first = teller(&sites.each_ref()).await;
    let mut seen = BTreeMap::new();
    for site in &sites {
        for series in of_service(site).await {
            *seen.entry(series).or_insert(0) += 1;
        }
    }
    assert!(seen.len() > 50, "{seen:?}");
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");

    daemons[first].take().unwrap().kill();
    let left: Vec<usize> = (0..3).filter(|position| *position != first).collect();
    let second = left[teller(&[&sites[left[0]], &sites[left[1]]]).await];
    let third = 3 - first - second;

    // Frozen for longer than its election, and then thawed: it must not tell what it knew.
    signal(daemons[second].as_ref().unwrap(), Signal::SIGSTOP);
    teller(&[&sites[third]]).await;
    signal(daemons[second].as_ref().unwrap(), Signal::SIGCONT);
    assert_eq!(of_service(&sites[second]).await, Vec::<String>::new());
    assert_eq!(teller(&[&sites[second], &sites[third]]).await, 1);
}

/// Break: `resign` that does nothing.
#[tokio::test]
async fn who_resigns_lets_the_next_one_follow_at_once() {
    let db = TestDb::new().await;
    let (one, other) = (Candidate::default(), Candidate::default());
    assert!(one.stand(&db.pool).await.unwrap().is_some());
    assert!(other.stand(&db.pool).await.unwrap().is_none(), "one at a time");
    assert!(one.stand(&db.pool).await.unwrap().is_some(), "again and again");
    other.resign(&db.pool).await;
    assert!(other.stand(&db.pool).await.unwrap().is_none(), "nobody resigns for another");
    one.resign(&db.pool).await;
    assert!(other.stand(&db.pool).await.unwrap().is_some());
    assert!(one.stand(&db.pool).await.unwrap().is_none());
}

/// Break: the webhooks' counter with the tenant as a label.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tenants_leave_the_page_short() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let _daemon = site.start_with(&[("TALLYLINE_DASHBOARD__LOGIN", "false")]).await;
    let ledger = site.file("ledger.json").display().to_string();
    let traffic =
        ["simulate", "--calls", "60", "--tenants", "3", "--seed", "8", "--duplicates", "5%", "--ledger", &ledger];
    let sent = site.run(&traffic);
    assert!(sent.status.success(), "{}", text(&sent));
    sqlx::query(include_str!("thousand_tenants.sql")).execute(&db.admin).await.unwrap();
    let openapi: serde_json::Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    let tenant: uuid::Uuid =
        sqlx::query_scalar("SELECT user_id FROM agents LIMIT 1").fetch_one(&db.admin).await.unwrap();
    let mut paths: Vec<String> = openapi["paths"].as_object().unwrap().keys().cloned().collect();
    paths
        .extend(["/", "/operate", "/operate/jobs", "/operate/queues", "/operate/quality", "/livez"].map(str::to_owned));
    for path in paths {
        let path = path.replace("{id}", &tenant.to_string()).replace("{item}", "1");
        HTTP.get(format!("http://{}{path}", site.address)).send().await.unwrap();
    }
    wait_until("the service metrics are there", LONG, async || !of_service(&site).await.is_empty()).await;

    let text = page(&site).await;
    let (_, samples) = parse(&text);
    println!("{} series, {} bytes", samples.len(), text.len());
    assert!(samples.len() > 500, "traffic was measured: {} series", samples.len());
    assert!(samples.len() <= MOST_SERIES, "{} series", samples.len());
    assert!(text.len() <= MOST_BYTES, "{} bytes", text.len());
    assert!(!text.contains(&tenant.to_string()), "a tenant is no label");
    // What the next test takes for all values of labels is true of a real process.
    for sample in &samples {
        for (label, value) in labels_of(sample) {
            let known = label_values::of(metric_of(sample), &label);
            assert!(known.contains(&value), "{sample:?}: tests/it/label_values.rs does not know {label}={value:?}");
        }
    }
}

fn labels_of(sample: &Sample) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = sample.labels.as_str();
    while let Some((label, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap();
        if label != "le" {
            found.push((label.to_owned(), value.to_owned()));
        }
        rest = after.trim_start_matches(',');
    }
    found
}

/// Break: routes by their whole template.
#[test]
fn every_label_value_at_once_keeps_the_page_within_its_bounds() {
    let recorder = tallyline::telemetry::metrics::recorder().unwrap();
    metrics::with_local_recorder(&recorder, || {
        tallyline::telemetry::metrics::describe_all();
        for metric in names::all() {
            let mut sets: Vec<Vec<metrics::Label>> = vec![Vec::new()];
            for label in metric.labels {
                let values = label_values::of(metric.name, label);
                assert!(!values.is_empty(), "tests/it/label_values.rs knows no value of {} of {}", label, metric.name);
                sets = sets
                    .into_iter()
                    .flat_map(|set| {
                        values.iter().map(move |value| {
                            let mut longer = set.clone();
                            longer.push(metrics::Label::new(*label, value.clone()));
                            longer
                        })
                    })
                    .collect();
            }
            for set in sets {
                let values: Vec<String> = set.iter().map(|label| label.value().to_owned()).collect();
                if !label_values::can_be(metric.name, &values) {
                    continue;
                }
                match metric.kind {
                    Kind::Counter => metrics::counter!(metric.name, set).increment(1_234_567),
                    Kind::Gauge => metrics::gauge!(metric.name, set).set(1_767_225_600.123),
                    Kind::Histogram(_) => metrics::histogram!(metric.name, set).record(0.25),
                }
            }
        }
    });
    let text = recorder.handle().render();
    let (_, samples) = parse(&text);
    println!("{} series, {} bytes", samples.len(), text.len());
    let mut by_metric: BTreeMap<&str, usize> = BTreeMap::new();
    for sample in &samples {
        *by_metric.entry(metric_of(sample)).or_default() += 1;
    }
    assert!(samples.len() <= MOST_SERIES, "{} series: {by_metric:?}", samples.len());
    assert!(text.len() <= MOST_BYTES, "{} bytes", text.len());
}

/// Prometheus calls the target so, and renames a label of ours that has the same name.
/// Break: the kind of a job as label `job`.
#[test]
fn no_label_is_one_of_prometheus_own() {
    for metric in names::all() {
        for label in metric.labels {
            assert!(!["job", "instance", "le", "quantile", "tenant"].contains(label), "{}: {label}", metric.name);
        }
    }
}
