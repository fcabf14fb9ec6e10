//! `kill -9` of the daemon, at random and at points of its code.

use std::time::Duration;

use tallyline_failpoints::VARIABLE;
use tallyline_testkit::TestDb;

use crate::harness::{Outcome, Run};

/// A point that is not passed within this is not waited for.
const AT_MOST: Duration = Duration::from_millis(800);

/// Each daemon dies: half of them at a point of the code, the others at some moment
/// of their life, the start included.
pub async fn daemon_kills(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    run.place.start(&[]).await.kill();
    let mut at_points = 0;
    for kill in 0..count {
        run.traffic.keep_up(&run.place, (count - kill) * 3 / 2).await;
        if kill == count / 2 {
            run.look().await;
        }
        at_points += u64::from(one_life(&mut run).await);
    }
    let daemon = run.place.start(&[]).await;
    run.judge(daemon, count, format!("({at_points} at a point of the code)")).await
}

/// Starts a daemon and kills it; whether it died at a point of the code.
async fn one_life(run: &mut Run) -> bool {
    if run.dice.one_in(2) {
        let plan = run.draw_failpoint("abort");
        let mut daemon = run.place.spawn(&[(VARIABLE, &plan)]);
        let died = !daemon.ready().await || daemon.ended_within(AT_MOST).await.is_some();
        daemon.kill();
        return died;
    }
    let mut daemon = run.place.spawn(&[]);
    // One in eight dies while it starts.
    if !run.dice.one_in(8) {
        assert!(daemon.ready().await, "the daemon ended at once:\n{}", run.place.log());
    }
    let moment = run.dice.milliseconds(0..=600);
    tokio::time::sleep(moment).await;
    daemon.kill();
    false
}

/// Break tried: the pending rows deleted in a transaction of its own, before the
/// effects; what the kill hits is in the inbox and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_five_daemons_are_killed() {
    daemon_kills(25, 9).await.accept("daemon_kills");
}
