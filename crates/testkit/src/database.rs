//! A database for one test.

use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection};
use tallyline_db::pool::{self, PoolOptions};
use tallyline_db::roles::{self, Login};

use crate::database_name::{DatabaseName, run};
use crate::server::Server;
use crate::template;

const WORKER_CONNECTIONS: u32 = 10;
const ADMIN_CONNECTIONS: u32 = 4;
/// Generous: test machines are small and busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// A database of one test's own; dropped when this is dropped.
#[derive(Debug)]
pub struct TestDb {
    /// Connections that work as `tallyline_worker`, like the daemon's.
    pub pool: PgPool,
    /// Connections of the administrator: sees and may do everything.
    pub admin: PgPool,
    /// For an account that logs in without privileges of its own: what the
    /// daemon is to be given.
    pub url: String,
    /// For the administrator.
    pub admin_url: String,
    /// Name of the database.
    pub name: String,
    server: &'static Server,
}

impl TestDb {
    /// A database with all migrations applied. Panics when there is none to be had.
    pub async fn new() -> Self {
        Self::try_new().await.unwrap_or_else(|error| panic!("no test database: {error:#}"))
    }

    /// A database with the roles but without any migration.
    pub async fn unmigrated() -> Self {
        Self::create(None).await.unwrap_or_else(|error| panic!("no test database: {error:#}"))
    }

    /// Like [`TestDb::new`].
    ///
    /// # Errors
    /// When the server cannot be started or reached, or a migration fails.
    pub async fn try_new() -> anyhow::Result<Self> {
        let template = template::shared(Server::shared().await?).await?;
        Self::create(Some(template)).await
    }

    async fn create(template: Option<&DatabaseName>) -> anyhow::Result<Self> {
        let server = Server::shared().await?;
        let mut admin = server.admin().connect().await.context("cannot reach the test server")?;
        let name = unused_name(&mut admin).await?;
        match template {
            Some(template) => run(&mut admin, "CREATE DATABASE {name} TEMPLATE {other}", &name, Some(template)).await?,
            None => run(&mut admin, "CREATE DATABASE {name} TEMPLATE template0", &name, None).await?,
        }
        let (url, admin_url) = (server.login_url(name.as_str()), server.admin_url(name.as_str()));
        // The rights on a database are not cloned with it.
        let login = Login { name: &server.login_name, password: Some(&server.login_password) };
        let mut admin = server.admin().database(name.as_str()).connect().await?;
        roles::bootstrap(&mut admin, Some(login)).await?;
        let admin = PgPoolOptions::new()
            .max_connections(ADMIN_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(server.admin().database(name.as_str()));
        let worker = PoolOptions {
            max_connections: WORKER_CONNECTIONS,
            acquire_timeout: ACQUIRE_TIMEOUT,
            ..PoolOptions::new(url.as_str())
        };
        let pool = pool::connect(&worker).await?;
        Ok(Self { pool, admin, url, admin_url, name: name.as_str().to_owned(), server })
    }
}

/// Carries the database's time, by which a later run knows what is left over.
async fn unused_name(admin: &mut PgConnection) -> anyhow::Result<DatabaseName> {
    let now: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(admin).await?;
    DatabaseName::new(format!("tl_test_{now}_{:016x}", rand::random::<u64>()))
}

impl Drop for TestDb {
    /// In a thread of its own, since the test's runtime may be busy or ending;
    /// waited for, since the process may end right after the test.
    fn drop(&mut self) {
        let (server, name) = (self.server, self.name.clone());
        let dropping = std::thread::spawn(move || drop_database(server, name));
        match dropping.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("test database not dropped, a later run will: {error:#}"),
            Err(_) => eprintln!("test database not dropped, a later run will"),
        }
    }
}

fn drop_database(server: &Server, name: String) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut admin = server.admin().connect().await?;
        run(&mut admin, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", &DatabaseName::new(name)?, None).await
    })
}
