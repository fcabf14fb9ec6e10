//! `tallyline jobs` and `tallyline queue`, as operators use them.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tallyline_testkit::{TestDb, wait_until};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::daemon::{Site, text};

const LONG: Duration = Duration::from_secs(60);

/// Runs a command that must end with this code; returns what it printed.
fn ends(site: &Site, code: i32, arguments: &[&str]) -> String {
    let output = site.run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn done(site: &Site, arguments: &[&str]) -> String {
    ends(site, 0, arguments)
}

fn json_of(site: &Site, code: i32, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let output = site.run(&arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

async fn run(db: &TestDb, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&db.admin).await.unwrap();
}

async fn count(db: &TestDb, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&db.admin).await.unwrap()
}

/// Actions of the trail about jobs, queues and kinds, in order.
async fn trail(db: &TestDb) -> Vec<String> {
    let actions = "SELECT action || ' ' || resource_id FROM admin_audit_log
                   WHERE resource_type IN ('job', 'queue', 'kind') ORDER BY created_at, id";
    sqlx::query_scalar(actions).fetch_all(&db.admin).await.unwrap()
}

async fn tenant(db: &TestDb) -> String {
    let insert = "INSERT INTO users (email, name) VALUES ('a@example.test', 'Tenant') RETURNING id::text";
    sqlx::query_scalar(insert).fetch_one(&db.admin).await.unwrap()
}

/// Three dead letters (1 to 3), a job that waits for another attempt (4), one that
/// is due (5) and one that runs (6), in a process that is alive.
async fn some_of_each(db: &TestDb) {
    run(
        db,
        "INSERT INTO tally.dead_jobs
             (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
         SELECT n, CASE n WHEN 3 THEN 'verify_rollups' ELSE 'reconcile_all' END, 'default', '{\"who\": \"Asha\"}', 1, 5, 5,
             'provider says no', now(), now(), 5
         FROM generate_series(1, 3) n;
         INSERT INTO tally.job_leases (lease_id, label, started_at, beat_at, expires_at, queues)
         VALUES ('11111111-1111-4111-8111-111111111111', 'there:7', now(), now(), now() + interval '1 hour', '{default}');
         SELECT setval('tally.jobs_id_seq', 3);
         INSERT INTO tally.jobs (kind, queue, run_at, created_at, attempt, claims, last_error)
         VALUES ('reconcile_all', 'default', now() + interval '1 hour', now(), 1, 1, 'timed out');
         INSERT INTO tally.jobs (kind, queue, run_at, created_at) VALUES ('reconcile_all', 'default', now(), now());
         INSERT INTO tally.jobs (kind, queue, run_at, created_at, state, attempt, claims, lease_id, claimed_at,
             deadline_at, claimed_generation)
         VALUES ('reconcile_all', 'default', now(), now(), 'claimed', 1, 1, '11111111-1111-4111-8111-111111111111',
             now(), now() + interval '1 hour', 1);",
    )
    .await;
}

/// Broken by hand: without the checks of queues and tenants, jobs are added that nobody can run.
#[tokio::test]
async fn a_job_by_hand_is_checked_before_it_is_added() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let user = tenant(&db).await;
    let near = ends(&site, 2, &["jobs", "enqueue", "rebuild_dashbords"]);
    assert!(near.contains("did you mean rebuild_dashboards?"), "{near}");
    for wrong in [
        ["reconcile_all", "--payload", "{"],
        ["reconcile_all", "--payload", "5"],
        ["reconcile_all", "--queue", "defualt"],
        ["reconcile_all", "--tenant", "00000000-0000-4000-8000-000000000000"],
        ["reconcile_all", "--in", "soon"],
        ["reconcile_all", "--priority", "4"],
    ] {
        ends(&site, 2, &[&["jobs", "enqueue"], wrong.as_slice()].concat());
    }
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 0);

    let full = [
        "jobs",
        "enqueue",
        "rebuild_dashboards",
        "--tenant",
        &user,
        "--in",
        "5m",
        "--priority",
        "0",
        "--unique",
        "a",
        "--payload",
        r#"{"who": "Asha"}"#,
    ];
    let added = json_of(&site, 0, &full);
    assert_eq!((&added["inserted"], &added["served"]), (&json!(true), &json!(false)));
    let as_asked = "SELECT count(*) FROM tally.jobs j JOIN users u ON u.id = j.user_id
                    WHERE j.kind = 'rebuild_dashboards' AND j.queue = 'default' AND j.priority = 0 AND j.unique_key = 'a'
                        AND j.run_at = j.created_at + interval '5 minutes' AND j.payload = '{\"who\": \"Asha\"}'";
    assert_eq!(count(&db, as_asked).await, 1);
    let again = done(&site, &full);
    assert!(again.contains(&format!("job {} holds the key", added["job"])), "{again}");
    let plain = done(&site, &["jobs", "enqueue", "verify_rollups"]);
    assert!(plain.contains("no process takes jobs from queue default"), "{plain}");
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 2);
    assert_eq!(trail(&db).await.len(), 2, "what was not added leaves no trace");
    assert_eq!(count(&db, "SELECT count(*) FROM admin_audit_log WHERE details::text LIKE '%Asha%'").await, 0);
}

