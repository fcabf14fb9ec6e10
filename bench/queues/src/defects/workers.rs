//! A3, A4 and A12: workers that are slow, killed, or come again.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, bail};
use futures::FutureExt;
use tallyline_db::pool::{self, PoolOptions};
use tallyline_queue::NewJob;
use tallyline_testkit::TestDb;
use tokio::process::Command;

use super::{Finding, Look, apalis_scene, ours_scene, within};

/// Jobs of A3.
const JOBS: u32 = 10;

/// How long each takes; a worker that takes them one by one is busy for twice its lease.
const SLOW: Duration = Duration::from_millis(400);

const LEASE_SECONDS: usize = 2;

const LIMIT: Duration = Duration::from_secs(8);

pub fn a3_apalis(db: &TestDb) -> Look<'_> {
    async move {
        let pool = apalis_scene::set_up(&db.admin_url).await?;
        let scene = apalis_scene::Scene::new(|_| tokio::time::sleep(SLOW).map(Ok));
        apalis_scene::push(&pool, (0..JOBS).map(apalis_scene::job).collect()).await?;
        let start = |name| scene.start(&pool, name, apalis_scene::config(LEASE_SECONDS), Some(1));
        let workers = ["first", "second"].map(start);
        let all_done = async || {
            Ok(apalis_scene::count(&pool, "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'").await? == 0)
        };
        within(LIMIT, all_done).await?;
        workers.iter().for_each(tokio::task::JoinHandle::abort);
        Ok(finding_of_runs(scene.begun()))
    }
    .boxed_local()
}

pub fn a3_ours(db: &TestDb) -> Look<'_> {
    async move {
        let scene = ours_scene::Scene::new(|_| tokio::time::sleep(SLOW).map(Ok));
        let jobs = (0..JOBS).map(|n| NewJob::of(&ours_scene::Numbered { n })).collect::<Result<Vec<_>, _>>()?;
        ours_scene::enqueue(&db.pool, &tallyline_queue::Queue::new(), &jobs).await?;
        let runners =
            [ours_scene::runner(&db.pool, &scene, 1)?.start()?, ours_scene::runner(&db.pool, &scene, 1)?.start()?];
        within(LIMIT, async || ours_scene::is_empty(&db.pool).await).await?;
        for runner in runners {
            ours_scene::stop(runner).await;
        }
        Ok(finding_of_runs(scene.begun()))
    }
    .boxed_local()
}

fn finding_of_runs(runs: u32) -> Finding {
    let text = format!(
        "2 workers that do 1 job at a time, {JOBS} jobs of {:.1} s, lease {LEASE_SECONDS} s: {runs} runs",
        SLOW.as_secs_f64()
    );
    Finding { is_defect: runs > JOBS, text }
}

/// The whole life of a process that is to be killed: works on jobs that never end.
pub async fn victim(who: &str, url: &str) -> anyhow::Result<()> {
    match who {
        "apalis" => {
            let pool = apalis_scene::set_up(url).await?;
            let scene = apalis_scene::Scene::new(|_| std::future::pending());
            scene.start(&pool, "pod-0", apalis_scene::config(LEASE_SECONDS), None).await?
        }
        "ours" => {
            let pool = pool::connect(&PoolOptions::new(url)).await?;
            let scene = ours_scene::Scene::new(|_| std::future::pending());
            let _runner = ours_scene::runner(&pool, &scene, 1)?.label("pod-0").start()?;
            std::future::pending().await
        }
        _ => bail!("there is no victim {who}"),
    }
}

/// Starts a process that works, lets it claim a job, kills it.
async fn claim_and_die(
    who: &str,
    url: &str,
    mut is_claimed: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let mut process =
        Command::new(program).args(["--victim", who, "--url", url]).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
    let claimed = within(LIMIT, async || is_claimed().await).await?;
    process.kill().await?;
    anyhow::ensure!(claimed, "the process to be killed never claimed the job");
    Ok(())
}

