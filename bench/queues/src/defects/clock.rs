//! A8: jobs that are enqueued for later.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use apalis::prelude::TaskBuilder;
use futures::FutureExt;
use tallyline_queue::NewJob;
use tallyline_testkit::TestDb;

use super::{Finding, Look, apalis_scene, ours_scene, within};

const DELAY: Duration = Duration::from_secs(3);

/// Between heartbeats, the only other thing that makes an idle worker look; 30
/// by default.
const HEARTBEAT: Duration = Duration::from_secs(8);

const LIMIT: Duration = Duration::from_secs(12);

pub fn a8_apalis(db: &TestDb) -> Look<'_> {
    async move {
        let pool = apalis_scene::set_up(&db.admin_url).await?;
        let begun = Arc::new(OnceLock::new());
        let note = Arc::clone(&begun);
        let scene = apalis_scene::Scene::new(move |_| {
            note.get_or_init(Instant::now);
            async { Ok(()) }
        });
        let config = apalis_scene::config(30).heartbeat_interval(HEARTBEAT);
        let worker = scene.start(&pool, "worker", config, None);
        let enqueued = Instant::now();
        let job = TaskBuilder::new(br#"{"n":0}"#.to_vec()).run_after(DELAY).build();
        apalis_scene::push(&pool, vec![job]).await?;
        within(LIMIT, async || Ok(begun.get().is_some())).await?;
        worker.abort();
        let how = format!("with_pubsub, a heartbeat every {} s (default 30)", HEARTBEAT.as_secs());
        Ok(finding(enqueued, begun.get(), &how))
    }
    .boxed_local()
}

pub fn a8_ours(db: &TestDb) -> Look<'_> {
    async move {
        let begun = Arc::new(OnceLock::new());
        let note = Arc::clone(&begun);
        let scene = ours_scene::Scene::new(move |_| {
            note.get_or_init(Instant::now);
            async { Ok(()) }
        });
        let runner = ours_scene::runner(&db.pool, &scene, 10)?.start()?;
        let job = NewJob::of(&ours_scene::Numbered { n: 0 })?.after(DELAY);
        let enqueued = Instant::now();
        ours_scene::enqueue(&db.pool, &runner.queue(), &[job]).await?;
        within(LIMIT, async || Ok(begun.get().is_some())).await?;
        ours_scene::stop(runner).await;
        Ok(finding(enqueued, begun.get(), "default polling"))
    }
    .boxed_local()
}

fn finding(enqueued: Instant, begun: Option<&Instant>, how: &str) -> Finding {
    let Some(begun) = begun else {
        let text = format!("due in {} s, not begun after {}; {how}", DELAY.as_secs(), LIMIT.as_secs());
        return Finding { is_defect: true, text };
    };
    let late = begun.saturating_duration_since(enqueued + DELAY);
    let text = format!("due in {} s, begun {:.2} s late; {how}", DELAY.as_secs(), late.as_secs_f64());
    // Its times are whole seconds; that alone is not held against it.
    Finding { is_defect: late > Duration::from_secs(1), text }
}