/// Broken by hand: without the entries in the trail; with a job that is not there called well.
#[tokio::test]
async fn named_jobs_are_retried_discarded_and_cancelled() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    some_of_each(&db).await;
    let fates = |code, arguments: &[&str]| -> Vec<String> {
        let report = json_of(&site, code, arguments);
        report.as_array().unwrap().iter().map(|fate| fate["became"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(fates(0, &["jobs", "retry", "1", "4", "5", "6"]), ["replayed", "due_now", "is_due", "runs"]);
    assert_eq!(fates(1, &["jobs", "retry", "99", "1"]), ["not_there", "is_due"]);
    assert_eq!(fates(1, &["jobs", "discard", "2", "4", "2"]), ["discarded", "lives", "has_ended"]);
    assert_eq!(fates(1, &["jobs", "cancel", "1", "6", "3", "2"]), ["removed", "requested", "is_dead", "has_ended"]);
    let text = ends(&site, 1, &["jobs", "cancel", "1"]);
    assert_eq!(text.trim(), "job 1: had ended before: cancelled");

    let live = "SELECT count(*) FROM tally.jobs WHERE id IN (4, 5, 6) AND run_at <= now()";
    assert_eq!(count(&db, live).await, 3);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE cancel_reason = 'by hand'").await, 1);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.dead_jobs WHERE job_id = 3").await, 1);
    assert_eq!(trail(&db).await, ["job.replay 1", "job.due_now 4", "job.discard 2", "job.cancel 1", "job.cancel 6"]);
}