pub fn a4_apalis(db: &TestDb) -> Look<'_> {
    async move {
        let pool = apalis_scene::set_up(&db.admin_url).await?;
        apalis_scene::push(&pool, vec![apalis_scene::job(0)]).await?;
        let is_claimed = async || {
            Ok(apalis_scene::count(&pool, "SELECT count(*) FROM apalis.jobs WHERE status = 'Running'").await? == 1)
        };
        claim_and_die("apalis", &db.admin_url, is_claimed).await?;
        let scene = apalis_scene::Scene::new(|_| async { Ok(()) });
        let worker = scene.start(&pool, "pod-0", apalis_scene::config(LEASE_SECONDS), None);
        let is_rescued = within(LIMIT, async || Ok(scene.begun() > 0)).await?;
        let is_working = !worker.is_finished();
        worker.abort();
        let status: String = sqlx::query_scalar("SELECT status FROM apalis.jobs").fetch_one(&pool).await?;
        anyhow::ensure!(is_working, "the new worker did not stay");
        Ok(finding_of_restart(is_rescued, &status))
    }
    .boxed_local()
}

pub fn a4_ours(db: &TestDb) -> Look<'_> {
    async move {
        let job = NewJob::of(&ours_scene::Numbered { n: 0 })?;
        ours_scene::enqueue(&db.pool, &tallyline_queue::Queue::new(), &[job]).await?;
        let is_claimed = async || {
            Ok(ours_scene::count(&db.pool, "SELECT count(*) FROM tally.jobs WHERE state = 'claimed'").await? == 1)
        };
        claim_and_die("ours", &db.url, is_claimed).await?;
        let scene = ours_scene::Scene::new(|_| async { Ok(()) });
        let runner = ours_scene::runner(&db.pool, &scene, 1)?.label("pod-0").start()?;
        let is_rescued = within(LIMIT, async || ours_scene::is_empty(&db.pool).await).await?;
        ours_scene::stop(runner).await;
        Ok(finding_of_restart(is_rescued, if is_rescued { "done" } else { "claimed" }))
    }
    .boxed_local()
}

fn finding_of_restart(is_rescued: bool, status: &str) -> Finding {
    let text = format!("killed, lease {LEASE_SECONDS} s; {} s after the restart the job is {status}", LIMIT.as_secs());
    Finding { is_defect: !is_rescued, text }
}

/// Starts of one worker after another, on one pool.
const STARTS: usize = 5;

pub fn a12_apalis(db: &TestDb) -> Look<'_> {
    async move {
        let pool = apalis_scene::set_up(&db.admin_url).await?;
        let scene = apalis_scene::Scene::new(|_| async { Ok(()) });
        for start in 1..=STARTS {
            let worker = scene.start(&pool, "pod-0", apalis_scene::config(LEASE_SECONDS), None);
            // Others use the pool, too, so that each start meets another connection.
            let held = pool.acquire().await?;
            apalis_scene::push(&pool, vec![apalis_scene::job(0)]).await?;
            let expected = u32::try_from(start).context("few starts")?;
            let came = within(LIMIT, async || Ok(scene.begun() == expected || worker.is_finished())).await?;
            if !came || scene.begun() < expected {
                let end =
                    if worker.is_finished() { format!("{:?}", worker.await) } else { "it does nothing".to_owned() };
                return Ok(Finding { is_defect: true, text: format!("start {start} of {STARTS}: {end}") });
            }
            worker.abort();
            drop(held);
        }
        Ok(Finding { is_defect: false, text: format!("{STARTS} starts, {} jobs done", scene.begun()) })
    }
    .boxed_local()
}

pub fn a12_ours(db: &TestDb) -> Look<'_> {
    async move {
        let scene = ours_scene::Scene::new(|_| async { Ok(()) });
        for _ in 0..STARTS {
            let runner = ours_scene::runner(&db.pool, &scene, 1)?.label("pod-0").start()?;
            let job = NewJob::of(&ours_scene::Numbered { n: 0 })?;
            ours_scene::enqueue(&db.pool, &runner.queue(), &[job]).await?;
            within(LIMIT, async || ours_scene::is_empty(&db.pool).await).await?;
            ours_scene::stop(runner).await;
        }
        let done = scene.begun();
        Ok(Finding { is_defect: done as usize != STARTS, text: format!("{STARTS} starts, {done} jobs done") })
    }
    .boxed_local()
}
