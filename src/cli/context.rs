//! The database of a command: the configured one, or the embedded server.

use sqlx::{Connection, PgPool};
use tallyline_db::{EmbeddedOptions, EmbeddedServer, migrate};

use crate::config::Config;
use crate::daemon;

/// A database that is there.
pub(super) struct Database {
    pub(super) url: String,
    server: Option<EmbeddedServer>,
}

impl Database {
    /// The configured database; else the embedded one, started where needed and
    /// brought up to date: it belongs to nobody but this program.
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        if !config.database.url.is_empty() {
            return Ok(Database { url: config.database.url.clone(), server: None });
        }
        let server = EmbeddedServer::start(embedded_options(config)).await?;
        let url = server.url();
        migrate::migrate(&url).await?;
        Ok(Database { url, server: Some(server) })
    }

    pub(super) fn is_embedded(&self) -> bool {
        self.server.is_some()
    }

    pub(super) async fn pool(&self, config: &Config) -> anyhow::Result<PgPool> {
        Ok(daemon::connect(config, &self.url).await?)
    }

    /// Leaves things as they were found: stops the embedded server if this
    /// process started it, unless somebody else uses it by now.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self.server {
            Some(server) if server.was_started_here() && !is_used(&server).await => Ok(server.stop().await?),
            _ => Ok(()),
        }
    }
}

/// Whether other processes are connected. When in doubt they are: a server left
/// running harms nobody.
async fn is_used(server: &EmbeddedServer) -> bool {
    let count = async {
        let mut admin = sqlx::PgConnection::connect(&server.admin_url()).await?;
        let others = sqlx::query_scalar!(
            r#"SELECT count(*) AS "others!" FROM pg_stat_activity
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"#
        )
        .fetch_one(&mut admin)
        .await?;
        admin.close().await?;
        Ok::<i64, sqlx::Error>(others)
    };
    !matches!(count.await, Ok(0))
}

pub(super) fn embedded_options(config: &Config) -> EmbeddedOptions {
    let pg_bin = &config.database.pg_bin;
    EmbeddedOptions {
        data_dir: config.database.data_dir.clone(),
        pg_bin: (!pg_bin.is_empty()).then(|| pg_bin.into()),
        ..EmbeddedOptions::default()
    }
}