/// Broken by hand: with a missing filter taken for all; with `--dry-run` left out of one command.
#[tokio::test]
async fn many_are_changed_only_when_that_was_said() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    some_of_each(&db).await;
    for unsaid in [
        &["jobs", "retry", "--dead"][..],
        &["jobs", "retry", "--failing"],
        &["jobs", "discard", "--dead"],
        &["jobs", "cancel"],
    ] {
        ends(&site, 2, unsaid);
    }
    ends(&site, 2, &["jobs", "retry", "1", "--dead", "--all"]);
    ends(&site, 2, &["jobs", "cancel", "1", "--all"]);
    let counted = |arguments: &[&str]| {
        let preview = json_of(&site, 0, &[arguments, &["--dry-run"]].concat());
        assert_eq!(preview["dry_run"], true);
        preview["jobs"].as_i64().unwrap()
    };
    assert_eq!(counted(&["jobs", "retry", "--dead", "--all"]), 3);
    assert_eq!(counted(&["jobs", "retry", "--dead", "--kind", "verify_rollups"]), 1);
    assert_eq!(counted(&["jobs", "retry", "--failing", "--queue", "default"]), 1);
    assert_eq!(counted(&["jobs", "discard", "--dead", "--all"]), 3);
    assert_eq!(counted(&["jobs", "cancel", "--all"]), 3);
    assert_eq!(counted(&["jobs", "cancel", "--state", "running"]), 1);
    assert_eq!(trail(&db).await, [""; 0], "nothing was done yet");
    let shown = done(&site, &["jobs", "retry", "--dead", "--all", "--dry-run"]);
    assert!(shown.contains("reconcile_all") && shown.contains("3 in all; nothing was done"), "{shown}");

    let changed = |arguments: &[&str]| json_of(&site, 0, arguments)["changed"].as_i64().unwrap();
    assert_eq!(changed(&["jobs", "retry", "--failing", "--all"]), 1);
    assert_eq!(changed(&["jobs", "retry", "--dead", "--kind", "verify_rollups"]), 1);
    assert_eq!(changed(&["jobs", "discard", "--dead", "--kind", "reconcile_all", "--reason", "no use"]), 2);
    assert_eq!(changed(&["jobs", "cancel", "--kind", "reconcile_all"]), 3);
    assert_eq!(changed(&["jobs", "cancel", "--state", "delayed"]), 0);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE kind = 'verify_rollups'").await, 1);
    assert_eq!(trail(&db).await, ["job.due_now many", "job.replay many", "job.discard many", "job.cancel many"]);
    let said = "SELECT count(*) FROM admin_audit_log WHERE details->>'jobs' = '2' AND details->>'reason' = 'no use'
                AND details->'filter'->>'kind' = 'reconcile_all'";
    assert_eq!(count(&db, said).await, 1);
}

/// More than a batch, while somebody holds one of them. Broken by hand: with the walk
/// ended after its first batch.
#[tokio::test]
async fn batches_are_walked_to_the_end_and_what_is_held_is_told() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    run(
        &db,
        "INSERT INTO tally.jobs (kind, queue, run_at, created_at)
         SELECT 'reconcile_all', 'default', now(), now() FROM generate_series(1, 2500)",
    )
    .await;
    let mut other = db.admin.begin().await.unwrap();
    sqlx::query("SELECT FROM tally.jobs WHERE id = 1700 FOR UPDATE").execute(&mut *other).await.unwrap();
    let report = json_of(&site, 1, &["jobs", "cancel", "--all"]);
    assert_eq!((&report["changed"], &report["left_out"]), (&json!(2499), &json!(1)));
    let held = json_of(&site, 1, &["jobs", "cancel", "1700"]);
    assert_eq!(held[0]["became"], "busy");
    other.rollback().await.unwrap();
    assert_eq!(json_of(&site, 0, &["jobs", "cancel", "1700"])[0]["became"], "removed");
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history WHERE outcome = 'cancelled'").await, 2500);
    assert_eq!(trail(&db).await.len(), 4, "an entry for each batch");
}

