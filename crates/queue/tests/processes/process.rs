//! Worker processes: started, told, frozen, killed. None outlives its test.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use sqlx::PgPool;
use tallyline_queue::Queue;
use tallyline_testkit::{TestDb, wait_until};

use crate::worker::{Numbers, ORDERS, Orders, TABLES, job};

/// Far more than anything here takes; a test that needs it has failed.
pub const LONG: Duration = Duration::from_secs(180);

/// A worker that ends with the test.
pub struct Worker {
    child: Child,
    pub label: String,
}

impl Worker {
    /// Starts one whose label, concurrency and so on are told.
    pub fn start(orders: &Orders) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["worker::worker_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ORDERS, serde_json::to_string(orders).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self { child, label: orders.label.clone() }
    }

    /// Tells it something. A frozen one reads it when it wakes.
    pub fn tell(&mut self, what: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{what}").unwrap();
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP; returns when it stands still.
    pub async fn freeze(&self) {
        let pid = self.pid();
        kill(pid, Signal::SIGSTOP).unwrap();
        wait_until("the process stands still", LONG, async || {
            let flags = WaitPidFlag::WUNTRACED | WaitPidFlag::WNOHANG;
            match waitpid(pid, Some(flags)).unwrap() {
                WaitStatus::Stopped(..) => true,
                WaitStatus::StillAlive => false,
                other => panic!("the worker {} ended: {other:?}", self.label),
            }
        })
        .await;
    }

    /// SIGCONT.
    pub fn wake(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    /// Lets it end by itself, its jobs done and its counts written down.
    pub async fn stop(mut self) {
        self.tell("stop");
        let mut status = None;
        wait_until("the worker has ended", LONG, || {
            status = self.child.try_wait().unwrap();
            std::future::ready(status.is_some())
        })
        .await;
        assert!(status.unwrap().success(), "worker {} ended badly: {status:?}", self.label);
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A database with tables for what the workers do.
pub async fn database() -> TestDb {
    let db = TestDb::new().await;
    sqlx::raw_sql(TABLES).execute(&db.admin).await.unwrap();
    db
}

/// Enqueues jobs, each `exact` or, one in so many, plain.
pub async fn enqueue(db: &PgPool, numbers: &Numbers, count: i64, one_plain_in: i64) {
    let jobs: Vec<_> = numbers.take(count).map(|n| job(n, one_plain_in == 0 || n % one_plain_in != 0)).collect();
    let mut connection = db.acquire().await.unwrap();
    for jobs in jobs.chunks(5_000) {
        Queue::new().enqueue_bulk(&mut connection, jobs).await.unwrap();
    }
}

pub async fn count(db: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(db).await.unwrap()
}

/// Every job ended once, well, and by the word of the claim that it had last; what
/// it did in its own transaction is there once.
pub async fn everything_happened_once(db: &PgPool, jobs: i64) {
    let queries = [
        ("jobs left", "SELECT count(*) FROM tally.jobs", 0),
        ("dead letters", "SELECT count(*) FROM tally.dead_jobs", 0),
        (
            "jobs that succeeded",
            "SELECT count(DISTINCT job_id) FROM tally.job_history WHERE outcome = 'succeeded'",
            jobs,
        ),
        ("successes", "SELECT count(*) FROM tally.job_history WHERE outcome = 'succeeded'", jobs),
        (
            "claims that ended twice",
            "SELECT count(*) FROM (SELECT FROM tally.job_history GROUP BY job_id, claim HAVING count(*) > 1) twice",
            0,
        ),
        (
            "jobs that ended otherwise than by their last claim",
            "SELECT count(*) FROM tally.job_history h WHERE outcome = 'succeeded' AND claim <>
             (SELECT max(claim) FROM tally.job_history other WHERE other.job_id = h.job_id)",
            0,
        ),
        ("numbers with an effect", "SELECT count(DISTINCT n) FROM public.effects", jobs),
        (
            "exact effects that are there more than once",
            "SELECT count(*) FROM (SELECT FROM public.effects WHERE kind = 'exact' GROUP BY n HAVING count(*) > 1) twice",
            0,
        ),
        (
            "exact effects of a claim that did not succeed",
            "SELECT count(*) FROM public.effects e WHERE kind = 'exact' AND NOT EXISTS
             (SELECT FROM tally.job_history h
              WHERE h.job_id = e.job_id AND h.claim = e.claim AND h.outcome = 'succeeded')",
            0,
        ),
        (
            "accepted after they had been refused",
            "SELECT count(*) FROM public.refused r JOIN public.effects e USING (job_id, claim) WHERE e.kind = 'exact'",
            0,
        ),
    ];
    for (what, sql, wanted) in queries {
        assert_eq!(count(db, sql).await, wanted, "{what}");
    }
}
