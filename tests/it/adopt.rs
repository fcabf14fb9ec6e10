//! A database of the platform before is taken over, again and again, beside it.

use std::time::Duration;

use serde_json::Value;
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, text};

const LONG: Duration = Duration::from_secs(60);

fn adopt(site: &Site, more: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["adopt", "--from-file", "old.txt", "--timezone", "Asia/Kolkata", "--json"], more].concat();
    let output = site.run(&arguments);
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    (output.status.code(), told)
}

fn sum(told: &Value, field: &str) -> i64 {
    told["taken"].as_array().unwrap().iter().map(|of| of[field].as_i64().unwrap()).sum()
}

/// Break: with the time of the run in the bodies, the second run brings all calls
/// again; with the oldest analysis of a call, no lead is hot; with the balance not put
/// right, it is what our own charges left.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_database_is_taken_over_once_and_then_only_what_changed() {
    let (old, new) = (TestDb::new().await, TestDb::new().await);
    sqlx::raw_sql(include_str!("adopt_old.sql")).execute(&old.admin).await.unwrap();
    let site = Site::new(&new);
    std::fs::write(site.file("old.txt"), format!("{}\n", old.url)).unwrap();
    let (code, told) = adopt(&site, &["--check"]);
    assert_eq!((code, told["compared"].as_array().unwrap().len()), (Some(1), 0), "nothing is taken over yet: {told}");

    let daemon = site.start().await;
    let (code, told) = adopt(&site, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!([sum(&told, "agents"), sum(&told, "contacts"), sum(&told, "calls")], [2, 24, 118], "{told}");
    assert_eq!([sum(&told, "analyses"), sum(&told, "without_id")], [58, 2], "{told}");
    for of in told["compared"].as_array().unwrap() {
        let ours = |name: &str| {
            let figures = of["comparison"]["figures"].as_array().unwrap();
            figures.iter().find(|figure| figure["name"] == name).unwrap()["ours"].as_i64().unwrap()
        };
        assert_eq!([ours("calls"), ours("successful"), ours("leads")], [59, 29, 29], "{of}");
    }
    let balances = "SELECT array_agg(credits_micros ORDER BY email) FROM users WHERE email LIKE 'owner%'";
    let balances: Vec<i64> = sqlx::query_scalar(balances).fetch_one(&new.admin).await.unwrap();
    assert_eq!(balances, [100_000_000, 200_000_000]);
    let hot = "SELECT count(*) FROM lead_analytics WHERE total_score = 13 AND analysis_type = 'individual'";
    assert_eq!(sqlx::query_scalar::<_, i64>(hot).fetch_one(&new.admin).await.unwrap(), 58);
    let named = "SELECT count(*) FROM contacts WHERE name LIKE 'Contact %' AND company LIKE 'Company %'";
    assert_eq!(sqlx::query_scalar::<_, i64>(named).fetch_one(&new.admin).await.unwrap(), 24);

    let (code, told) = adopt(&site, &[]);
    let new_rows = ["agents", "contacts", "calls", "analyses"].map(|field| sum(&told, field));
    assert_eq!((code, new_rows), (Some(0), [0; 4]), "nothing is new: {told}");

    // One call ends, another tenant's begins; only one tenant is asked for.
    let change =
        "UPDATE calls SET status = 'completed', duration_seconds = 90, updated_at = updated_at + interval '1 hour'
                  WHERE bolna_execution_id = 'execution-owner1-9'";
    sqlx::query(change).execute(&old.admin).await.unwrap();
    let (code, told) = adopt(&site, &["--tenant", "OWNER1@old.example"]);
    assert_eq!((code, sum(&told, "calls")), (Some(0), 1), "{told}");
    let ended =
        "SELECT duration_seconds FROM calls WHERE bolna_execution_id = 'execution-owner1-9' AND outcome = 'answered'";
    wait_until("the call has ended", LONG, async || {
        sqlx::query_scalar::<_, Option<i32>>(ended).fetch_optional(&new.admin).await.unwrap().flatten() == Some(90)
    })
    .await;
    let verified = site.run(&["verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
    drop(daemon);
}
