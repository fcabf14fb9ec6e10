//! Durable webhooks a second over real sockets, beside the same server with one
//! COMMIT a request, and beside batched INSERTs of the same rows without a server.
//!
//! Every request is a new event of 2.5 kB, authentic, and answered after its
//! COMMIT; `fsync` is on while this runs, whatever the server's default.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sqlx::PgPool;
use tallyline::config::{self, Config};
use tallyline::receiver::{Receiver, serve};
use tallyline::tenants::{self, NewTenant};
use tallyline_secrets::SealingKey;
use tallyline_testkit::TestDb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stage;

/// Connections of the closed loops.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Length of a body, bytes; as one with a transcript of a minute.
const BODY_BYTES: usize = 2_500;
/// Digits by which bodies differ.
const DIGITS: usize = 12;
/// Rows of one INSERT of the raw loop, and its connections: as the receiver's.
const RAW_ROWS: i64 = 256;
const RAW_CONNECTIONS: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds of each closed loop
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of which the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests a second while the acknowledgement is timed
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds of that
    #[arg(long, default_value_t = 20)]
    rate_seconds: u32,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Runs both servers and the raw loop in turn, round by round.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let db = TestDb::try_new().await?;
    fsync(&db, true).await?;
    let measured = measure(&args, &db).await;
    fsync(&db, false).await?;
    measured
}

/// The test server does not sync by default; durability is what is measured here.
pub(crate) async fn fsync(db: &TestDb, on: bool) -> anyhow::Result<()> {
    let change = if on { "ALTER SYSTEM SET fsync = on" } else { "ALTER SYSTEM RESET fsync" };
    sqlx::query(change).execute(&db.admin).await.context("fsync cannot be switched")?;
    sqlx::query("SELECT pg_reload_conf()").execute(&db.admin).await?;
    for _ in 0..200 {
        let now: String = sqlx::query_scalar("SHOW fsync").fetch_one(&db.admin).await?;
        if !on || now == "on" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    bail!("the server does not sync")
}

async fn measure(args: &Args, db: &TestDb) -> anyhow::Result<bool> {
    let tenant =
        tenants::create_tenant(&mut *db.pool.acquire().await?, &key(), NewTenant::new("Bench", "bench@example.test"))
            .await?;
    let bolna = tenant.endpoints.first().context("a tenant without endpoints")?;
    let request = Template::new(&bolna.endpoint, &bolna.secret);
    // [connections][side] → per second of each round
    let mut rates = vec![[Vec::new(), Vec::new()]; CONNECTIONS.len()];
    let mut raw = Vec::new();
    for round in 0..args.rounds.max(1) {
        for (side, max_group) in [(0, 256), (1, 1)] {
            let server = Server::start(db, max_group).await?;
            for (n, connections) in CONNECTIONS.into_iter().enumerate() {
                let rate = closed_loop(&server, &request, connections, args.seconds).await?;
                rates[n][side].push(rate);
            }
            server.stop().await?;
        }
        raw.push(raw_loop(&db.admin, args.seconds).await?);
        eprintln!("round {} of {} is done", round + 1, args.rounds.max(1));
    }
    let server = Server::start(db, 256).await?;
    let mut latencies = open_loop(&server, &request, args).await?;
    server.stop().await?;
    let stored = stage::number(&db.admin, "SELECT count(*) FROM tally.inbox").await?;
    ensure!(
        u64::try_from(stored)? == SENT.load(Ordering::Relaxed),
        "{stored} rows of the events that were acknowledged"
    );
    report(args, rates, raw, &mut latencies)
}

fn report(args: &Args, rates: Vec<[Vec<f64>; 2]>, raw: Vec<f64>, latencies: &mut [Duration]) -> anyhow::Result<bool> {
    let raw = median(raw);
    let mut rows = Vec::new();
    println!("connections   group commit   COMMIT a request   ratio");
    for (connections, [ours, single]) in CONNECTIONS.into_iter().zip(rates) {
        let (ours, single) = (median(ours), median(single));
        println!("{connections:>11} {ours:>12.0}/s {single:>16.0}/s {:>7.2}", ours / single);
        rows.push(serde_json::json!({
            "connections": connections, "webhooks_per_second": ours, "commit_per_request": single, "ratio": ours / single,
        }));
    }
    let most = rows.last().and_then(|row| row["webhooks_per_second"].as_f64()).unwrap_or_default();
    println!(
        "raw INSERTs of {RAW_ROWS} rows, {RAW_CONNECTIONS} connections: {raw:.0} rows/s; the receiver does {:.2} of it",
        most / raw
    );
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(place).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    };
    let milliseconds = [at(0.5), at(0.95), at(0.99)];
    let [p50, p95, p99] = milliseconds;
    println!("acknowledged at {}/s: p50 {p50:.2} ms, p95 {p95:.2} ms, p99 {p99:.2} ms", args.rate);
    let peak = stage::peak_memory_bytes();
    if let Some(peak) = peak {
        println!("most memory of this process, clients and servers together: {} MiB", peak >> 20);
    }
    if args.json {
        let acknowledged = serde_json::json!({ "rate": args.rate, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99 });
        println!(
            "{}",
            serde_json::json!({
                "bench": "ingest", "closed_loop": rows, "raw_rows_per_second": raw, "share_of_raw": most / raw,
                "acknowledged": acknowledged, "peak_memory_bytes": peak, "body_bytes": BODY_BYTES,
            })
        );
    }
    Ok(true)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn key() -> SealingKey {
    SealingKey::new([7; 32])
}

/// A receiver on a port of its own.
struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    receiver: Receiver,
    pool: PgPool,
}

