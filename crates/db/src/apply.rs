//! Applies pending migrations beside processes that go on working: no lock is
//! waited for longer than others can bear, and who is in the way is named.

use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError as SqlxError, Migration, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use tokio::time::{Instant, sleep};

use crate::migrate::{MigrateError, Named, connect, database, up_migrations};

/// Time between looks at who is in the way.
const LOOK: Duration = Duration::from_millis(50);
/// Between two tries, doubled each time: what queued up behind the try goes first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A statement outside a transaction (an index built CONCURRENTLY) holds nobody up
/// while it waits for old transactions; a new try would begin from nothing.
const PATIENCE_OUTSIDE_TRANSACTIONS: &str = "10min";

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a lock, while everybody else who wants the table waits behind us.
    pub lock: Duration,
    /// In all, over all tries of a migration.
    pub total: Duration,
}

impl Default for Patience {
    /// Half a second for a lock, ten minutes in all.
    fn default() -> Self {
        Self { lock: Duration::from_millis(500), total: Duration::from_secs(600) }
    }
}

/// A session that holds what a migration needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocker {
    /// Process id at the server, for `pg_terminate_backend`.
    pub pid: i32,
    /// What it says its program is.
    pub program: String,
    /// Who logged in.
    pub account: String,
    /// Such as `active` or `idle in transaction`.
    pub state: String,
    /// Since its transaction began.
    pub seconds: f64,
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, program, account, state, seconds } = self;
        write!(f, "session {pid} ({program} of {account}, {state}, transaction open for {seconds:.0} s)")
    }
}

/// What is told while migrations are applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// This one is done.
    Applied(Named),
    /// Somebody is in the way of this one, or of all of them.
    Waiting {
        /// The migration; none while another process applies migrations.
        migration: Option<Named>,
        /// Who it is.
        blockers: Vec<Blocker>,
    },
    /// Nothing was changed; there will be another try.
    TryingAgain {
        /// The migration; none while another process applies migrations.
        migration: Option<Named>,
        /// After this pause.
        pause: Duration,
    },
}

/// Applies what is pending, each in a transaction of its own unless it says
/// otherwise. What fails for want of a lock is tried again.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    url: &str,
    migrations: &Migrator,
    patience: Patience,
    tell: &mut dyn FnMut(Progress),
) -> Result<(), MigrateError> {
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await;
    let mut observer = Observer { connection: connect(url).await?, pid: pid.map_err(database("ask for its session"))? };
    let lock_timeout = format!("{}ms", patience.lock.as_millis());
    set_lock_timeout(connection, &lock_timeout).await.map_err(database("set lock_timeout"))?;
    one_at_a_time(connection, &mut observer, patience, tell).await?;
    let migrator = without_lock(migrations);
    for migration in &pending(connection, &migrator).await? {
        apply_one(connection, &migrator, migration, &mut observer, patience, tell).await?;
        tell(Progress::Applied(named(migration)));
    }
    connection.unlock().await?;
    observer.connection.close().await.map_err(database("close the connection"))
}

fn named(migration: &Migration) -> Named {
    (migration.version, migration.description.to_string())
}

