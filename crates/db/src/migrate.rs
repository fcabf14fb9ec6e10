//! Applies, checks and takes back the migrations, as `tallyline_owner`.

use std::collections::BTreeMap;
use std::str::FromStr;

use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::apply::{Patience, Progress, apply};
use crate::required;
use crate::roles::{self, Login};

/// The migrations, compiled in.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Names that the migrations give to relations of schema `public`. Where one of
/// them exists before our first migration, the database is somebody else's.
pub const PUBLIC_NAMES: [&str; 22] = [
    "admin_audit_log",
    "agent_analytics",
    "agents",
    "call_analytics_cache",
    "calls",
    "contacts",
    "credit_transactions",
    "customers",
    "dashboard_cache",
    "follow_ups",
    "lead_analytics",
    "login_attempts",
    "password_reset_attempts",
    "phone_numbers",
    "system_config",
    "transcripts",
    "twilio_processed_calls",
    "user_analytics",
    "user_daily_analytics",
    "user_kpi_summary",
    "user_sessions",
    "users",
];

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The account may neither create the roles nor use them.
    #[error(
        "the account `{user}` may not act as tallyline_owner. Let an administrator of the database run, in this database: \
         PGOPTIONS='-c tallyline.login_role={user}' psql -f sql/db/bootstrap_roles.sql"
    )]
    RolesMissing {
        /// The account that logged in.
        user: String,
    },
    /// The database holds relations of the same names that we did not make.
    #[error(
        "this database already has {}, which Tallyline did not create; it needs a database of its own. Nothing was changed",
        names.join(", ")
    )]
    ForeignTables {
        /// Their names in schema `public`.
        names: Vec<String>,
    },
    /// The roles could not be created.
    #[error(transparent)]
    Roles(#[from] roles::RolesError),
    /// A migration failed; it was rolled back.
    #[error(transparent)]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Others held what was needed for as long as was waited.
    #[error(
        "others held what {} needs until patience ran out; nothing of it was changed, those before it are applied. \
         Try again when they have ended, or wait longer (--wait-seconds)",
        migration.as_ref().map_or_else(|| "migrating".to_owned(), |(version, name)| format!("migration {version} ({name})"))
    )]
    Blocked {
        /// The migration; none while another process applied migrations.
        migration: Option<Named>,
    },
    /// The database could not be reached or asked.
    #[error("cannot {what}: {source}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
}

/// A migration: version and description.
pub type Named = (i64, String);

/// What `migrate` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The migrations applied now, in order.
    pub applied: Vec<Named>,
    /// How many were there before.
    pub already: usize,
}

/// How a database differs from the migrations of this program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Not applied yet.
    pub pending: Vec<Named>,
    /// Applied, but with another text.
    pub changed: Vec<Named>,
    /// Applied by a newer or another program.
    pub unknown: Vec<i64>,
    /// Unique indexes and triggers that somebody dropped or disabled since.
    pub missing: Vec<String>,
}

impl Difference {
    /// Whether the schema is the one that this program expects.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this program can work with it: what a newer one added does not matter,
    /// what it took away is missing.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.pending.is_empty() && self.changed.is_empty() && self.missing.is_empty()
    }
}

/// Applies every pending migration. Creates the roles first where the account
/// may do so. Safe to run by several processes at once.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(url: &str) -> Result<Applied, MigrateError> {
    migrate_with(url, &MIGRATOR, Patience::default(), &mut |_| {}).await
}

/// The same, with migrations and patience of one's own, telling what it waits for. No session
/// waits behind it for longer than [`Patience::lock`] at a time; a migration that
/// would make others wait is tried again later.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate_with(
    url: &str,
    migrations: &Migrator,
    patience: Patience,
    tell: &mut dyn FnMut(Progress),
) -> Result<Applied, MigrateError> {
    let mut connection = connect_as_owner(url).await?;
    let before = applied_checksums(&mut connection).await?;
    if before.is_empty() {
        refuse_foreign_tables(&mut connection).await?;
    }
    apply(&mut connection, url, migrations, patience, tell).await?;
    close(connection).await?;
    let applied = up_migrations(migrations)
        .filter(|it| !before.contains_key(&it.version))
        .map(|it| (it.version, it.description.to_string()));
    Ok(Applied { applied: applied.collect(), already: before.len() })
}

