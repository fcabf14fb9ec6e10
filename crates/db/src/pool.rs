//! Connection pools that work as `tallyline_worker`, and transactions of one
//! tenant that work as `tallyline_api`.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection, Postgres, Row, Transaction};
use uuid::Uuid;

use crate::roles;

/// A connection that says nothing for so long when it is taken or given back is dead,
/// though nobody was told: a statement of its was given up, or the network swallows it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// How to connect.
#[derive(Clone)]
pub struct PoolOptions {
    /// `postgres://…`; holds a password.
    pub url: String,
    /// At most so many connections.
    pub max_connections: u32,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// Limit of one statement; longer work raises it for its transaction.
    pub statement_timeout: Duration,
    /// Limit of waiting for one lock.
    pub lock_timeout: Duration,
    /// A transaction that does nothing for so long is a bug, and holds locks.
    pub idle_in_transaction_timeout: Duration,
}

impl PoolOptions {
    /// The defaults for `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 10,
            application_name: "tallyline".to_owned(),
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(20),
            idle_in_transaction_timeout: Duration::from_secs(60),
        }
    }
}

/// Why there is no usable pool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The account may not work as `tallyline_worker`.
    #[error(
        "the account may not act as tallyline_worker ({reason}); run `tallyline migrate` with an account that may create roles, then grant it"
    )]
    RoleMissing {
        /// What the server says.
        reason: String,
    },
    /// Row-level security would not bind the role, so no tenant would be safe.
    #[error("refusing to run as `{role}`, which {why}: row-level security would not bind it")]
    Privileged {
        /// The effective role.
        role: String,
        /// "is a superuser", "owns the tables" or "has BYPASSRLS".
        why: &'static str,
    },
    /// A request of one tenant could reach rows of another.
    #[error("refusing to run: a tenant could reach other tenants' rows, since {}; put it back as in migrations/schema.sql", .holes.join("; "))]
    Holes {
        /// Each an object and what is wrong with it.
        holes: Vec<String>,
    },
    /// The database could not be reached or asked.
    #[error("cannot use the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// A pool whose connections work as `tallyline_worker`, in UTC and with limits.
///
/// Role and limits are start-up parameters and not statements: they cost no
/// round trip, and `RESET ALL` goes back to them.
///
/// # Errors
/// [`PoolError::RoleMissing`] when the account is no member of the role, and
/// [`PoolError::Database`] when the server cannot be reached.
pub async fn connect(options: &PoolOptions) -> Result<PgPool, PoolError> {
    let millis = |limit: Duration| limit.as_millis().to_string();
    let connect_options =
        PgConnectOptions::from_str(&options.url)?.application_name(&options.application_name).options([
            ("role", roles::WORKER.to_owned()),
            ("timezone", "UTC".to_owned()),
            // Statements that lock and then read rest on it, whatever the database or the account prefers.
            ("default_transaction_isolation", "read committed".to_owned()),
            // Statements take arrays of any length over tables that grow from empty: a
            // plan made for the first call of a statement is a trap for the thousandth.
            ("plan_cache_mode", "force_custom_plan".to_owned()),
            ("statement_timeout", millis(options.statement_timeout)),
            ("lock_timeout", millis(options.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
        ]);
    PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        // The pool's own tests wait for ever, and whoever waits keeps a place in it.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(is_alive(connection)))
        .after_release(|connection, _| Box::pin(is_alive(connection)))
        .connect_with(connect_options)
        .await
        .map_err(explain)
}

async fn is_alive(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(SIGN_OF_LIFE, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

fn explain(error: sqlx::Error) -> PoolError {
    // invalid_parameter_value: no such role; insufficient_privilege: no member.
    let role_problem = error
        .as_database_error()
        .filter(|error| {
            matches!(error.code().as_deref(), Some("22023" | "42501" | "42704")) && error.message().contains("role")
        })
        .map(|error| error.message().to_owned());
    match role_problem {
        Some(reason) => PoolError::RoleMissing { reason },
        None => PoolError::Database(error),
    }
}

/// Fails when the pool's effective role is a superuser, owns the tables or has
/// BYPASSRLS: no policy would bind it.
///
/// # Errors
/// [`PoolError::Privileged`] says which.
pub async fn refuse_privileged(pool: &PgPool) -> Result<(), PoolError> {
    let row = sqlx::query(include_str!("../../../sql/db/effective_role.sql")).fetch_one(pool).await?;
    let why = if row.try_get("superuser")? {
        "is a superuser"
    } else if row.try_get("owner")? {
        "owns the tables"
    } else if row.try_get("bypasses_rls")? {
        "has BYPASSRLS"
    } else {
        return Ok(());
    };
    Err(PoolError::Privileged { role: row.try_get("role_name")?, why })
}

/// Fails when a right or a missing policy would let a tenant's request, which works
/// as `tallyline_api`, see or change more than its own rows: whoever altered the
/// database by hand learns it at the next start and not from a tenant.
///
/// # Errors
/// [`PoolError::Holes`] names every one.
pub async fn refuse_holes(pool: &PgPool) -> Result<(), PoolError> {
    let rows = sqlx::query(include_str!("../../../sql/db/holes.sql")).fetch_all(pool).await?;
    let holes = rows
        .iter()
        .map(|row| Ok(format!("{} {}", row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?)))
        .collect::<Result<Vec<String>, sqlx::Error>>()?;
    if holes.is_empty() { Ok(()) } else { Err(PoolError::Holes { holes }) }
}

/// A transaction in which only the rows of one tenant can be seen. Role and
/// tenant end with the transaction.
///
/// # Errors
/// When no connection is free in time or the server refuses the role.
pub async fn tenant_tx(pool: &PgPool, user_id: Uuid) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT set_config('tally.user_id', $1, true), set_config('role', $2, true)")
        .bind(user_id.to_string())
        .bind(roles::API)
        .execute(&mut *tx)
        .await?;
    Ok(tx)
}