/// Broken by hand: `show` with the payload always.
#[tokio::test]
async fn lists_say_how_far_back_they_go_and_payloads_are_not_shown_unasked() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    some_of_each(&db).await;
    run(
        &db,
        "INSERT INTO tally.job_history (job_id, claim, kind, queue, attempt, outcome, error, log, queued_at, finished_at, lease_id)
         SELECT 4, n, 'reconcile_all', 'default', 1, 'failed', 'timed out', 'INFO asked n=' || n, now(),
             now() - n * interval '1 hour', '11111111-1111-4111-8111-111111111111'
         FROM generate_series(1, 30) n",
    )
    .await;
    let live = done(&site, &["jobs", "list"]);
    for expected in ["running", "waiting", "delayed", "timed out"] {
        assert!(live.contains(expected), "{live}");
    }
    assert!(!live.contains("since"), "live jobs have no bound: {live}");
    let failed = json_of(&site, 0, &["jobs", "list", "--state", "failed", "--limit", "20"]);
    assert_eq!(failed["jobs"].as_array().unwrap().len(), 20);
    assert!(failed["since"].is_string() && failed["looked_at"].is_null());
    let next = failed["next"].as_str().unwrap();
    let rest = json_of(&site, 0, &["jobs", "list", "--state", "failed", "--before", next]);
    assert_eq!((rest["jobs"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null), "a day has 23 of them");
    let text = done(&site, &["jobs", "list", "--state", "failed", "--since", "2d", "--limit", "30"]);
    assert!(text.contains("since 2") && text.contains("there may be more: --before"), "{text}");
    assert_eq!(
        json_of(&site, 0, &["jobs", "list", "--state", "dead", "--kind", "verify_rollups"])["jobs"][0]["job_id"],
        3
    );
    ends(&site, 2, &["jobs", "list", "--state", "dead", "--before", "1.2"]);
    ends(&site, 2, &["jobs", "list", "--state", "lively"]);
    assert_eq!(done(&site, &["jobs", "list", "--state", "cancelled"]).lines().next(), Some("none"));

    let shown = done(&site, &["jobs", "show", "4"]);
    for expected in ["delayed", "1 of 10", "error      timed out", "there:7", "INFO asked n=1"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let running = done(&site, &["jobs", "show", "6"]);
    assert!(running.contains("there:7 (lease 11111111-"), "{running}");
    let dead = done(&site, &["jobs", "show", "1"]);
    assert!(dead.contains("provider says no") && !dead.contains("Asha"), "{dead}");
    assert!(done(&site, &["jobs", "show", "1", "--payload"]).contains("Asha"));
    assert_eq!(json_of(&site, 0, &["jobs", "show", "1"]).get("payload"), None);
    assert_eq!(json_of(&site, 0, &["jobs", "show", "1", "--payload"])["payload"]["who"], "Asha");
    ends(&site, 2, &["jobs", "show", "99"]);
}

/// Broken by hand: a drain that does not wait; a resume that forgets the kind.
#[tokio::test]
async fn queues_are_held_up_drained_and_capped() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    some_of_each(&db).await;
    let line = |queue: &str| {
        let list = json_of(&site, 0, &["queue", "list"]);
        list["queues"].as_array().unwrap().iter().find(|line| line["queue"] == queue).unwrap().clone()
    };
    let default = line("default");
    assert_eq!((&default["waiting"], &default["delayed"], &default["running"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&default["processes"], &default["paused_at"]), (&json!(["there:7"]), &Value::Null));
    assert_eq!(line("reconcile")["processes"], json!([]), "a queue of ours is listed though nothing is in it");

    let misspelt = ends(&site, 2, &["queue", "pause", "defualt", "--reason", "x"]);
    assert!(misspelt.contains("did you mean default?"), "{misspelt}");
    ends(&site, 2, &["queue", "pause", "default"]);
    done(&site, &["queue", "pause", "default", "--reason", "upgrade"]);
    assert_eq!(line("default")["paused_reason"], "upgrade");
    done(&site, &["queue", "pause", "--kind", "reconcile_all", "--reason", "provider is down"]);
    assert!(done(&site, &["queue", "list"]).contains("provider is down"));
    assert_eq!(json_of(&site, 0, &["queue", "resume", "--kind", "reconcile_all"])["was_paused"], true);
    assert_eq!(json_of(&site, 0, &["queue", "resume", "--kind", "reconcile_all"])["was_paused"], false);
    assert_eq!(json_of(&site, 0, &["queue", "list"])["paused_kinds"], json!([]));
    done(&site, &["queue", "resume", "default"]);

    let over = ends(&site, 1, &["queue", "drain", "default", "--timeout", "1s"]);
    assert!(over.contains("1 of queue default still run; it stays paused"), "{over}");
    assert_eq!(line("default")["paused_reason"], "drained by hand");
    let mut draining = tokio::process::Command::from(site.command(&["queue", "drain", "default"]));
    let mut draining = draining.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut said = BufReader::new(draining.stderr.take().unwrap()).lines();
    let first = tokio::time::timeout(LONG, said.next_line()).await.unwrap().unwrap();
    assert_eq!(first.as_deref(), Some("1 still run"));
    run(&db, "DELETE FROM tally.jobs WHERE state = 'claimed'").await;
    assert!(tokio::time::timeout(LONG, draining.wait()).await.unwrap().unwrap().success());
    let drained = json_of(&site, 0, &["queue", "drain", "default"]);
    assert_eq!(drained, json!({ "queue": "default", "paused": true, "idle": true, "running": null }));
    assert!(line("default")["paused_at"].is_string());

    done(&site, &["queue", "cap", "default", "2"]);
    assert_eq!(line("default")["tenant_cap"], 2);
    done(&site, &["queue", "cap", "default", "none"]);
    assert_eq!(line("default")["tenant_cap"], Value::Null);
    for wrong in ["0", "-1", "many"] {
        ends(&site, 2, &["queue", "cap", "default", wrong]);
    }
    let held = json_of(&site, 0, &["queue", "workers"]);
    assert_eq!((&held[0]["label"], &held[0]["held"], &held[0]["alive"]), (&json!("there:7"), &json!(0), &json!(true)));
    let mut expected = ["pause", "resume", "drain", "drain", "drain", "cap", "cap"]
        .map(|what| format!("queue.{what} default"))
        .to_vec();
    expected.splice(1..1, ["kind.pause reconcile_all".to_owned(), "kind.resume reconcile_all".to_owned()]);
    assert_eq!(trail(&db).await, expected);
}

/// What a daemon does of it: it obeys the pause, writes the last lines of a run, and is
/// known by host and process id. Broken by hand: without `JobLog` in the subscriber.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_runs_what_was_enqueued_and_its_lines_are_shown() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let _daemon = site.start_with(&[("TALLYLINE_LOG__LEVEL", "info")]).await;
    wait_until("it has a lease", LONG, || async { json_of(&site, 0, &["queue", "workers"])[0].is_object() }).await;
    let workers = json_of(&site, 0, &["queue", "workers"]);
    let label = workers[0]["label"].as_str().unwrap();
    let (host, process) = label.rsplit_once(':').unwrap();
    assert!(!host.is_empty() && host != "unknown" && process.parse::<u32>().is_ok(), "{label}");
    assert_eq!(workers[0]["queues"], json!(["reconcile", "default"]));

    done(&site, &["queue", "pause", "--kind", "verify_rollups", "--reason", "test"]);
    let added = json_of(&site, 0, &["jobs", "enqueue", "verify_rollups"]);
    assert_eq!(added["served"], true);
    let id = added["job"].to_string();
    let held = json_of(&site, 0, &["jobs", "show", &id]);
    assert_eq!((&held["live"]["state"], &held["live"]["paused"]), (&json!("waiting"), &json!(true)));
    done(&site, &["queue", "resume", "--kind", "verify_rollups"]);
    wait_until("it ran", LONG, || async { json_of(&site, 0, &["jobs", "show", &id])["live"].is_null() }).await;
    let shown = json_of(&site, 0, &["jobs", "show", &id]);
    let attempt = &shown["attempts"][0];
    assert_eq!((&attempt["outcome"], attempt["process"].as_str()), (&json!("succeeded"), Some(label)));
    let log = attempt["log"].as_str().unwrap_or_else(|| panic!("no lines: {shown}"));
    assert!(log.contains("verified everything") && log.contains("tenants_checked=0"), "{log}");
    assert!(done(&site, &["jobs", "show", &id]).contains("verified everything"));
    let listed = json_of(&site, 0, &["jobs", "list", "--state", "succeeded", "--kind", "verify_rollups"]);
    assert_eq!(listed["jobs"][0]["job_id"].to_string(), id);
    let status = done(&site, &["status"]);
    assert!(status.contains("Dead rows of the queue: "), "{status}");
    let metrics = reqwest::get(format!("http://{}/metrics", site.address)).await.unwrap().text().await.unwrap();
    for gauge in ["tallyline_queue_dead_tuples{table=\"jobs\"} ", "tallyline_oldest_snapshot_age_seconds "] {
        assert!(metrics.contains(gauge), "{metrics}");
    }
}

