//! `kill -9` and immediate stop of PostgreSQL, and `kill -9` of one of its backends.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Cluster, Outcome, Run};

/// The server dies again and again and is started again; the daemon lives on.
pub async fn postgres_kills(count: u64, seed: u64) -> Outcome {
    let cluster = Cluster::start().await;
    let mut run = Run::new(&cluster.url, &cluster.admin_url, seed);
    let spool = run.place.file("spool").display().to_string();
    let with_spool = [("TALLYLINE_RECEIVER__SPOOL_DIR", spool.as_str())];
    // Of two runs, one answers 202 meanwhile and the other 503.
    let variables = if run.dice.one_in(2) { &with_spool[..] } else { &[] };
    let daemon = run.place.start(variables).await;
    for round in 0..count {
        run.traffic.keep_up(&run.place, (count - round) * 4).await;
        if round == count / 2 {
            run.look().await;
        }
        let moment = run.dice.milliseconds(200..=1_500);
        tokio::time::sleep(moment).await;
        match run.dice.between(0..=2) {
            0 => cluster.strike(Signal::SIGKILL).await,
            1 => cluster.strike(Signal::SIGQUIT).await,
            _ => kill_a_backend(&run).await,
        }
        cluster.revive().await;
        while sqlx::query("SELECT 1").execute(&run.db).await.is_err() {
            // A server that lost a backend starts anew by itself.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    let note = if variables.is_empty() { "(without a spool)" } else { "(with a spool)" };
    run.judge(daemon, count, note.to_owned()).await
}

async fn kill_a_backend(run: &Run) {
    let pid: Option<i32> = sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
         ORDER BY state = 'active' DESC, random() LIMIT 1",
    )
    .fetch_optional(&run.db)
    .await
    .unwrap();
    if let Some(pid) = pid {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
}

/// Break tried: `fsync = off` cannot be seen here, since the machine stays up; an
/// answer before the COMMIT is: the receiver answering when the group was only sent.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_dies_five_times() {
    postgres_kills(5, 4).await.accept("postgres_kills");
}
