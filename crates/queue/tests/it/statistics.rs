//! The figures for exporter and status page.

use tallyline_queue::{DeadStats, JobError, NewJob, Queue, ScheduleSpec, Scheduler, stats};
use tallyline_testkit::TestDb;

use crate::scripted::{Gate, LONG, Quick, Slow, World, enqueue, runner, sql, stop, until_count};

#[tokio::test(flavor = "multi_thread")]
async fn queues_dead_letters_and_schedules_are_told() {
    let db = TestDb::new().await;
    let gate = Gate::new();
    let inner = gate.clone();
    let world = World::new(move |n, _| {
        let gate = inner.clone();
        async move {
            match n {
                0 => Err(JobError::fatal("dead")),
                _ => {
                    gate.pass().await;
                    Ok(())
                }
            }
        }
    });
    let runner = runner(&db, &world).concurrency(1).start().unwrap();
    enqueue(&db, &Slow { n: 0 }).await;
    until_count(&db, "it is dead", "SELECT count(*) FROM tally.dead_jobs", 1).await;
    enqueue(&db, &Quick { n: 1 }).await;
    gate.arrival().await;
    let later = NewJob::of(&Quick { n: 2 }).unwrap().after(LONG);
    Queue::new().enqueue(&mut db.pool.acquire().await.unwrap(), later).await.unwrap();
    enqueue(&db, &Quick { n: 3 }).await;
    sql(&db, "UPDATE tally.jobs SET run_at = now() - interval '90 seconds' WHERE payload = '{\"n\": 3}'").await;
    sql(&db, "INSERT INTO tally.paused_queues VALUES ('empty', now(), 'test')").await;
    let spec = ScheduleSpec::of("nightly", "0 3 * * *", &Quick { n: 1 }).unwrap().timezone("Europe/Berlin");
    Scheduler::new(db.pool.clone(), vec![spec]).unwrap().sync().await.unwrap();

    let stats = stats(&db.pool).await.unwrap();
    let [default, empty] = &stats.queues[..] else { panic!("{:?}", stats.queues) };
    assert_eq!((default.queue.as_str(), default.ready, default.waiting, default.claimed), ("default", 1, 1, 1));
    let oldest = default.oldest_ready_seconds.unwrap();
    assert!((90.0..600.0).contains(&oldest), "{oldest}");
    assert!(!default.paused);
    assert_eq!((empty.queue.as_str(), empty.paused, empty.oldest_ready_seconds), ("empty", true, None));
    assert_eq!(stats.dead, [DeadStats { kind: "slow".into(), dead: 1 }]);
    assert_eq!(stats.schedules.len(), 1);
    assert!(stats.schedules[0].next_fire_at.is_some() && stats.schedules[0].last_fire_at.is_none());
    gate.open(3);
    stop(runner).await;
}
