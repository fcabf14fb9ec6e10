//! The roles of the database: `tallyline_owner` owns everything and only
//! migrations use it, `tallyline_worker` is the daemon, `tallyline_api` reads
//! one tenant. None of them can log in; an account that can is a member of all
//! three and inherits nothing.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

/// Owns schema and functions; used by migrations alone.
pub const OWNER: &str = "tallyline_owner";
/// What the daemon works as.
pub const WORKER: &str = "tallyline_worker";
/// What a request of one tenant works as.
pub const API: &str = "tallyline_api";

/// One statement, safe to repeat; also meant to be run by hand.
pub const BOOTSTRAP_SQL: &str = include_str!("../../../sql/db/bootstrap_roles.sql");

/// Other sessions may create the same roles at the same time; of two that race
/// one wins each step, so a loser soon finds everything there.
const MAX_ATTEMPTS: u32 = 10;
/// unique_violation, duplicate_object, deadlock_detected, and XX000 for
/// "tuple concurrently updated": somebody else did the same at the same time.
const LOST_A_RACE: [&str; 4] = ["23505", "42710", "40P01", "XX000"];

/// An account that may log in and use the three roles.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its password, needed when it does not exist yet.
    pub password: Option<&'a str>,
}

/// The roles could not be created or granted.
#[derive(Debug, thiserror::Error)]
#[error("cannot create the database roles: {0}")]
pub struct RolesError(#[from] sqlx::Error);

/// Creates what is missing of the roles and their rights in the connection's
/// database. Idempotent and safe while other processes do the same.
///
/// # Errors
/// When the session may not create roles or does not own the database.
pub async fn bootstrap(admin: &mut PgConnection, login: Option<Login<'_>>) -> Result<(), RolesError> {
    let mut attempt = 1;
    loop {
        match bootstrap_once(admin, login).await {
            Err(error) if attempt < MAX_ATTEMPTS && lost_a_race(&error) => attempt += 1,
            result => return result.map_err(RolesError),
        }
    }
}

async fn bootstrap_once(admin: &mut PgConnection, login: Option<Login<'_>>) -> Result<(), sqlx::Error> {
    let mut tx = admin.begin().await?;
    sqlx::query(
        "SELECT set_config('tallyline.login_role', $1, true), set_config('tallyline.login_password', $2, true)",
    )
    .bind(login.map_or("", |login| login.name))
    .bind(login.and_then(|login| login.password).unwrap_or(""))
    .execute(&mut *tx)
    .await?;
    sqlx::raw_sql(BOOTSTRAP_SQL).execute(&mut *tx).await?;
    tx.commit().await
}

fn lost_a_race(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| LOST_A_RACE.contains(&&*code))
}

/// What a session may do about roles.
#[derive(Debug, Clone)]
pub(crate) struct SessionRights {
    /// The account that logged in.
    pub user: String,
    pub superuser: bool,
    pub may_create_roles: bool,
    /// Whether it may `SET ROLE tallyline_owner`.
    pub may_become_owner: bool,
}

pub(crate) async fn session_rights(connection: &mut PgConnection) -> Result<SessionRights, sqlx::Error> {
    let row = sqlx::query(include_str!("../../../sql/db/session_rights.sql")).fetch_one(connection).await?;
    Ok(SessionRights {
        user: row.try_get("user_name")?,
        superuser: row.try_get("superuser")?,
        may_create_roles: row.try_get("may_create_roles")?,
        may_become_owner: row.try_get("may_become_owner")?,
    })
}
