//! The template database: migrated once per set of migrations, then cloned.

use anyhow::Context;
use sha2::{Digest, Sha256};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tallyline_db::{MIGRATOR, migrate, roles};
use tokio::sync::OnceCell;

use crate::database_name::{DatabaseName, run};
use crate::server::Server;

/// Any number; the lock is one of the maintenance database.
const BUILD_LOCK: i64 = 0x7461_6c6c_795f_7465;

/// The template for the migrations of this build; built by the first process
/// that needs it while the others wait.
pub(crate) async fn shared(server: &Server) -> anyhow::Result<&'static DatabaseName> {
    static TEMPLATE: OnceCell<DatabaseName> = OnceCell::const_new();
    TEMPLATE.get_or_try_init(|| build(server)).await
}

async fn build(server: &Server) -> anyhow::Result<DatabaseName> {
    let hash = migrations_hash();
    let template = DatabaseName::new(format!("tl_template_{hash}"))?;
    let mut admin = server.admin().connect().await.context("cannot reach the test server")?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(BUILD_LOCK).execute(&mut admin).await?;
    sweep(&mut admin, &template).await?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(template.as_str())
        .fetch_one(&mut admin)
        .await?;
    if !exists {
        build_as(server, &mut admin, &template, &DatabaseName::new(format!("tl_building_{hash}"))?).await?;
    }
    // Closing the connection releases the lock.
    admin.close().await?;
    Ok(template)
}

/// Built under another name and renamed, so that the template is whole or absent.
async fn build_as(
    server: &Server,
    admin: &mut PgConnection,
    template: &DatabaseName,
    building: &DatabaseName,
) -> anyhow::Result<()> {
    run(admin, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", building, None).await?;
    run(admin, "CREATE DATABASE {name} TEMPLATE template0", building, None).await?;
    migrate::migrate(&server.admin_url(building.as_str())).await.context("cannot migrate the template database")?;
    let built_at: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(&mut *admin).await?;
    run(admin, &format!("COMMENT ON DATABASE {{name}} IS '{built_at}'"), building, None).await?;
    run(admin, "ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false", building, None).await?;
    run(admin, "ALTER DATABASE {name} RENAME TO {other}", building, Some(template)).await
}

/// Drops what earlier runs left: test databases that nobody is connected to
/// after an hour, and templates of other migrations after a day.
async fn sweep(admin: &mut PgConnection, current: &DatabaseName) -> anyhow::Result<()> {
    let names: Vec<String> = sqlx::query_scalar(include_str!("../../../sql/db/old_test_databases.sql"))
        .bind(current.as_str())
        .fetch_all(&mut *admin)
        .await?;
    for name in names {
        let name = DatabaseName::new(name)?;
        if name.as_str().starts_with("tl_template_") {
            run(admin, "ALTER DATABASE {name} WITH IS_TEMPLATE false", &name, None).await?;
        }
        run(admin, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", &name, None).await?;
    }
    Ok(())
}

/// Changes with any migration and with the roles.
fn migrations_hash() -> String {
    let mut hasher = Sha256::new();
    hasher.update(roles::BOOTSTRAP_SQL);
    for migration in MIGRATOR.iter() {
        hasher.update(migration.version.to_be_bytes());
        hasher.update(&migration.checksum);
    }
    hex::encode(&hasher.finalize()[..6])
}
