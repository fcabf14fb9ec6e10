//! Tenants at their cap beside others.

use tallyline_queue::{
    NewJob, Queue,
    store::{self, ClaimTerms},
};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::scripted::{LONG, Quick, World, runner, stop};

/// Forty tenants run as many jobs as they may and have more waiting, all of better
/// priority. Broken by hand: with lanes that have no free permit among those that are
/// asked, a worker with one place asks them again and again and never the last tenant.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_at_their_cap_do_not_hide_the_work_of_others() {
    const TENANTS: u64 = 40;
    let db = TestDb::new().await;
    let mut connection = db.pool.acquire().await.unwrap();
    let queue = Queue::new();
    queue.cap_tenants(&mut connection, "default", Some(1)).await.unwrap();
    let of = |n: u64| NewJob::of(&Quick { n }).unwrap().for_user(Uuid::from_u128(u128::from(n % TENANTS) + 1));
    let jobs: Vec<NewJob> = (0..2 * TENANTS).map(|n| of(n).priority(0)).collect();
    queue.enqueue_bulk(&mut connection, &jobs).await.unwrap();
    let busy = Uuid::new_v4();
    store::register_lease(&db.pool, busy, "busy", LONG).await.unwrap();
    let terms = ClaimTerms { queue: "default".into(), deadlines: serde_json::json!({}), other_deadline: LONG };
    assert_eq!(store::claim(&db.pool, &terms, busy, 100).await.unwrap().len() as u64, TENANTS);

    let last = NewJob::of(&Quick { n: 0 }).unwrap().for_user(Uuid::from_u128(99)).priority(2);
    queue.enqueue(&mut connection, last).await.unwrap();
    let world = World::new(|_, _| async { Ok(()) });
    let runner = runner(&db, &world).concurrency(1).start().unwrap();
    wait_until("the last tenant's job has run", LONG, async || world.runs() > 0).await;
    stop(runner).await;
}