const LISTENS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'";

/// Broken by hand: with `queue.announce` left unread.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_only_polls_runs_jobs_without_listening() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let daemon = site.start().await;
    wait_until("it listens", LONG, || async { count(&db, LISTENS).await == 1 }).await;
    daemon.kill();
    wait_until("the connection is gone", LONG, || async { count(&db, LISTENS).await == 0 }).await;
    let _daemon = site.start_with(&[("TALLYLINE_QUEUE__ANNOUNCE", "false")]).await;
    let id = done(&site, &["jobs", "enqueue", "reconcile_all"]);
    wait_until("it ran", LONG, || async { json_of(&site, 0, &["jobs", "show", id.trim()])["live"].is_null() }).await;
    assert_eq!(count(&db, LISTENS).await, 0);
}

/// Broken by hand: `queue.kinds` left unread.
#[tokio::test]
async fn limits_of_kinds_have_to_name_kinds() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    for (line, complaint) in [
        ("verify_rolups = 1", "there is no such job (did you mean verify_rollups?)"),
        ("verify_rollups = 0", "pause the kind instead"),
        ("verify_rollups = -1", "-1 is out of range"),
    ] {
        std::fs::write(site.file("wrong.toml"), format!("[queue.kinds]\n{line}\n")).unwrap();
        let mut daemon = tokio::process::Command::from(site.command(&["run", "--config", "wrong.toml"]));
        let ended = tokio::time::timeout(LONG, daemon.kill_on_drop(true).output()).await;
        let output = ended.unwrap_or_else(|_| panic!("{line}: it runs with that")).unwrap();
        assert!(!output.status.success() && text(&output).contains(complaint), "{line}: {}", text(&output));
    }
}

