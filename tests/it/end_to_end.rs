//! What was sent is what is counted, through the real processes.

use std::process::Stdio;
use std::time::Duration;

use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, ended_well, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_what_is_counted_and_a_missing_row_is_named() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let ledger = site.file("ledger.json");
    let daemon = site.start().await;
    ended_well(site.simulate("400", "7", &ledger)).await;

    let verified = site.verify(&ledger);
    assert!(verified.status.success(), "{}", text(&verified));
    assert!(text(&verified).contains(": 0 differences"), "{}", text(&verified));

    // Nothing of this was only in the process.
    daemon.kill();
    let _daemon = site.start().await;
    let verified = site.verify(&ledger);
    assert!(verified.status.success(), "{}", text(&verified));

    let (user, start): (String, String) = sqlx::query_as(
        "DELETE FROM agent_analytics WHERE ctid = (SELECT ctid FROM agent_analytics WHERE grain = 'day' ORDER BY total_calls DESC LIMIT 1)
         RETURNING user_id::text, to_char(bucket_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap();
    let verified = site.verify(&ledger);
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    let named =
        text(&verified).lines().any(|line| line.contains(&user) && line.contains(&start) && line.contains("day"));
    assert!(named, "no line names day {start} of {user}:\n{}", text(&verified));
}

/// The platform that stands in is not the one that allows 500 requests a minute.
const PACE: (&str, &str) = ("TALLYLINE_RECONCILE__BOLNA_REQUESTS_PER_MINUTE", "60000");

/// Twelve tenants in twelve zones, leads by webhook, extraction, rules and a model in turn, transfers, retries, duplicates, and
/// one end in eight that only the platform's own list tells.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_webhook_told_and_what_was_analysed_here_is_counted_as_well() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let ledger = site.file("ledger.json");
    let _daemon = site.start_with(&[("TALLYLINE_RECONCILE__FIRST_DAYS", "40"), PACE]).await;
    let file = ledger.display().to_string();
    let traffic = ["simulate", "--services", "--tenants", "12", "--calls", "600", "--days", "31", "--withheld", "12%"];
    let untidy = ["--duplicates", "5%", "--reorder", "10%", "--late", "2%", "--seed", "11", "--ledger", &file];
    ended_well(site.command(&[&traffic[..], &untidy[..]].concat()).stdout(Stdio::null()).spawn().unwrap()).await;

    let verified = site.verify(&ledger);
    assert!(verified.status.success(), "{}", text(&verified));
    let zones: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT zone) FROM user_analytics").fetch_one(&db.admin).await.unwrap();
    assert_eq!(zones, 12);
    // Each way was gone: analyses of three kinds made here, bodies fetched, legs kept.
    for (what, found) in [
        ("providers", "SELECT count(DISTINCT provider) FROM tally.call_analyses WHERE state = 'succeeded'"),
        ("fetched", "SELECT least(count(*), 3) FROM tally.inbox WHERE endpoint = 'reconcile'"),
        ("legs", "SELECT least(count(*), 3) FROM tally.call_legs"),
        ("complete rows", "SELECT least(count(*), 3) FROM lead_analytics WHERE analysis_type = 'complete'"),
    ] {
        let found: i64 = sqlx::query_scalar(found).fetch_one(&db.admin).await.unwrap();
        assert_eq!(found, 3, "{what}");
    }
}

/// The server may have got another tz database while no process ran.
///
/// Break tried: the request left out of `Daemon::start`; the day stays away.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_has_the_calendar_compared() {
    let db = TestDb::new().await;
    let day = "DELETE FROM tally.calendar WHERE zone = 'UTC' AND grain = 'day' AND date = '2024-07-01'";
    assert_eq!(sqlx::query(day).execute(&db.admin).await.unwrap().rows_affected(), 1);
    let site = Site::new(&db);
    let _daemon = site.start().await;
    let is_back = || async {
        let sql =
            "SELECT EXISTS (SELECT FROM tally.calendar WHERE zone = 'UTC' AND grain = 'day' AND date = '2024-07-01')";
        sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
    };
    wait_until("the day is back", Duration::from_secs(60), is_back).await;
}
