//! A receiver with a spool is killed between any two of its steps; what it had
//! acknowledged is in the inbox once all the same.
//!
//! `kill -9` leaves what was written in the system's memory: that it is synced
//! before it is acknowledged cannot be seen here, only that it is written.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tallyline::receiver::spool::{Limits, Spool, Step};
use tallyline::receiver::{Receiver, serve};
use tallyline::tenants::CreatedTenant;
use tallyline_db::pool::{self, PoolOptions};
use tallyline_model::Provider;
use tallyline_testkit::{Proxy, TestDb, wait_until};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::spool::files;
use super::support::{PATIENCE, add_tenant, config, endpoint, execution, key};

const ORDERS: &str = "TALLYLINE_SPOOL_ORDERS";

/// What a receiving process is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Orders {
    url: String,
    dir: PathBuf,
    address_file: PathBuf,
    /// Dies when it has come to this step for the n-th time.
    dies_at: Option<(String, u32)>,
}

/// The process that [`Site::start`] starts; no test of its own.
#[tokio::test]
#[ignore = "started by other tests"]
async fn receiving_process() {
    #[expect(clippy::disallowed_methods, reason = "orders come by the environment")]
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let count = AtomicU32::new(0);
    let steps = Arc::new(move |step: Step| {
        if let Some((name, nth)) = &orders.dies_at
            && *name == format!("{step:?}")
            && count.fetch_add(1, Ordering::Relaxed) + 1 == *nth
        {
            kill(Pid::this(), Signal::SIGKILL).unwrap();
        }
    });
    let spool = Spool::open(&orders.dir, Limits { max_bytes: 1 << 30, segment_bytes: 2048 }, steps).unwrap();
    let pool = pool::connect(&PoolOptions::new(orders.url)).await.unwrap();
    let mut config = config();
    config.receiver.endpoint_cache_seconds = 60;
    let (config, shutdown) = (Arc::new(config), CancellationToken::new());
    let hint = Arc::new(Notify::new());
    let receiver = Receiver::start(pool, Arc::clone(&config), key(), hint, Some(spool), shutdown.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    std::fs::write(&orders.address_file, listener.local_addr().unwrap().to_string()).unwrap();
    serve(listener, receiver.router(), &config.http, shutdown).await.unwrap();
}

struct Site {
    db: TestDb,
    tenant: CreatedTenant,
    proxy: Proxy,
    url: String,
    dir: tempfile::TempDir,
    http: reqwest::Client,
}

/// A process that ends with the test.
struct Process(Child, String);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let tenant = add_tenant(&mut db.pool.acquire().await.unwrap(), "a@example.test").await;
        let (url, proxy) = Proxy::before(&db.url).await;
        Self { db, tenant, proxy, url, dir: tempfile::tempdir().unwrap(), http: reqwest::Client::new() }
    }

    fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    async fn start(&self, dies_at: Option<(Step, u32)>) -> Process {
        let address_file = self.dir.path().join("address");
        let _ = std::fs::remove_file(&address_file);
        let orders = Orders {
            url: self.url.clone(),
            dir: self.spool(),
            address_file: address_file.clone(),
            dies_at: dies_at.map(|(step, nth)| (format!("{step:?}"), nth)),
        };
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["receiver::spool_killed::receiving_process", "--exact", "--ignored", "--test-threads=1"])
            .env(ORDERS, serde_json::to_string(&orders).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Process(child, String::new());
        wait_until("the process listens", PATIENCE, async || address(&address_file).is_some()).await;
        process.1 = address(&address_file).unwrap();
        process
    }

    /// The status of the answer; `None` when there was none.
    async fn send(&self, process: &Process, n: u32) -> Option<u16> {
        let it = endpoint(&self.tenant, Provider::Bolna);
        let url = format!("http://{}/webhooks/bolna/{}", process.1, it.endpoint);
        let request = self.http.post(url).bearer_auth(it.secret).timeout(PATIENCE).body(execution(&format!("e-{n}")));
        Some(request.send().await.ok()?.status().as_u16())
    }

    /// What is in the inbox, after the spool has been drained.
    async fn stored(&self) -> Vec<u32> {
        wait_until("the spool is drained", PATIENCE, async || files(&self.spool(), "spool") == 0).await;
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT convert_from(i.body, 'UTF8')::jsonb ->> 'id' FROM tally.inbox i
             JOIN tally.inbox_pending p ON p.user_id = i.user_id AND p.inbox_id = i.id",
        )
        .fetch_all(&self.db.admin)
        .await
        .unwrap();
        let mut ids: Vec<u32> = ids.iter().map(|id| id.trim_start_matches("e-").parse().unwrap()).collect();
        ids.sort_unstable();
        ids
    }
}

fn address(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok().filter(|text| !text.is_empty())
}

/// Sends during an outage to a process that dies at a step, or when everything is
/// acknowledged; returns what was acknowledged and what is in the inbox in the end.
async fn killed_at(dies_at: Option<(Step, u32)>) -> (Vec<u32>, Vec<u32>) {
    let site = Site::new().await;
    let mut process = site.start(dies_at).await;
    assert_eq!(site.send(&process, 0).await, Some(200));
    let mut acknowledged = vec![0];
    site.proxy.cut();
    for round in 0..4 {
        let sent: Vec<u32> = (1..=10).map(|n| round * 10 + n).collect();
        let answers = join_all(sent.iter().map(|n| site.send(&process, *n))).await;
        acknowledged.extend(sent.iter().zip(answers).filter(|(_, answer)| *answer == Some(202)).map(|(n, _)| *n));
    }
    if dies_at.is_none() {
        process.0.kill().unwrap();
    }
    site.proxy.mend();
    wait_until("the process has come to its step", PATIENCE, || {
        std::future::ready(process.0.try_wait().unwrap().is_some())
    })
    .await;
    drop(process);
    let _process = site.start(None).await;
    (acknowledged, site.stored().await)
}

/// What the sender was told is there is there once, and nothing is there that was not sent.
fn nothing_is_lost(dies_at: Option<(Step, u32)>, (acknowledged, stored): (Vec<u32>, Vec<u32>)) {
    let mut once = stored.clone();
    once.dedup();
    assert_eq!(once, stored, "{dies_at:?}: twice");
    let lost: Vec<_> = acknowledged.iter().filter(|n| !stored.contains(n)).collect();
    assert!(lost.is_empty(), "{dies_at:?}: lost {lost:?}");
    assert!(stored.iter().all(|n| *n <= 40), "{dies_at:?}: {stored:?}");
}

/// What was acknowledged before the process died has to come out, too, and what was
/// not must not come out twice.
#[tokio::test]
async fn killed_before_the_answer() {
    for dies_at in [(Step::Appended, 1), (Step::Appended, 3), (Step::Synced, 1), (Step::Synced, 2)] {
        let (acknowledged, stored) = killed_at(Some(dies_at)).await;
        assert!(acknowledged.len() < 41, "{dies_at:?}: it died on the way");
        nothing_is_lost(Some(dies_at), (acknowledged, stored));
    }
}

/// Broken by hand: with files removed before their COMMIT; with the answer given before
/// the event is written.
#[tokio::test]
async fn killed_after_the_answer() {
    for dies_at in [None, Some((Step::Committed, 1)), Some((Step::Committed, 2)), Some((Step::Removed, 1))] {
        let (acknowledged, stored) = killed_at(dies_at).await;
        assert_eq!(acknowledged.len(), 41, "{dies_at:?}");
        nothing_is_lost(dies_at, (acknowledged, stored));
    }
}
