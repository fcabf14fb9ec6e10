//! The server that the tests of this machine share.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::Context;
use sha2::{Digest, Sha256};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tallyline_db::embedded::{EmbeddedOptions, EmbeddedServer, EmbeddedStatus};
use tokio::sync::OnceCell;

use crate::url::DatabaseUrl;

/// Seconds without a test process after which the test server stops.
const IDLE_SECONDS: &str = "60";
const REAPER: &str = include_str!("reaper.sh");

/// How to reach the server as administrator and as an ordinary account.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    admin: PgConnectOptions,
    admin_url: DatabaseUrl,
    /// Name of the login role that tests use.
    pub login_name: String,
    /// Its password: derived, so that every test process knows it, from a
    /// secret that only those who may use the server know.
    pub login_password: String,
}

impl Server {
    /// The same for all tests of this process.
    pub(crate) async fn shared() -> anyhow::Result<&'static Self> {
        static SERVER: OnceCell<Server> = OnceCell::const_new();
        SERVER.get_or_try_init(find).await
    }

    fn new(admin_url: &str) -> anyhow::Result<Self> {
        let admin = PgConnectOptions::from_str(admin_url).context("cannot understand the URL of the test server")?;
        let url = DatabaseUrl::parse(admin_url)?;
        let digest = hex::encode(Sha256::digest(format!("tallyline test login {admin_url}")));
        Ok(Self {
            admin,
            admin_url: url,
            login_name: format!("tallyline_test_{}", &digest[..8]),
            login_password: digest[8..40].to_owned(),
        })
    }

    /// Not logged: statements of the test machinery would hide those of the test.
    pub(crate) fn admin(&self) -> PgConnectOptions {
        self.admin.clone().application_name("tallyline test admin").disable_statement_logging()
    }

    pub(crate) fn admin_url(&self, database: &str) -> String {
        self.admin_url.with_database(database)
    }

    pub(crate) fn login_url(&self, database: &str) -> String {
        self.admin_url.with_login(&self.login_name, &self.login_password).with_database(database)
    }
}

async fn find() -> anyhow::Result<Server> {
    if let Some(url) = environment("DATABASE_URL") {
        return Server::new(&url);
    }
    let state_dir = target_dir().join("test-postgres");
    // Before the start, so that the reaper never sees the server unused.
    let users = register_process(&state_dir)?;
    let options = EmbeddedOptions {
        data_dir: state_dir.clone(),
        outside_dir: std::env::temp_dir().join("tallyline-test"),
        durable: false,
        ..EmbeddedOptions::default()
    };
    let server = EmbeddedServer::start(options).await?;
    watch(&server, &state_dir, &users)?;
    Server::new(&server.admin_url())
}

#[expect(clippy::disallowed_methods, reason = "the test kit has no configuration")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where cargo built the test: its caches carry a tag, as does no other parent.
pub(crate) fn target_dir() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let tagged = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    let user = nix::unistd::geteuid();
    tagged.map_or_else(|| std::env::temp_dir().join(format!("tallyline-test-{user}")), Path::to_owned)
}

/// One file per process that uses the server, named by its id.
fn register_process(state_dir: &Path) -> anyhow::Result<PathBuf> {
    let users = state_dir.join("users");
    fs::create_dir_all(&users).with_context(|| format!("cannot create {}", users.display()))?;
    fs::write(users.join(std::process::id().to_string()), "").context("cannot register with the test server")?;
    Ok(users)
}

/// Makes sure that somebody stops the server when nobody uses it any more.
fn watch(server: &EmbeddedServer, state_dir: &Path, users: &Path) -> anyhow::Result<()> {
    let EmbeddedStatus::Running { pid, .. } = EmbeddedServer::status(state_dir)? else {
        anyhow::bail!("the test server ended at once; see {}", server.log_file().display());
    };
    let reaper_file = state_dir.join("reaper.pid");
    if !server.was_started_here() && is_alive(&reaper_file) {
        return Ok(());
    }
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", REAPER, "tallyline-test-reaper"])
        .arg(users)
        .arg(server.data_dir())
        .arg(pid.to_string())
        .arg(IDLE_SECONDS);
    command.current_dir("/").process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It outlives this process on purpose.
    let reaper = command.spawn().context("cannot start the reaper of the test server")?;
    fs::write(&reaper_file, reaper.id().to_string()).context("cannot note the reaper of the test server")
}

fn is_alive(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse().ok());
    pid.is_some_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok())
}
