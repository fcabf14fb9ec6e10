//! Connects to the server that was just started, makes sure that it is ours,
//! and creates its roles and its database.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep};

use super::EmbeddedError;
use super::state::ServerState;
use crate::roles::{self, Login};

/// Name of the login role and of the database.
pub(crate) const NAME: &str = "tallyline";
const ADMIN: &str = "postgres";

/// How long a server may say that it is still starting.
const READY_WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// SQLSTATE of "the database system is starting up" and "… shutting down".
const CANNOT_CONNECT_NOW: &str = "57P03";

pub(crate) fn url(state: &ServerState, database: &str) -> String {
    format!("postgres://{NAME}:{}@127.0.0.1:{}/{database}", state.login_password, state.port)
}

pub(crate) fn admin_url(state: &ServerState, database: &str) -> String {
    format!("postgres://{ADMIN}:{}@127.0.0.1:{}/{database}", state.admin_password, state.port)
}

/// Waits until the server answers, checks that it serves `data_dir`, and
/// creates whatever is missing.
pub(crate) async fn bootstrap(state: &ServerState, data_dir: &Path) -> Result<(), EmbeddedError> {
    let mut admin = connect_when_ready(&admin_url(state, ADMIN)).await?;
    require_ours(&mut admin, state, data_dir).await?;
    create_database(&mut admin).await?;
    admin.close().await.map_err(EmbeddedError::database("close the connection"))?;
    let mut admin = connect_when_ready(&admin_url(state, NAME)).await?;
    let login = Login { name: NAME, password: Some(&state.login_password) };
    roles::bootstrap(&mut admin, Some(login)).await?;
    admin.close().await.map_err(EmbeddedError::database("close the connection"))
}

async fn connect_when_ready(url: &str) -> Result<PgConnection, EmbeddedError> {
    let options =
        PgConnectOptions::from_str(url).map_err(EmbeddedError::database("connect to the embedded database"))?;
    let options = options.application_name("tallyline start").disable_statement_logging();
    let began = Instant::now();
    loop {
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) if began.elapsed() < READY_WAIT && is_not_ready(&error) => sleep(PAUSE).await,
            Err(error) => return Err(EmbeddedError::database("connect to the embedded database")(error)),
        }
    }
}

fn is_not_ready(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().as_deref() == Some(CANNOT_CONNECT_NOW),
        sqlx::Error::Io(_) => true,
        _ => false,
    }
}

async fn require_ours(admin: &mut PgConnection, state: &ServerState, data_dir: &Path) -> Result<(), EmbeddedError> {
    let found: String = sqlx::query_scalar("SELECT current_setting('data_directory')")
        .fetch_one(admin)
        .await
        .map_err(EmbeddedError::database("ask for the data directory"))?;
    let found = PathBuf::from(found);
    if found == data_dir {
        return Ok(());
    }
    Err(EmbeddedError::WrongServer { port: state.port, found, expected: data_dir.to_owned() })
}

async fn create_database(admin: &mut PgConnection) -> Result<(), EmbeddedError> {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'tallyline')")
        .fetch_one(&mut *admin)
        .await
        .map_err(EmbeddedError::database("list databases"))?;
    if !exists {
        sqlx::raw_sql("CREATE DATABASE tallyline")
            .execute(admin)
            .await
            .map_err(EmbeddedError::database("create the database"))?;
    }
    Ok(())
}
