//! Daemons that are frozen in the middle of their work, past their lease, and go on as
//! if nothing had happened.

use std::time::Duration;

use tallyline_failpoints::{Point, VARIABLE};
use tallyline_testkit::{Proxy, TestDb, wait_until};
use tokio::time::Instant;

use crate::harness::{Dice, Outcome, Place, Process, Run};

/// Where a frozen one holds something: rows, claims, an analysis.
const HOLDING: [Point; 13] = [
    Point::BatchLoaded,
    Point::CallsWritten,
    Point::EffectsWritten,
    Point::BatchBeforeCommit,
    Point::RollUpLocked,
    Point::RollUpConsumed,
    Point::RollUpReplaced,
    Point::RollUpBeforeCommit,
    Point::ContactsFolded,
    Point::AnalysesClaimed,
    Point::CachesWritten,
    Point::JobsClaimed,
    Point::JobsBeforeReport,
];
/// Those of them at which it has jobs.
const JOBS: [Point; 3] = [Point::CachesWritten, Point::JobsClaimed, Point::JobsBeforeReport];
/// A daemon is frozen so many times before another one is started at another point.
const TIMES: u64 = 4;
/// A point that is not passed within this is left for another.
const PATIENCE: Duration = Duration::from_secs(15);

/// So many freezes. The victim only works; the other daemon takes the webhooks and
/// works too. While the victim stands still its lease ends and, in half of the cases,
/// its connections, as the server ends those that idle in a transaction.
pub async fn zombies(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    let daemon = run.place.start(&[]).await;
    let (url, proxy) = Proxy::before(&db.url).await;
    let victims = Place::new(&url);
    let (mut frozen, mut cut) = (0, 0);
    while frozen < count {
        let point = *run.dice.pick(&HOLDING);
        let plan = format!("{}:{}:freeze", point.name(), run.dice.between(1..=3));
        // Without a receiver of its own: nobody would be answered while it stands still.
        let roles = ["run", "--roles", "worker,scheduler"];
        let mut victim = victims.spawn_as(&roles, &[(VARIABLE, &plan)]);
        for _ in 0..TIMES.min(count - frozen) {
            run.traffic.keep_up(&run.place, (count - frozen) * 2).await;
            if !stands_still(&mut victim).await {
                break;
            }
            frozen += 1;
            let is_cut = run.dice.one_in(2);
            cut += u64::from(is_cut);
            haunt(&run, &proxy, &victim, (is_cut, JOBS.contains(&point))).await;
            if frozen == count / 2 {
                run.look().await;
            }
            victim.wake();
        }
        victim.kill();
        proxy.mend();
    }
    run.judge(daemon, frozen, format!("({cut} of them lost their connections too)")).await
}

async fn stands_still(victim: &mut Process) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if victim.is_frozen() {
            return true;
        }
        assert!(victim.ended().is_none(), "the victim has ended by itself");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Ends the victim's lease, and its connections if so. Waits until the others have done
/// what it was at: its jobs, where it has some, and its events, where nothing that it
/// holds is in the way any more.
async fn haunt(run: &Run, proxy: &Proxy, victim: &Process, (is_cut, has_jobs): (bool, bool)) {
    if is_cut {
        proxy.cut();
    }
    let label = format!("%:{}", victim.id());
    let ended = sqlx::query("UPDATE tally.job_leases SET expires_at = now() - interval '1 second' WHERE label LIKE $1");
    ended.bind(&label).execute(&run.db).await.unwrap();
    if is_cut {
        proxy.mend();
        let received_before: chrono::DateTime<chrono::Utc> =
            sqlx::query_scalar("SELECT now()").fetch_one(&run.db).await.unwrap();
        wait_until("the others have done its work", Duration::from_secs(60), async || {
            let left = "SELECT count(*) FROM tally.inbox_pending WHERE state = 'ready' AND received_at < $1";
            let left: i64 = sqlx::query_scalar(left).bind(received_before).fetch_one(&run.db).await.unwrap();
            left == 0
        })
        .await;
    }
    if !has_jobs {
        return;
    }
    wait_until("its jobs were taken back", Duration::from_secs(60), async || {
        let held = "SELECT count(*) FROM (SELECT FROM tally.jobs j JOIN tally.job_leases l USING (lease_id)
            WHERE j.state = 'claimed' AND l.label LIKE $1 FOR UPDATE OF j SKIP LOCKED) held";
        let held: i64 = sqlx::query_scalar(held).bind(&label).fetch_one(&run.db).await.unwrap();
        held == 0
    })
    .await;
}

/// Break tried: completing a job in its handler's transaction without a look at the
/// lease (`complete.sql`); the jobs of the frozen succeed twice.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_five_zombies_change_nothing() {
    zombies(25, 6).await.accept("zombies");
}

/// Equal seeds draw equal faults.
#[test]
fn chance_comes_from_the_seed() {
    let draw = |seed| (0..5).map(|_| 0).scan(Dice::new(seed), |dice, _| Some(dice.draw())).collect::<Vec<_>>();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}