/// The lock that every version of this program takes before it migrates. It is
/// waited for in short turns: a statement that waits holds a snapshot, and an index
/// that another process builds CONCURRENTLY would wait for that.
async fn one_at_a_time(
    connection: &mut PgConnection,
    observer: &mut Observer,
    patience: Patience,
    tell: &mut dyn FnMut(Progress),
) -> Result<(), MigrateError> {
    let mut tries = Tries::new(patience);
    loop {
        match observer.during(connection.lock(), |blockers| tell(Progress::Waiting { migration: None, blockers })).await
        {
            Ok(()) => return Ok(()),
            Err(error) if lacks_lock(&error) => {
                let pause = tries.next(None)?;
                tell(Progress::TryingAgain { migration: None, pause });
                sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The same, without taking the lock that is held already.
fn without_lock(migrations: &Migrator) -> Migrator {
    let mut migrator = Migrator::with_migrations(migrations.iter().cloned().collect());
    migrator.set_locking(false);
    migrator
}

/// Those that the database has not, after a check that what it has is ours.
async fn pending(connection: &mut PgConnection, migrator: &Migrator) -> Result<Vec<Migration>, MigrateError> {
    // Below the first there is nothing to apply: this makes the table and checks.
    migrator.run_direct(Some(0), connection, false).await?;
    let applied = connection.list_applied_migrations(&migrator.table_name).await?;
    let is_pending = |version: i64| applied.iter().all(|it| it.version != version);
    Ok(up_migrations(migrator).filter(|it| is_pending(it.version)).cloned().collect())
}

async fn apply_one(
    connection: &mut PgConnection,
    migrator: &Migrator,
    migration: &Migration,
    observer: &mut Observer,
    patience: Patience,
    tell: &mut dyn FnMut(Progress),
) -> Result<(), MigrateError> {
    let mut tries = Tries::new(patience);
    loop {
        let waiting = |blockers| tell(Progress::Waiting { migration: Some(named(migration)), blockers });
        match observer.during(try_one(connection, migrator, migration, patience), waiting).await {
            Ok(()) => return Ok(()),
            Err(error) if lacks_lock(&error) => {
                let pause = tries.next(Some(named(migration)))?;
                tell(Progress::TryingAgain { migration: Some(named(migration)), pause });
                sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn try_one(
    connection: &mut PgConnection,
    migrator: &Migrator,
    migration: &Migration,
    patience: Patience,
) -> Result<(), SqlxError> {
    set_lock_timeout(connection, &format!("{}ms", patience.lock.as_millis())).await?;
    if migration.no_tx {
        sqlx::raw_sql(include_str!("../../../sql/db/drop_invalid_indexes.sql")).execute(&mut *connection).await?;
        set_lock_timeout(connection, PATIENCE_OUTSIDE_TRANSACTIONS).await?;
    }
    migrator.run_direct(Some(migration.version), connection, false).await
}

/// A lock that did not come in time, or a deadlock in which we gave way.
fn lacks_lock(error: &SqlxError) -> bool {
    let (SqlxError::Execute(cause) | SqlxError::ExecuteMigration(cause, _)) = error else { return false };
    let code = cause.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

async fn set_lock_timeout(connection: &mut PgConnection, value: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT set_config('lock_timeout', $1, false)").bind(value).execute(connection).await.map(drop)
}

/// Looks from a session of its own, since the other one waits.
struct Observer {
    connection: PgConnection,
    /// Of the session that migrates.
    pid: i32,
}

impl Observer {
    /// Runs `work` and tells, once, who is in its way.
    async fn during<T>(&mut self, work: impl Future<Output = T>, tell: impl FnOnce(Vec<Blocker>)) -> T {
        let mut work = std::pin::pin!(work);
        let mut tell = Some(tell);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep(LOOK) => {}
            }
            if tell.is_none() {
                continue;
            }
            let blockers = self.blockers().await;
            if let Some(tell) = tell.take_if(|_| !blockers.is_empty()) {
                tell(blockers);
            }
        }
    }

    /// None when they cannot be asked for: that is no reason not to migrate.
    async fn blockers(&mut self) -> Vec<Blocker> {
        let rows = sqlx::query(include_str!("../../../sql/db/blockers.sql"))
            .bind(self.pid)
            .fetch_all(&mut self.connection)
            .await;
        let read = |row: &sqlx::postgres::PgRow| -> Result<Blocker, sqlx::Error> {
            Ok(Blocker {
                pid: row.try_get("pid")?,
                program: row.try_get("program")?,
                account: row.try_get("account")?,
                state: row.try_get("state")?,
                seconds: row.try_get("seconds")?,
            })
        };
        rows.unwrap_or_default().iter().filter_map(|row| read(row).ok()).collect()
    }
}

/// Pauses that grow, until patience ends.
struct Tries {
    until: Instant,
    pause: Duration,
}

impl Tries {
    fn new(patience: Patience) -> Self {
        Self { until: Instant::now() + patience.total, pause: FIRST_PAUSE }
    }

    fn next(&mut self, migration: Option<Named>) -> Result<Duration, MigrateError> {
        if Instant::now() + self.pause > self.until {
            return Err(MigrateError::Blocked { migration });
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Ok(pause)
    }
}
