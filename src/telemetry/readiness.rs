//! Whether the process can do its work.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;

/// The database must answer within this.
const DATABASE_DEADLINE: Duration = Duration::from_secs(1);

/// Why a process is not ready. The texts hold no address and no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What is not ready: `database`, `migrations`, …
    pub component: &'static str,
    pub reason: String,
}

/// Asks whether the process is ready; no reason means that it is.
pub type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Reason>> + Send>> + Send + Sync>;

/// Ready when the database answers within a second and has every migration of
/// this program. Newer ones do not matter: they come before the newer program.
pub fn database(pool: PgPool) -> Check {
    Arc::new(move || {
        let pool = pool.clone();
        Box::pin(async move { check_database(&pool).await })
    })
}

async fn check_database(pool: &PgPool) -> Vec<Reason> {
    // Not checked at compile time: the table belongs to the migrator, not to a migration.
    let asked = sqlx::query_scalar(include_str!("../../sql/telemetry/applied_migrations.sql")).fetch_all(pool);
    let reason = |component, reason: String| vec![Reason { component, reason }];
    let applied: BTreeSet<i64> = match tokio::time::timeout(DATABASE_DEADLINE, asked).await {
        Err(_) => return reason("database", format!("no answer within {} s", DATABASE_DEADLINE.as_secs())),
        Ok(Err(error)) => {
            tracing::debug!(%error, "readiness check failed");
            return reason("database", describe(&error).to_owned());
        }
        Ok(Ok(versions)) => Vec::<i64>::into_iter(versions).collect(),
    };
    let missing = tallyline_db::MIGRATOR
        .iter()
        .filter(|m| !m.migration_type.is_down_migration() && !applied.contains(&m.version))
        .count();
    match missing {
        0 => Vec::new(),
        n => reason("migrations", format!("{n} not applied; run `tallyline migrate`")),
    }
}

/// Kinds of failure and not their texts, which may name hosts and accounts.
fn describe(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::PoolClosed => "the connection pool is closed",
        sqlx::Error::PoolTimedOut => "no connection is free",
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => "cannot connect",
        sqlx::Error::Database(_) => "refuses the query",
        _ => "cannot be asked",
    }
}
