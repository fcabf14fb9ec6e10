//! Random histories, sent in any order and all at once, are the calls that their events
//! come to. `bench histories` sends ten thousand.

use crate::sent_histories::{Plan, run};

/// Breaks tried: a call folded from one of its events instead of all; dials and legs that
/// vanish stay.
#[tokio::test(flavor = "multi_thread")]
async fn stored_calls_are_what_their_stored_events_come_to() {
    let plan =
        Plan { histories: 300, seed: 5, tenants: 3, senders: 32, duplicates_percent: 20, twilio_wait_seconds: 1 };
    let report = run(&plan).await.unwrap();
    assert!(
        report.differences.is_empty(),
        "{} differences\n{}",
        report.differences.len(),
        report.differences.join("\n")
    );
    assert_eq!(report.calls, 300);
    assert!(report.sent > report.distinct && report.adopted > 0, "{report:?}");
    assert!(report.legs > 30 && report.attempts > 400, "{report:?}");
}
