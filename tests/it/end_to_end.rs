//! What was sent is what is counted, through the real processes.

use tallyline_testkit::TestDb;

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
