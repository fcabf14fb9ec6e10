//! The least that a queue can be: a table and a loop. No attempts, no leases,
//! no history: whoever dies takes its batch along.

use std::{ops::Range, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use sqlx::{PgConnection, PgPool, Row, postgres::PgPoolOptions, types::Json};
use tallyline_testkit::TestDb;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::system::{Done, Ledger, Open, Payload, System, sql_is_true};

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS raw_jobs (
        id bigserial PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now(),
        claimed_at timestamptz, payload jsonb NOT NULL);
    CREATE INDEX IF NOT EXISTS raw_jobs_ready ON raw_jobs (run_at, id) WHERE claimed_at IS NULL;";

const ENQUEUE: &str = "INSERT INTO raw_jobs (payload) SELECT unnest($1::jsonb[])";

const CLAIM: &str = "
    WITH picked AS MATERIALIZED (
        SELECT id FROM raw_jobs WHERE claimed_at IS NULL AND run_at <= now()
        ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
    UPDATE raw_jobs SET claimed_at = now() WHERE id = ANY (ARRAY(SELECT id FROM picked)) RETURNING id, payload";

const COMPLETE: &str = "DELETE FROM raw_jobs WHERE id = ANY ($1)";

const CLAIM_AND_COMPLETE: &str = "
    WITH picked AS MATERIALIZED (
        SELECT id FROM raw_jobs WHERE claimed_at IS NULL AND run_at <= now()
        ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
    DELETE FROM raw_jobs WHERE id = ANY (ARRAY(SELECT id FROM picked)) RETURNING id, payload";

struct RawSql {
    statements: Statements,
    connections: u32,
    batch: i64,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statements {
    /// Claim and complete.
    Two,
    /// Both at once: the job is gone before it runs.
    One,
}

/// Settings to choose from.
pub fn candidates() -> Vec<Box<dyn System>> {
    let with = |statements, connections| {
        Box::new(RawSql { statements, connections, batch: 200, pause: Duration::from_millis(5) }) as Box<dyn System>
    };
    vec![
        with(Statements::Two, 2),
        with(Statements::Two, 1),
        with(Statements::Two, 4),
        with(Statements::One, 2),
        with(Statements::One, 1),
        with(Statements::One, 4),
    ]
}

/// Polls as often as anyone could bear.
pub fn for_latency() -> Vec<Box<dyn System>> {
    vec![Box::new(RawSql { statements: Statements::Two, connections: 1, batch: 200, pause: Duration::from_millis(5) })]
}

impl System for RawSql {
    fn name(&self) -> &'static str {
        match self.statements {
            Statements::Two => "raw_sql",
            Statements::One => "raw_sql_one_statement",
        }
    }

    fn settings(&self) -> String {
        let statements = match self.statements {
            Statements::Two => "claim (UPDATE) and complete (DELETE) as two statements",
            Statements::One => "DELETE … RETURNING as one statement",
        };
        let Self { connections, batch, pause, .. } = self;
        format!("{statements}, batch {batch}, {connections} connection(s), polled every {} ms", pause.as_millis())
    }

    fn open<'a>(&'a self, db: &'a TestDb) -> Done<'a, Box<dyn Open>> {
        async move {
            sqlx::raw_sql(TABLE).execute(&db.admin).await?;
            let pool = PgPoolOptions::new().max_connections(self.connections + 10).connect(&db.admin_url).await?;
            let open = OpenRawSql {
                pool,
                statements: self.statements,
                connections: self.connections,
                batch: self.batch,
                pause: self.pause,
                stop: CancellationToken::new(),
                loops: TaskTracker::new(),
            };
            Ok(Box::new(open) as Box<dyn Open>)
        }
        .boxed_local()
    }
}

struct OpenRawSql {
    pool: PgPool,
    statements: Statements,
    connections: u32,
    batch: i64,
    pause: Duration,
    stop: CancellationToken,
    loops: TaskTracker,
}

impl Open for OpenRawSql {
    fn enqueue(&self, numbers: Range<u32>) -> Done<'_> {
        async move {
            let payloads: Vec<Json<Payload>> = numbers.map(|n| Json(Payload::new(n))).collect();
            sqlx::query(ENQUEUE).bind(payloads).execute(&self.pool).await?;
            Ok(())
        }
        .boxed_local()
    }

    fn start(&mut self, ledger: Arc<Ledger>) -> Done<'_> {
        async move {
            self.stop = CancellationToken::new();
            self.loops = TaskTracker::new();
            for _ in 0..self.connections {
                let connection = self.pool.acquire().await?.detach();
                self.loops.spawn(self.work(connection, Arc::clone(&ledger)));
            }
            Ok(())
        }
        .boxed_local()
    }

    fn stop(&mut self) -> Done<'_> {
        async move {
            self.stop.cancel();
            self.loops.close();
            self.loops.wait().await;
            Ok(())
        }
        .boxed_local()
    }

    fn is_finished(&self) -> Done<'_, bool> {
        sql_is_true(&self.pool, "SELECT NOT EXISTS (SELECT FROM raw_jobs)")
    }
}

impl OpenRawSql {
    fn work(&self, mut connection: PgConnection, ledger: Arc<Ledger>) -> BoxFuture<'static, ()> {
        let (statements, batch, pause, stop) = (self.statements, self.batch, self.pause, self.stop.clone());
        async move {
            while !stop.is_cancelled() {
                match turn(&mut connection, statements, batch, &ledger).await {
                    Ok(0) => drop(stop.run_until_cancelled(tokio::time::sleep(pause)).await),
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("raw SQL: {error:#}");
                        return;
                    }
                }
            }
        }
        .boxed()
    }
}

/// One batch; returns its size.
async fn turn(db: &mut PgConnection, statements: Statements, batch: i64, ledger: &Ledger) -> anyhow::Result<usize> {
    let statement = if statements == Statements::Two { CLAIM } else { CLAIM_AND_COMPLETE };
    let rows = sqlx::query(statement).bind(batch).fetch_all(&mut *db).await?;
    let mut ids: Vec<i64> = Vec::with_capacity(rows.len());
    for row in &rows {
        let Json(payload): Json<Payload> = row.try_get("payload")?;
        ledger.run(payload.n);
        ids.push(row.try_get("id")?);
    }
    if statements == Statements::Two && !ids.is_empty() {
        sqlx::query(COMPLETE).bind(ids).execute(db).await?;
    }
    Ok(rows.len())
}
