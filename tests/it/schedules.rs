//! Schedules as an operator meets them: the configuration, the command line, a
//! daemon that is restarted, and the page that describes them.

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use serde_json::Value;
use tallyline::config::{self, Overrides};
use tallyline::schedules;
use tallyline_queue::{Cron, Missed};
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, text};

const LONG: Duration = Duration::from_secs(60);

fn done(site: &Site, arguments: &[&str]) -> String {
    let output = site.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn json(site: &Site, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(site, arguments)).unwrap()
}

async fn count(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

/// Break tried: `schedule_sync.sql` with `paused = false`.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_a_run_by_hand_outlive_restarts() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let daemon = site.start().await;
    let written = "SELECT count(*) FROM tally.schedules WHERE name = 'purge-nightly'";
    wait_until("the schedules are written", LONG, async || count(&db, written).await == 1).await;
    let name = "purge-nightly";
    assert_eq!(done(&site, &["schedule", "pause", name, "--reason", "a test"]).trim(), "purge-nightly: paused");
    assert!(done(&site, &["schedule", "pause", name]).contains("was paused already"));
    daemon.kill();

    // Three nights pass; then it runs again.
    let nights = "UPDATE tally.schedules SET next_fire_at = date_trunc('day', now() - interval '3 days') + interval '195 minutes' WHERE name = 'purge-nightly'";
    sqlx::query(nights).execute(&db.admin).await.unwrap();
    let _daemon = site.start().await;
    let other = "SELECT count(*) FROM tally.schedule_fires WHERE schedule = 'audit-every-minute'";
    sqlx::query("UPDATE tally.schedules SET next_fire_at = now() WHERE name = 'audit-every-minute'")
        .execute(&db.admin)
        .await
        .unwrap();
    wait_until("another schedule fires", LONG, async || count(&db, other).await > 0).await;
    let fires = "SELECT count(*) FROM tally.schedule_fires WHERE schedule = 'purge-nightly'";
    assert_eq!(count(&db, fires).await, 0);
    let shown = done(&site, &["schedule", "list"]);
    assert!(shown.lines().any(|line| line.contains(name) && line.contains("paused: a test")), "{shown}");
    let shown = done(&site, &["schedule", "show", name]);
    assert!(shown.contains("if resumed") && shown.contains("03:15 UTC"), "{shown}");

    let ran = json(&site, &["schedule", "run", name, "--json"]);
    wait_until("its job has succeeded", LONG, async || {
        let history = json(&site, &["schedule", "history", name, "--json"]);
        (&history[0]["job_id"], &history[0]["job_state"], &history[0]["manual"])
            == (&ran["job_id"], &"succeeded".into(), &true.into())
    })
    .await;
    let resumed = done(&site, &["schedule", "resume", name]);
    let passed = count(&db, "SELECT count(*) FROM tally.schedule_fires WHERE outcome = 'skipped_paused'").await;
    assert!((3..=4).contains(&passed) && resumed.contains(&passed.to_string()), "{passed} {resumed}");
    assert!(done(&site, &["schedule", "resume", name]).contains("was not paused"));
    let history = done(&site, &["schedule", "history", name]);
    assert!(history.contains("hand") && history.contains("skipped_paused"), "{history}");
    assert_eq!(json(&site, &["schedule", "history", name, "--limit", "1", "--json"]).as_array().unwrap().len(), 1);

    let trail: Vec<(String, String)> = sqlx::query_as(
        "SELECT action, details::text FROM admin_audit_log WHERE resource_id = 'purge-nightly' ORDER BY created_at, id",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    let actions: Vec<_> = trail.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(actions, ["schedule.pause", "schedule.run", "schedule.resume"]);
    assert!(trail[0].1.contains("a test") && trail[1].1.contains(&ran["job_id"].to_string()), "{trail:?}");

    let metrics = format!("http://{}/metrics", site.address);
    wait_until("the metrics tell of fires", LONG, async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        text.contains(r#"tallyline_cron_fires_total{schedule="audit-every-minute",outcome="enqueued"}"#)
            && text.contains("tallyline_cron_lateness_seconds_bucket")
            && text.contains(r#"tallyline_cron_paused{schedule="purge-nightly"} 0"#)
            && text.lines().any(|line| {
                let next =
                    line.strip_prefix(r#"tallyline_cron_next_fire_timestamp_seconds{schedule="purge-nightly"} "#);
                next.is_some_and(|at| at.parse::<f64>().unwrap() > 1.0e9)
            })
    })
    .await;
}

/// Breaks tried: an unknown schedule as exit code 1; `run` that heeds no overlap.
#[tokio::test]
async fn wrong_orders_have_their_codes() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let config =
        config::load(&Overrides { file: Some("/dev/null".into()), ..Overrides::default() }, Vec::new()).unwrap();
    let scheduler = tallyline_queue::Scheduler::new(db.pool.clone(), schedules::specs(&config).unwrap()).unwrap();
    scheduler.sync().await.unwrap();
    for order in ["show", "run", "pause", "resume", "history"] {
        let output = site.run(&["schedule", order, "purge-nigthly"]);
        assert_eq!(output.status.code(), Some(2), "{order}: {}", text(&output));
        assert!(text(&output).contains("did you mean \"purge-nightly\"?"), "{}", text(&output));
    }
    let first = done(&site, &["schedule", "run", "purge-nightly"]);
    assert!(first.contains("No process works"), "{first}");
    let refused = site.run(&["schedule", "run", "purge-nightly"]);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused));
    assert!(text(&refused).contains("--force"), "{}", text(&refused));
    done(&site, &["schedule", "run", "purge-nightly", "--force"]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedule_fires WHERE manual").await, 2);
    assert_eq!(count(&db, "SELECT count(*) FROM admin_audit_log").await, 2, "what was refused leaves no trace");

    let list = json(&site, &["schedule", "list", "--json"]);
    assert_eq!(list.as_array().unwrap().len(), config.schedule.len());
    assert!(list.as_array().unwrap().iter().all(|one| one["upcoming"].as_array().unwrap().len() == 5), "{list}");
    sqlx::query("UPDATE tally.schedules SET timezone = 'Mars/Olympus' WHERE name = 'purge-nightly'")
        .execute(&db.admin)
        .await
        .unwrap();
    let broken = site.run(&["schedule", "list"]);
    assert_eq!(broken.status.code(), Some(1), "{}", text(&broken));
    assert!(text(&broken).contains("cannot fire"), "{}", text(&broken));
    assert!(done(&site, &["schedule", "show", "purge-nightly"]).contains("Mars/Olympus"));
}

fn specs(entry: &str) -> Result<Vec<tallyline_queue::ScheduleSpec>, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tallyline.toml");
    let head = "[[schedule]]\nname = \"a\"\njob = \"purge_expired\"\ncron = \"0 3 * * *\"\ntimezone = \"UTC\"\n";
    std::fs::write(&file, format!("{head}{entry}")).unwrap();
    let config = config::load(&Overrides { file: Some(file), ..Overrides::default() }, Vec::new());
    let specs = schedules::specs(&config.map_err(|error| error.to_string())?).map_err(|error| format!("{error:#}"))?;
    specs.iter().try_for_each(|spec| spec.parse().map(drop)).map_err(|error| error.to_string())?;
    Ok(specs)
}

