//! Two processes behind a balancer are replaced one after another under load.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use tallyline_testkit::{TestDb, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::daemon::{Site, ended_well, text};
use crate::process::{LONG, Process};

/// Gives each connection to one of the backends in turn, to another if that one
/// does not take it, and counts the answers 5xx.
pub struct Balancer {
    pub address: String,
    pub answers_5xx: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Balancer {
    pub async fn before(backends: [String; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers_5xx = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&answers_5xx);
        let serving = async move {
            let mut turn = 0;
            while let Ok((client, _)) = listener.accept().await {
                turn += 1;
                tokio::spawn(forward(client, backends.clone(), turn, Arc::clone(&seen)));
            }
        };
        Balancer { address, answers_5xx, task: tokio::spawn(serving).abort_handle() }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, backends: [String; 2], turn: usize, answers_5xx: Arc<AtomicUsize>) {
    for n in 0..backends.len() {
        let Ok(backend) = TcpStream::connect(&backends[(turn + n) % backends.len()]).await else { continue };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_backend, mut to_backend) = backend.into_split();
        let answers = async {
            let mut part = vec![0; 16 * 1024];
            while let Ok(length @ 1..) = from_backend.read(&mut part).await {
                // Answers are small and begin a part of their own.
                if part[..length].starts_with(b"HTTP/1.1 5") {
                    answers_5xx.fetch_add(1, Ordering::SeqCst);
                }
                if to_client.write_all(&part[..length]).await.is_err() {
                    break;
                }
            }
            let _ = to_client.shutdown().await;
        };
        let requests = async {
            let _ = tokio::io::copy(&mut from_client, &mut to_backend).await;
            let _ = to_backend.shutdown().await;
        };
        tokio::join!(answers, requests);
        return;
    }
}

/// Sends so many calls by `command`, which has no arguments yet.
pub fn traffic(command: &mut Command, to: &str, ledger: &Path, calls: &str) -> Child {
    command.args(["simulate", "--url", &format!("http://{to}"), "--calls", calls, "--rate", "100", "--seed", "21"]);
    command.args([
        "--duplicates",
        "5%",
        "--reorder",
        "10%",
        "--tenants",
        "3",
        "--ledger",
        &ledger.display().to_string(),
    ]);
    command.env(ORIGIN.0, ORIGIN.1).stdout(Stdio::null()).spawn().unwrap()
}

/// A machine that is slow is none that refuses.
const PATIENT: (&str, &str) = ("TALLYLINE_RECEIVER__ACKNOWLEDGE_DEADLINE_MILLISECONDS", "30000");

/// What the carrier signs is the same whoever answers.
pub const ORIGIN: (&str, &str) = ("TALLYLINE_HTTP__PUBLIC_ORIGIN", "http://rolling.localhost");

pub async fn applied(db: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM tally.call_events").fetch_one(&db.admin).await.unwrap()
}

/// Break to try: committers that end when the process is asked to stop, not when the
/// last request has its answer (those get 503).
#[tokio::test(flavor = "multi_thread")]
async fn processes_are_replaced_one_after_another_under_load_and_nothing_is_lost_or_refused() {
    let db = TestDb::new().await;
    let sites = [Site::new(&db), Site::new(&db)];
    let balancer = Balancer::before(sites.each_ref().map(|site| site.address.clone())).await;
    let ledger = sites[0].file("ledger.json");
    let mut processes = sites.each_ref().map(|site| Some(Process::start(site, &[ORIGIN, PATIENT])));
    for (site, process) in sites.iter().zip(&processes) {
        process.as_ref().unwrap().ready(site).await;
    }
    let mut traffic = traffic(&mut sites[0].command(&[]), &balancer.address, &ledger, "1500");
    let mut replaced_under_load = 0;
    for round in 0..4 {
        let (site, before) = (&sites[round % 2], applied(&db).await);
        wait_until("more was applied", LONG, async || applied(&db).await > before + 100).await;
        let old = processes[round % 2].take().unwrap();
        old.signal(Signal::SIGTERM);
        assert_eq!(old.ended().await.code(), Some(0));
        replaced_under_load += usize::from(traffic.try_wait().unwrap().is_none());
        let new = Process::start(site, &[ORIGIN, PATIENT]);
        new.ready(site).await;
        processes[round % 2] = Some(new);
    }
    ended_well(traffic).await;
    assert!(replaced_under_load >= 2, "the load ended too early: {replaced_under_load}");
    assert_eq!(balancer.answers_5xx.load(Ordering::SeqCst), 0);

    let verified = sites[0].verify(&ledger);
    assert!(verified.status.success(), "{}", text(&verified));
    let wrong: Vec<String> = sqlx::query_scalar(
        "SELECT concat_ws(' ', kind, outcome, error) FROM tally.job_history WHERE outcome NOT IN ('succeeded', 'interrupted')",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(wrong, Vec::<String>::new());
}

/// While processes are replaced, one of the version before may have to start again.
/// Break to try: refused as if a migration were missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_starts_on_a_schema_that_is_newer_and_says_so() {
    let db = TestDb::new().await;
    sqlx::raw_sql("INSERT INTO _sqlx_migrations SELECT 99999999999999, 'later', now(), true, '\\x01', 0")
        .execute(&db.admin)
        .await
        .unwrap();
    let site = Site::new(&db);
    let daemon = Process::start(&site, &[]);
    daemon.ready(&site).await;
    assert!(daemon.logged().contains("the schema is newer than this program"), "{}", daemon.logged());
}
