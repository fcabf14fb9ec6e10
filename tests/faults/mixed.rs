//! Everything at once: two daemons, one of them behind a bad wire, a server that dies.

use std::time::Duration;

use nix::sys::signal::Signal;
use tallyline_failpoints::VARIABLE;
use tokio::time::Instant;

use crate::circumstances::terminate;
use crate::harness::{Cluster, Outcome, Place, Process, Run};
use crate::network::{SOON, Wires};

/// Between two looks at the figures in the middle of it.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// So many minutes of faults of all kinds; those that strike are drawn anew each time.
pub async fn mixed_minutes(count: u64, seed: u64) -> Outcome {
    let cluster = Cluster::start().await;
    let mut run = Run::new(&cluster.url, &cluster.admin_url, seed);
    let wires = Wires::before(&cluster.url, seed).await;
    // It takes the webhooks, at the end of a bad wire; the other one only works.
    let spool = run.place.file("spool").display().to_string();
    let variables = [("DATABASE_URL", wires.url.clone()), ("TALLYLINE_RECEIVER__SPOOL_DIR", spool)];
    let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<(&str, &str)> = variables.chain([SOON]).collect();
    let mut daemon = run.place.start(&variables).await;
    let works = Place::new(&cluster.url);
    let mut other = works.spawn_as(&["run", "--roles", "worker,scheduler"], &[]);
    let (began, mut looked, mut faults) = (Instant::now(), Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(count * 60) {
        let left = Duration::from_secs(count * 60).saturating_sub(began.elapsed());
        run.traffic.keep_up(&run.place, left.as_secs() + 2).await;
        if looked.elapsed() > LOOK_EVERY {
            run.look().await;
            looked = Instant::now();
        }
        let moment = run.dice.milliseconds(200..=1_500);
        tokio::time::sleep(moment).await;
        faults += 1;
        match run.dice.between(0..=6) {
            0 => daemon = reborn(&mut run, daemon, &variables).await,
            1 => {
                let plan = run.draw_failpoint("abort");
                other.kill();
                other = works.spawn_as(&["run", "--roles", "worker,scheduler"], &[(VARIABLE, &plan)]);
            }
            2 => freeze_for_a_while(&mut run, &other).await,
            3 => {
                let most = if run.dice.one_in(2) { 1 } else { 100 };
                terminate(&run.db, most).await;
            }
            4 => {
                cluster.strike(if run.dice.one_in(2) { Signal::SIGKILL } else { Signal::SIGQUIT }).await;
                cluster.revive().await;
            }
            _ => wires.fault(&mut run.dice).await,
        }
    }
    other.kill();
    wires.mend();
    run.judge(daemon, count, format!("({faults} faults)")).await
}

async fn reborn(run: &mut Run, daemon: Process, variables: &[(&str, &str)]) -> Process {
    daemon.kill();
    run.place.start(variables).await
}

/// Its lease ends while it stands still.
async fn freeze_for_a_while(run: &mut Run, other: &Process) {
    if other.is_frozen() {
        return;
    }
    other.signal(Signal::SIGSTOP);
    let label = format!("%:{}", other.id());
    sqlx::query("UPDATE tally.job_leases SET expires_at = now() - interval '1 second' WHERE label LIKE $1")
        .bind(label)
        .execute(&run.db)
        .await
        .unwrap();
    let moment = run.dice.milliseconds(500..=4_000);
    tokio::time::sleep(moment).await;
    other.wake();
}