impl Server {
    /// `max_group` 1: one COMMIT a request, over as many connections as profit.
    async fn start(db: &TestDb, max_group: usize) -> anyhow::Result<Self> {
        let mut config: Config = config::load(&config::Overrides::default(), std::iter::empty())?;
        config.receiver.max_group = max_group;
        if max_group == 1 {
            config.receiver.committers = 16;
        }
        config.receiver.tenant_requests_per_second = 0;
        config.receiver.max_in_flight_per_tenant = 0;
        config.http.max_connections_per_address = config.http.max_connections;
        let connections = u32::try_from(config.receiver.committers)? + 4;
        let mut options = tallyline_db::PoolOptions::new(&db.url);
        options.max_connections = connections;
        let pool = tallyline_db::pool::connect(&options).await?;
        let (config, shutdown) = (Arc::new(config), CancellationToken::new());
        let hint = Arc::new(Notify::new());
        let receiver = Receiver::start(pool.clone(), Arc::clone(&config), key(), hint, None, shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (router, stop) = (receiver.router(), shutdown.clone());
        let task = tokio::spawn(async move { serve(listener, router, &config.http, stop).await });
        Ok(Self { address, shutdown, task, receiver, pool })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.task.await??;
        self.receiver.finish().await;
        self.pool.close().await;
        Ok(())
    }
}

/// Events acknowledged so far; numbers the bodies through.
static SENT: AtomicU64 = AtomicU64::new(0);

/// A request whose number is written into its place.
#[derive(Clone)]
struct Template {
    bytes: Vec<u8>,
    number_at: usize,
}

impl Template {
    fn new(endpoint: &str, secret: &str) -> Self {
        let (head, tail) = (format!(r#"{{"id":"{}-"#, Uuid::nil()), r#"","status":"ringing","transcript":""#);
        let padding = BODY_BYTES - head.len() - DIGITS - tail.len() - 2;
        let body = format!("{head}{}{tail}{}\"}}", "0".repeat(DIGITS), "a".repeat(padding));
        let front = format!(
            "POST /webhooks/bolna/{endpoint} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {secret}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let number_at = front.len() + head.len();
        Self { bytes: [front.into_bytes(), body.into_bytes()].concat(), number_at }
    }

    fn number(&mut self, number: u64) {
        let text = format!("{number:0DIGITS$}");
        self.bytes[self.number_at..self.number_at + DIGITS].copy_from_slice(text.as_bytes());
    }
}

/// Sends one request and waits for a 200.
async fn ask(stream: &mut TcpStream, request: &mut Template, buffer: &mut [u8]) -> anyhow::Result<()> {
    request.number(SENT.fetch_add(1, Ordering::Relaxed));
    stream.write_all(&request.bytes).await?;
    let mut read = 0;
    loop {
        let more = stream.read(buffer.get_mut(read..).context("a long answer")?).await?;
        ensure!(more > 0, "the server closed the connection");
        read += more;
        let answer = buffer.get(..read).unwrap_or_default();
        if let Some(end) = answer.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&answer[..end]);
            ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if read >= end + 4 + length.trim().parse::<usize>()? {
                return Ok(());
            }
        }
    }
}

/// So many connections, each with the next request as soon as it is answered.
async fn closed_loop(server: &Server, request: &Template, connections: usize, seconds: u64) -> anyhow::Result<f64> {
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (mut request, address) = (request.clone(), server.address);
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut answered, mut buffer) = (0_u64, vec![0; 4096]);
            while Instant::now() < until {
                ask(&mut stream, &mut request, &mut buffer).await?;
                answered += 1;
            }
            anyhow::Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(client) = clients.join_next().await {
        answered += client??;
    }
    Ok(answered as f64 / began.elapsed().as_secs_f64())
}

/// A request at each tick, whatever became of the one before; from the tick to the answer.
async fn open_loop(server: &Server, request: &Template, args: &Args) -> anyhow::Result<Vec<Duration>> {
    let connections = CONNECTIONS[CONNECTIONS.len() - 1];
    // Unbounded: a client that is late must not hold up the clock.
    let (sender, receiver) = mpsc::unbounded_channel::<Instant>();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (mut request, address, ticks) = (request.clone(), server.address, Arc::clone(&receiver));
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut took, mut buffer) = (Vec::new(), vec![0; 4096]);
            loop {
                let Some(due) = ticks.lock().await.recv().await else { return anyhow::Ok(took) };
                ask(&mut stream, &mut request, &mut buffer).await?;
                took.push(due.elapsed());
            }
        });
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / args.rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..args.rate * args.rate_seconds {
        sender.send(ticks.tick().await)?;
    }
    drop(sender);
    let mut took = Vec::new();
    while let Some(client) = clients.join_next().await {
        took.extend(client??);
    }
    Ok(took)
}

