//! Whose turn it is: many units, endpoints that fail, requests at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tallyline_jobs::DeliverNotifications;
use tallyline_jobs::deliver_notifications::Options;
use tallyline_testkit::webhook_sink::{Answer, WebhookSink};
use tallyline_testkit::{TestDb, wait_until};

use super::{LONG, drain, drain_with, endpoint, execute, notification, options};
use crate::support::{number, tenant};

/// Six endpoints that fail and never answer, and four units: two of the units are
/// theirs, one request each, and who is sound is served at once.
///
/// Break tried: the semaphore's answer ignored, so that failing endpoints take every unit.
#[tokio::test]
async fn a_dead_endpoint_holds_up_nobody_else() {
    let db = TestDb::new().await;
    let mut dead = Vec::new();
    for _ in 0..6 {
        let (user, sink) = (tenant(&db, "UTC").await, WebhookSink::start().await);
        endpoint(&db, user, &sink, None).await;
        sink.otherwise(Answer::Held(200));
        for n in 0..20 {
            notification(&db, user, "credits.low", &n.to_string()).await;
        }
        dead.push(sink);
    }
    execute(&db, "UPDATE tally.notification_endpoints SET failures = 1").await;
    let (user, sound) = (tenant(&db, "UTC").await, WebhookSink::start().await);
    endpoint(&db, user, &sound, None).await;
    let units = Units::start(drain(&db), 4);
    let open = || dead.iter().map(WebhookSink::most_open).collect::<Vec<_>>();
    wait_until("the dead ones have their requests", LONG, || async { open().iter().sum::<usize>() >= 2 }).await;
    for n in 0..20 {
        notification(&db, user, "credits.low", &n.to_string()).await;
    }
    wait_until("the sound one has all of its own", LONG, || async { sound.attempts().len() == 20 }).await;
    assert_eq!((open().iter().sum::<usize>(), open().into_iter().max()), (2, Some(1)));
    units.stop().await;
}

/// Break tried: the limit of failing endpoints in `pick_endpoint.sql` as that of others.
#[tokio::test]
async fn an_endpoint_that_fails_gets_one_request_at_a_time() {
    let db = TestDb::new().await;
    let (user, sink) = (tenant(&db, "UTC").await, WebhookSink::start().await);
    endpoint(&db, user, &sink, None).await;
    for n in 0..5 {
        notification(&db, user, "credits.low", &n.to_string()).await;
    }
    execute(&db, "UPDATE tally.notification_endpoints SET failures = 1").await;
    sink.otherwise(Answer::Held(200));
    let units = Units::start(drain(&db), 4);
    wait_until("a request is under way", LONG, || async { sink.most_open() > 0 }).await;
    units.have_looked().await;
    assert_eq!(sink.most_open(), 1);
    sink.release();
    wait_until("all are delivered", LONG, || async { sink.attempts().len() == 5 }).await;
    units.stop().await;
}

/// Break tried: `ORDER BY` in `pick_endpoint.sql` without the turn.
#[tokio::test]
async fn endpoints_take_turns() {
    let db = TestDb::new().await;
    let mut sinks = Vec::new();
    for _ in 0..3 {
        let (user, sink) = (tenant(&db, "UTC").await, WebhookSink::start().await);
        endpoint(&db, user, &sink, None).await;
        for n in 0..20 {
            notification(&db, user, "credits.low", &n.to_string()).await;
        }
        sinks.push(sink);
    }
    let drain = drain(&db);
    for _ in 0..12 {
        drain.run_unit().await.unwrap();
    }
    assert_eq!(sinks.iter().map(|sink| sink.attempts().len()).collect::<Vec<_>>(), [4, 4, 4]);
}

/// Units as the pump of a process runs them, one after the other.
struct Units {
    running: tokio::task::JoinSet<()>,
    /// Units that found nothing that they might do.
    idle: Arc<AtomicUsize>,
}

impl Units {
    fn start(drain: DeliverNotifications, units: usize) -> Self {
        let drain = Arc::new(drain);
        let mut running = tokio::task::JoinSet::new();
        let idle = Arc::new(AtomicUsize::new(0));
        for _ in 0..units {
            let (drain, idle) = (Arc::clone(&drain), Arc::clone(&idle));
            running.spawn(async move {
                loop {
                    if drain.run_unit().await.unwrap() == 0 {
                        idle.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { running, idle }
    }

    /// Until many more units have looked in vain: what could be claimed has been.
    async fn have_looked(&self) {
        let before = self.idle.load(Ordering::Relaxed);
        wait_until("fifty units find nothing", LONG, || async { self.idle.load(Ordering::Relaxed) >= before + 50 })
            .await;
    }

    async fn stop(mut self) {
        self.running.shutdown().await;
    }
}

/// Breaks tried: the count of requests under way left out of `claim.sql` and
/// `pick_endpoint.sql`; left out of `claim.sql` alone, with an endpoint that others can
/// pick at the same time.
#[tokio::test]
async fn an_endpoint_gets_few_requests_at_once_and_nothing_twice() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sink = WebhookSink::start().await;
    endpoint(&db, user, &sink, None).await;
    for n in 0..60 {
        notification(&db, user, "credits.low", &n.to_string()).await;
    }
    sink.otherwise(Answer::Held(200));
    let units = Units::start(drain_with(&db, Options { concurrency: 8, ..options() }), 8);
    wait_until("requests are under way", LONG, || async { sink.most_open() > 0 }).await;
    units.have_looked().await;
    assert_eq!(sink.most_open(), 2);
    sink.release();
    wait_until("all are delivered", LONG, || async {
        number(&db, "SELECT count(*) FROM tally.notification_deliveries WHERE state = 'delivered'").await == 60
    })
    .await;
    units.stop().await;
    let ids: BTreeSet<String> = sink.attempts().into_iter().map(|attempt| attempt.id).collect();
    assert_eq!((sink.most_open(), sink.attempts().len(), ids.len()), (2, 60, 60));
}