#[tokio::test]
async fn every_command_shows_how_it_is_used() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    for command in ["list", "show", "enqueue", "retry", "cancel", "discard"] {
        let help = done(&site, &["jobs", command, "--help"]);
        assert!(help.contains(&format!("Examples:\n  tallyline jobs {command}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
    assert!(done(&site, &["queue", "drain", "--help"]).contains("tallyline queue drain default --timeout 10m"));
}

/// The examples of docs/jobs.md. Broken by hand: with an argument of one of them misspelt.
#[tokio::test]
async fn the_examples_of_sql_do_what_the_page_says() {
    let db = TestDb::new().await;
    tenant(&db).await;
    let page = include_str!("../../docs/jobs.md");
    let (_, rest) = page.split_once("```sql\n").unwrap();
    let (examples, _) = rest.split_once("```").unwrap();
    for _ in 0..2 {
        sqlx::raw_sql(examples).execute(&db.pool).await.unwrap();
    }
    let kinds = "SELECT count(*) FROM tally.jobs WHERE ";
    for (which, jobs) in [
        ("unique_key IS NULL AND coalesce_key IS NULL", 4),
        ("unique_key = 'release 12' AND unique_scope = 'live'", 1),
        ("unique_key = 'today' AND unique_scope = 'any'", 1),
        ("coalesce_key = 'tenant' AND requested = 2 AND user_id IS NOT NULL", 1),
    ] {
        let mut query = sqlx::QueryBuilder::new(kinds);
        query.push(which);
        assert_eq!(query.build_query_scalar::<i64>().fetch_one(&db.admin).await.unwrap(), jobs, "{which}");
    }
}
