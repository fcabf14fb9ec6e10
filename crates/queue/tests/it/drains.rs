//! Standing work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tallyline_queue::{BoxError, Drain, DrainWork, Drained, Heartbeats, Hint, Registry, Runner};
use tallyline_testkit::{TestDb, wait_until};
use tokio::sync::Barrier;

use crate::scripted::{Gate, LONG};

/// Takes one from a pile; may fail, panic or wait on the way.
struct Pile {
    left: Arc<AtomicUsize>,
    looks: Arc<AtomicUsize>,
    trouble: Trouble,
}

enum Trouble {
    None,
    FirstFailsSecondPanics,
    Together(Barrier),
    Gate(Gate),
}

impl DrainWork for Pile {
    const NAME: &'static str = "pile";

    async fn drain(&self) -> Result<Drained, BoxError> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        let taken = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        match &self.trouble {
            Trouble::FirstFailsSecondPanics if look == 0 => return Err("first".into()),
            Trouble::FirstFailsSecondPanics if look == 1 => panic!("second"),
            Trouble::Together(barrier) if taken => {
                barrier.wait().await;
            }
            Trouble::Gate(gate) if taken => gate.pass().await,
            _ => {}
        }
        Ok(Drained { worked: usize::from(taken) })
    }
}

struct Site {
    left: Arc<AtomicUsize>,
    looks: Arc<AtomicUsize>,
    hint: Hint,
    runner: Runner,
    _db: TestDb,
}

async fn site(left: usize, concurrency: usize, trouble: Trouble) -> Site {
    let db = TestDb::new().await;
    let (left, looks, hint) = (Arc::new(AtomicUsize::new(left)), Arc::new(AtomicUsize::new(0)), Hint::new());
    let pile = Pile { left: Arc::clone(&left), looks: Arc::clone(&looks), trouble };
    let runner = Runner::builder(db.pool.clone(), Registry::<()>::new(), Arc::new(()))
        .drain(Drain::new(pile).hint(&hint).concurrency(concurrency))
        .start()
        .unwrap();
    Site { left, looks, hint, runner, _db: db }
}

impl Site {
    async fn until_done(&self) {
        wait_until("the pile is gone", LONG, async || self.left.load(Ordering::SeqCst) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_repeated_while_there_is_some_and_found_again_later() {
    let site = site(1_000, 1, Trouble::None).await;
    site.until_done().await;
    wait_until("it looked in vain", LONG, async || site.looks.load(Ordering::SeqCst) > 1_000).await;
    assert!(site.looks.load(Ordering::SeqCst) < 1_100, "it does not look without pause");
    for _ in 0..3 {
        site.left.fetch_add(5, Ordering::SeqCst);
        site.hint.ring();
        site.until_done().await;
    }
    // Polling finds what nobody announced.
    site.left.fetch_add(5, Ordering::SeqCst);
    site.until_done().await;
    assert!(site.runner.shutdown(LONG).await);
}

/// Workers polled every ten seconds, each instance of them, and kept the database awake; ours polls slowly and is woken.
///
/// Once it has idled for a while it looks every 0.75 to 1 s. Broken by hand: with `ring` doing nothing.
#[tokio::test(flavor = "multi_thread")]
async fn defect_47_a_hint_wakes_without_waiting_for_the_poll() {
    let site = site(0, 1, Trouble::None).await;
    let looks = || site.looks.load(Ordering::SeqCst);
    wait_until("it polls slowly", LONG, async || looks() >= 8).await;
    let mut quickest = LONG;
    // A busy machine may be slow once or twice.
    for _ in 0..5 {
        let before = looks();
        wait_until("it has just looked", LONG, async || looks() > before).await;
        let (rung_at, before) = (Instant::now(), looks());
        site.hint.ring();
        wait_until("it looks again", LONG, async || looks() > before).await;
        quickest = quickest.min(rung_at.elapsed());
        // What was rung made it look often again.
        wait_until("it polls slowly", LONG, async || looks() >= before + 8).await;
        if quickest < Duration::from_millis(400) {
            break;
        }
    }
    assert!(quickest < Duration::from_millis(400), "{quickest:?}");
    assert!(site.runner.shutdown(LONG).await);
}

/// Broken by hand: without the answer that `Pending` sends when it is dropped by
/// a panic.
#[tokio::test(flavor = "multi_thread")]
async fn neither_an_error_nor_a_panic_ends_it() {
    let site = site(10, 1, Trouble::FirstFailsSecondPanics).await;
    site.until_done().await;
    assert!(site.runner.shutdown(LONG).await);
}

/// Three units that wait for each other end only if they run at once.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_units_as_allowed_run_at_once() {
    let site = site(30, 3, Trouble::Together(Barrier::new(3))).await;
    site.until_done().await;
    assert!(site.runner.shutdown(LONG).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_comes_between_units() {
    let gate = Gate::new();
    let site = site(10, 1, Trouble::Gate(gate.clone())).await;
    gate.arrival().await;
    let mut stopping = Box::pin(site.runner.shutdown(LONG));
    assert!(futures::poll!(&mut stopping).is_pending(), "it waits for the unit");
    gate.open(10);
    assert!(tokio::time::timeout(LONG, stopping).await.unwrap(), "the unit was let through");
    assert_eq!(site.left.load(Ordering::SeqCst), 9, "no unit begins after the stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_does_not_end_is_dropped_after_the_grace() {
    let gate = Gate::new();
    let site = site(1, 1, Trouble::Gate(gate.clone())).await;
    gate.arrival().await;
    let stopped = tokio::time::timeout(LONG, site.runner.shutdown(Duration::from_millis(50))).await.unwrap();
    assert!(!stopped);
}

/// A unit that takes long is no loop that stands still. Breaks to try: the pump without a
/// timer of its own; the claimer without a beat.
#[tokio::test(flavor = "multi_thread")]
async fn every_loop_turns_while_a_unit_takes_its_time() {
    let db = TestDb::new().await;
    let (gate, heartbeats) = (Gate::new(), Heartbeats::new());
    let (left, looks) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(0)));
    let pile = Pile { left, looks, trouble: Trouble::Gate(gate.clone()) };
    let runner = Runner::builder(db.pool.clone(), Registry::<()>::new(), Arc::new(()))
        .queue("default", 1)
        .drain(Drain::new(pile))
        .heartbeats(&heartbeats)
        .start()
        .unwrap();
    gate.arrival().await;
    let names: Vec<String> = heartbeats.turns().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["claimer default", "drain pile", "completer"]);
    let before = heartbeats.turns();
    let turned = || heartbeats.turns().iter().zip(&before).all(|((_, now), (_, before))| *now >= before + 3);
    wait_until("every loop turns", LONG, async || turned()).await;
    gate.open(1);
    assert!(runner.shutdown(LONG).await);
    assert_eq!(heartbeats.most_silent(), None, "loops that ended are watched no more");
}