/// Break tried: `fold` left out of `schedules::spec`.
#[test]
fn policies_are_configured_and_wrong_ones_refused_by_name() {
    let plain = specs("missed = \"coalesce\"\noverlap = \"skip\"").unwrap();
    assert_eq!((plain[0].gap.as_str(), plain[0].fold.as_str(), plain[0].jitter_seconds), ("next", "auto", 0));
    let every = "missed = \"catch_up\"\ncatch_up_max = 3\ncatch_up_within_seconds = 7200\noverlap = \"queue\"\n\
                 gap = \"skip\"\nfold = \"second\"\njitter_seconds = 90";
    let every = specs(every).unwrap();
    let [spec] = &every[..] else { panic!("{every:?}") };
    assert_eq!((spec.missed, spec.catch_up_max, spec.catch_up_within_seconds), (Missed::CatchUp, Some(3), Some(7_200)));
    assert_eq!(
        (spec.overlap.as_str(), spec.gap.as_str(), spec.fold.as_str(), spec.jitter_seconds),
        ("queue", "skip", "second", 90)
    );
    let both = "missed = \"coalesce\"\noverlap = \"skip\"\n";
    for (entry, words) in [
        ("missed = \"later\"\noverlap = \"skip\"".to_owned(), ["schedule a", "skip, coalesce, catch_up"]),
        ("missed = \"skip\"\noverlap = \"join\"".to_owned(), ["schedule a", "allow, skip, queue"]),
        (format!("{both}gap = \"before\""), ["schedule a", "next, skip"]),
        (format!("{both}fold = \"last\""), ["schedule a", "auto, first, second, both"]),
        (format!("{both}catch_up_max = 3"), ["schedule a", "catch_up_max needs missed"]),
        (format!("{both}jitter_seconds = 90000"), ["schedule a", "jitter_seconds"]),
        (format!("{both}jiter_seconds = 9"), ["unknown field", "jiter_seconds"]),
    ] {
        let error = specs(&entry).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{entry}: {error}");
    }
}

/// Break tried: 02:30 instead of 03:00 in a row of the page.
#[test]
fn the_page_computes_its_fires_rightly() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schedules.md")).unwrap();
    let table = page.split("| cron | zone |").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 20, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [expression, zone, gap, fold, day, fires] = cells[..] else { panic!("{row}") };
        let cron = Cron::parse(expression, zone).unwrap().gap(gap.parse().unwrap()).fold(fold.parse().unwrap());
        let (zone, day): (Tz, NaiveDate) = (zone.parse().unwrap(), day.parse().unwrap());
        let noon = day.and_hms_opt(12, 0, 0).unwrap().and_utc();
        let found: Vec<String> = cron
            .fires(noon - TimeDelta::days(2), noon + TimeDelta::days(2))
            .map(|at| at.with_timezone(&zone))
            .filter(|at| at.date_naive() == day)
            .map(|at| at.format("%H:%M %z").to_string())
            .collect();
        let expected: Vec<&str> = fires.split(", ").filter(|fire| *fire != "–").collect();
        assert_eq!(found, expected, "{row}");
    }
}

/// Every policy is explained, under the word that the configuration takes.
#[test]
fn the_page_names_every_policy() {
    let page = include_str!("../../docs/schedules.md");
    let words =
        [Missed::WORDS, tallyline_queue::Overlap::WORDS, tallyline_queue::Gap::WORDS, tallyline_queue::Fold::WORDS];
    for word in words.concat() {
        assert!(page.contains(&format!("| `{word}` |")), "{word} is not explained");
    }
}