/// What the authors of a migration want to be known before it is applied: its
/// comments that begin with `blocks:` or `contract:`.
#[must_use]
pub fn notes(version: i64) -> Vec<&'static str> {
    let migration = up_migrations(&MIGRATOR).find(|it| it.version == version);
    let lines = migration.map_or("", |it| it.sql.as_str()).lines();
    lines
        .filter_map(|line| line.strip_prefix("-- "))
        .filter(|it| it.starts_with("blocks: ") || it.starts_with("contract: "))
        .collect()
}

/// Compares the database with the migrations of this program; changes nothing.
///
/// # Errors
/// [`MigrateError::Database`] when it cannot be asked.
pub async fn check(url: &str) -> Result<Difference, MigrateError> {
    let mut connection = connect(url).await?;
    if roles::session_rights(&mut connection).await.map_err(database("ask for rights"))?.may_become_owner {
        become_owner(&mut connection).await?;
    }
    let mut applied = applied_checksums(&mut connection).await?;
    let mut difference = Difference::default();
    for migration in up_migrations(&MIGRATOR) {
        let named = (migration.version, migration.description.to_string());
        match applied.remove(&migration.version) {
            None => difference.pending.push(named),
            Some(checksum) if checksum != *migration.checksum => difference.changed.push(named),
            Some(_) => {}
        }
    }
    difference.unknown = applied.into_keys().collect();
    if difference.is_usable() {
        difference.missing =
            required::missing(&mut connection).await.map_err(database("look for indexes and triggers"))?;
    }
    close(connection).await?;
    Ok(difference)
}

/// Takes back every migration with a version above `target`; 0 takes back all.
/// Deletes data.
///
/// # Errors
/// See [`MigrateError`].
pub async fn down_to(url: &str, target: i64) -> Result<(), MigrateError> {
    let mut connection = connect_as_owner(url).await?;
    MIGRATOR.undo(&mut connection, target).await?;
    close(connection).await
}

pub(crate) fn up_migrations(migrations: &Migrator) -> impl Iterator<Item = &Migration> {
    migrations.iter().filter(|it| !it.migration_type.is_down_migration())
}

pub(crate) async fn connect(url: &str) -> Result<PgConnection, MigrateError> {
    let options = PgConnectOptions::from_str(url).map_err(database("understand the database URL"))?;
    let options = options
        .application_name("tallyline migrate")
        // Whoever wants a table that we wait for waits too.
        .options([("lock_timeout", "5s"), ("search_path", "public"), ("timezone", "UTC")]);
    options.connect().await.map_err(database("connect to the database"))
}

async fn connect_as_owner(url: &str) -> Result<PgConnection, MigrateError> {
    let mut connection = connect(url).await?;
    let mut rights = roles::session_rights(&mut connection).await.map_err(database("ask for rights"))?;
    if rights.may_create_roles {
        // A superuser may become anything and needs no membership.
        let login = (!rights.superuser).then_some(Login { name: &rights.user, password: None });
        roles::bootstrap(&mut connection, login).await?;
        rights = roles::session_rights(&mut connection).await.map_err(database("ask for rights"))?;
    }
    if !rights.may_become_owner {
        return Err(MigrateError::RolesMissing { user: rights.user });
    }
    become_owner(&mut connection).await?;
    Ok(connection)
}

async fn become_owner(connection: &mut PgConnection) -> Result<(), MigrateError> {
    sqlx::raw_sql("SET ROLE tallyline_owner")
        .execute(connection)
        .await
        .map(drop)
        .map_err(database("become tallyline_owner"))
}

async fn close(connection: PgConnection) -> Result<(), MigrateError> {
    connection.close().await.map_err(database("close the connection"))
}

/// Version and checksum of what the database says was applied; empty before
/// the first migration.
async fn applied_checksums(connection: &mut PgConnection) -> Result<BTreeMap<i64, Vec<u8>>, MigrateError> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('public._sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(database("look for the table of migrations"))?;
    if !exists {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT version, checksum FROM public._sqlx_migrations")
        .fetch_all(connection)
        .await
        .map_err(database("read the table of migrations"))?;
    Ok(rows.into_iter().collect())
}

async fn refuse_foreign_tables(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let names: Vec<String> = sqlx::query_scalar(include_str!("../../../sql/db/foreign_tables.sql"))
        .bind(PUBLIC_NAMES.as_slice())
        .fetch_all(connection)
        .await
        .map_err(database("look for foreign tables"))?;
    if names.is_empty() { Ok(()) } else { Err(MigrateError::ForeignTables { names }) }
}

pub(crate) fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> MigrateError {
    move |source| MigrateError::Database { what, source }
}