/// The same bytes without HTTP, authentication and deduplication's answer: what
/// PostgreSQL takes when rows come in batches.
async fn raw_loop(admin: &PgPool, seconds: u64) -> anyhow::Result<f64> {
    sqlx::raw_sql(
        "DROP TABLE IF EXISTS public.raw_inbox;
         CREATE TABLE public.raw_inbox (user_id uuid, provider text, sha bytea, body bytea, received_at timestamptz,
                                        UNIQUE (user_id, provider, sha))",
    )
    .execute(admin)
    .await?;
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut writers = JoinSet::new();
    for _ in 0..RAW_CONNECTIONS {
        let pool = admin.clone();
        writers.spawn(async move {
            let mut connection = pool.acquire().await?;
            let mut rows = 0;
            while Instant::now() < until {
                let first = i64::try_from(RAW_SENT.fetch_add(u64::try_from(RAW_ROWS)?, Ordering::Relaxed))?;
                let numbers: Vec<i64> = (first..first + RAW_ROWS).collect();
                let bodies: Vec<Vec<u8>> = numbers.iter().map(|n| format!("{n:0BODY_BYTES$}").into_bytes()).collect();
                let hashes: Vec<Vec<u8>> = bodies.iter().map(|body| digest(body)).collect();
                let done = sqlx::query(
                    "INSERT INTO public.raw_inbox SELECT $1, 'bolna', sha, body, now() FROM unnest($2::bytea[], $3::bytea[]) r (sha, body)
                     ON CONFLICT DO NOTHING",
                )
                .bind(Uuid::nil())
                .bind(&hashes)
                .bind(&bodies)
                .execute(&mut *connection)
                .await?;
                rows += done.rows_affected();
            }
            anyhow::Ok(rows)
        });
    }
    let mut rows = 0;
    while let Some(writer) = writers.join_next().await {
        rows += writer??;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

static RAW_SENT: AtomicU64 = AtomicU64::new(0);

fn digest(body: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(body).to_vec()
}
