//! A9 and A15: what is put into the queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use apalis::prelude::TaskBuilder;
use futures::FutureExt;
use serde_json::json;
use tallyline_queue::NewJob;
use tallyline_testkit::TestDb;

use super::{Finding, Look, apalis_scene, ours_scene, within};

const LIMIT: Duration = Duration::from_secs(4);

pub fn a9_apalis(db: &TestDb) -> Look<'_> {
    async move {
        let pool = apalis_scene::set_up(&db.admin_url).await?;
        let keys = ["first", "second", "first"];
        let job = |key| TaskBuilder::new(br#"{"n":0}"#.to_vec()).idempotency_key(key).build();
        let result = apalis_scene::push(&pool, keys.map(job).into()).await;
        let stored = apalis_scene::count(&pool, "SELECT count(*) FROM apalis.jobs").await?;
        let said = result.map_or_else(|error| format!("\"{error}\""), |()| "success".to_owned());
        let text = format!("3 jobs with 2 keys: {stored} stored, {said}");
        Ok(Finding { is_defect: stored != 2, text })
    }
    .boxed_local()
}

pub fn a9_ours(db: &TestDb) -> Look<'_> {
    async move {
        let queue = tallyline_queue::Queue::new();
        let mut tx = db.pool.begin().await?;
        let mut ids = Vec::new();
        for key in ["first", "second", "first"] {
            ids.push(queue.request::<ours_scene::Numbered>(&mut tx, key, None, Duration::ZERO).await?);
        }
        tx.commit().await?;
        let stored = ours_scene::count(&db.pool, "SELECT count(*) FROM tally.jobs").await?;
        let text = format!("3 requests with 2 keys: {stored} stored, the third joined the first: {}", ids[0] == ids[2]);
        Ok(Finding { is_defect: stored != 2, text })
    }
    .boxed_local()
}

/// Jobs that are running when the bad payload comes.
const RUNNING: u32 = 3;

pub fn a15_apalis(db: &TestDb) -> Look<'_> {
    async move {
        let pool = apalis_scene::set_up(&db.admin_url).await?;
        let ended = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ended);
        let scene = apalis_scene::Scene::new(move |_| slow(Arc::clone(&count)).map(Ok));
        let worker = scene.start(&pool, "worker", apalis_scene::config(30), None);
        apalis_scene::push(&pool, (0..RUNNING).map(apalis_scene::job).collect()).await?;
        within(LIMIT, async || Ok(scene.begun() == RUNNING)).await?;
        apalis_scene::push(&pool, vec![apalis_scene::raw_job(&json!({ "m": "no number" }))]).await?;
        within(LIMIT, async || Ok(ended.load(Ordering::SeqCst) == RUNNING || worker.is_finished())).await?;
        let is_dead = worker.is_finished();
        worker.abort();
        let text = format!(
            "{} of {RUNNING} running handlers ended, the worker {}",
            ended.load(Ordering::SeqCst),
            if is_dead { "ended with an error" } else { "goes on" }
        );
        Ok(Finding { is_defect: is_dead, text })
    }
    .boxed_local()
}

pub fn a15_ours(db: &TestDb) -> Look<'_> {
    async move {
        let ended = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ended);
        let scene = ours_scene::Scene::new(move |_| slow(Arc::clone(&count)).map(Ok));
        let runner = ours_scene::runner(&db.pool, &scene, 10)?.start()?;
        let jobs = (0..RUNNING).map(|n| NewJob::of(&ours_scene::Numbered { n })).collect::<Result<Vec<_>, _>>()?;
        ours_scene::enqueue(&db.pool, &runner.queue(), &jobs).await?;
        within(LIMIT, async || Ok(scene.begun() == RUNNING)).await?;
        let bad = NewJob { payload: json!({ "m": "no number" }), ..NewJob::of(&ours_scene::Numbered { n: 0 })? };
        ours_scene::enqueue(&db.pool, &runner.queue(), &[bad]).await?;
        within(LIMIT, async || ours_scene::is_empty(&db.pool).await).await?;
        ours_scene::stop(runner).await;
        let ended = ended.load(Ordering::SeqCst);
        let dead = ours_scene::count(&db.pool, "SELECT count(*) FROM tally.dead_jobs").await?;
        let text = format!("{ended} of {RUNNING} running handlers ended, {dead} dead letter, the worker goes on");
        Ok(Finding { is_defect: ended != RUNNING || dead != 1, text })
    }
    .boxed_local()
}

/// Still running when the bad payload is fetched.
async fn slow(ended: Arc<AtomicU32>) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    ended.fetch_add(1, Ordering::SeqCst);
}
