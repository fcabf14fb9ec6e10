//! A1 and A2: when a failed job is tried again.

use std::time::Duration;

use apalis::prelude::{BoxDynError, RetryAfterError};
use futures::FutureExt;
use tallyline_queue::{JobError, NewJob};
use tallyline_testkit::TestDb;

use super::{Finding, Look, apalis_scene, ours_scene};

/// Long enough for one or two attempts with a backoff that begins at a second.
const WATCHED: Duration = Duration::from_secs(3);

/// More attempts than that are no backoff.
const MANY: u32 = 10;

const HOUR: Duration = Duration::from_secs(3_600);

pub fn a1_apalis(db: &TestDb) -> Look<'_> {
    apalis(db, || "always fails".into(), MANY)
}

pub fn a1_ours(db: &TestDb) -> Look<'_> {
    ours(db, || JobError::retry("always fails"), MANY)
}

pub fn a2_apalis(db: &TestDb) -> Look<'_> {
    apalis(db, || Box::new(RetryAfterError::new("in an hour", HOUR)), 2)
}

pub fn a2_ours(db: &TestDb) -> Look<'_> {
    ours(db, || JobError::retry_after(HOUR, "in an hour"), 2)
}

fn apalis(db: &TestDb, fail: fn() -> BoxDynError, many: u32) -> Look<'_> {
    async move {
        let pool = apalis_scene::set_up(&db.admin_url).await?;
        let scene = apalis_scene::Scene::new(move |_| async move { Err(fail()) });
        let worker = scene.start(&pool, "worker", apalis_scene::config(30), None);
        apalis_scene::push(&pool, vec![apalis_scene::job(0)]).await?;
        tokio::time::sleep(WATCHED).await;
        worker.abort();
        let status: String = sqlx::query_scalar("SELECT status FROM apalis.jobs").fetch_one(&pool).await?;
        Ok(finding(scene.begun(), many, &format!("then {status}")))
    }
    .boxed_local()
}

fn ours(db: &TestDb, fail: fn() -> JobError, many: u32) -> Look<'_> {
    async move {
        let scene = ours_scene::Scene::new(move |_| async move { Err(fail()) });
        let runner = ours_scene::runner(&db.pool, &scene, 10)?.start()?;
        let job = NewJob::of(&ours_scene::Numbered { n: 0 })?;
        ours_scene::enqueue(&db.pool, &runner.queue(), &[job]).await?;
        tokio::time::sleep(WATCHED).await;
        let next = "SELECT extract(epoch FROM run_at - now())::bigint FROM tally.jobs";
        let next = ours_scene::count(&db.pool, next).await?;
        ours_scene::stop(runner).await;
        Ok(finding(scene.begun(), many, &format!("the next in {next} s")))
    }
    .boxed_local()
}

fn finding(attempts: u32, many: u32, after: &str) -> Finding {
    let text = format!("{attempts} attempt(s) in {} s, {after}", WATCHED.as_secs());
    Finding { is_defect: attempts >= many, text }
}
