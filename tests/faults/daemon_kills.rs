//! `kill -9` of the daemon, at random and at points of its code.

use std::time::Duration;

use tallyline_failpoints::VARIABLE;
use tallyline_testkit::TestDb;

use crate::harness::{Outcome, Run};

/// A point that is not passed within this is not waited for.
const AT_MOST: Duration = Duration::from_millis(1_500);

/// Each daemon dies: half of them at a point of the code, the others at some moment
/// of their life, the start included.
pub async fn daemon_kills(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    let (mut daemon, mut at_points) = (run.place.start(&[]).await, 0);
    for kill in 0..count {
        run.traffic.keep_up(&run.place, (count - kill) * 3 / 2).await;
        if kill == count / 2 {
            run.look().await;
        }
        let moment = run.dice.milliseconds(0..=1_000);
        daemon.ended_within(moment).await;
        daemon.kill();
        if run.dice.one_in(2) {
            let plan = run.draw_failpoint("abort");
            let mut armed = run.place.spawn(&[(VARIABLE, &plan)]);
            let died = !armed.ready().await || armed.ended_within(AT_MOST).await.is_some();
            at_points += u64::from(died);
            daemon = armed;
        } else if run.dice.one_in(8) {
            // It dies while it starts.
            daemon = run.place.spawn(&[]);
        } else {
            daemon = run.place.start(&[]).await;
        }
    }
    daemon.kill();
    let daemon = run.place.start(&[]).await;
    run.judge(daemon, count, format!("({at_points} at a point of the code)")).await
}

/// Break tried: the pending rows deleted in a transaction of its own, before the
/// effects; what the kill hits is in the inbox and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_five_daemons_are_killed() {
    daemon_kills(25, 9).await.accept("daemon_kills");
}
