//! The embedded server from outside: started, killed, reattached, refused.
//!
//! Runs as root (then the server belongs to an unprivileged account) and as an
//! ordinary user. Every test has directories and a server of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use sqlx::{Connection, PgConnection};
use tallyline_db::embedded::{EmbeddedError, EmbeddedOptions, EmbeddedServer, EmbeddedStatus};

/// Tells the helper test at the end of the file what to do.
const HELPER_DIR: &str = "TALLYLINE_TEST_STATE_DIR";
const HELPER_TEST: &str = "helper_starts_a_server_and_waits";
const DEADLINE: Duration = Duration::from_secs(120);

/// Directories of one test; its server is stopped at the end.
struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    /// As with any clone in a home of mode 700, nobody else may enter
    /// `project`; `outside` can be reached by everyone.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        set_mode(dir.path(), 0o755);
        fs::create_dir(dir.path().join("project")).unwrap();
        set_mode(&dir.path().join("project"), 0o700);
        Self { dir }
    }

    /// Everyone may enter `project`, as with a clone in /srv.
    fn open() -> Self {
        let scratch = Self::new();
        set_mode(&scratch.dir.path().join("project"), 0o755);
        scratch
    }

    fn state_dir(&self) -> PathBuf {
        self.dir.path().join("project/.tallyline")
    }

    fn options(&self) -> EmbeddedOptions {
        EmbeddedOptions {
            data_dir: self.state_dir(),
            outside_dir: self.dir.path().join("outside"),
            ..Default::default()
        }
    }

    async fn start(&self) -> EmbeddedServer {
        EmbeddedServer::start(self.options()).await.unwrap()
    }

    fn postmaster(&self) -> Option<Pid> {
        match EmbeddedServer::status(&self.state_dir()) {
            Ok(EmbeddedStatus::Running { pid, .. }) => Some(Pid::from_raw(pid)),
            _ => None,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(pid) = self.postmaster() else { return };
        let _ = kill(pid, Signal::SIGQUIT);
        let deadline = std::time::Instant::now() + DEADLINE;
        while kill(pid, None).is_ok() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(connection).await.unwrap()
}

async fn remember(server: &EmbeddedServer, word: &str) {
    let mut connection = connect(&server.admin_url()).await;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS remembered (word text)").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO remembered VALUES ($1)").bind(word).execute(&mut connection).await.unwrap();
}

async fn remembered(server: &EmbeddedServer) -> Vec<String> {
    let mut connection = connect(&server.admin_url()).await;
    sqlx::query_scalar("SELECT word FROM remembered ORDER BY word").fetch_all(&mut connection).await.unwrap()
}

async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_new_server_is_durable_private_and_has_a_login_without_privileges() {
    let scratch = Scratch::new();
    assert_eq!(EmbeddedServer::status(&scratch.state_dir()).unwrap(), EmbeddedStatus::NotCreated);
    let server = scratch.start().await;
    assert!(server.was_started_here());
    let mut admin = connect(&server.admin_url()).await;
    for (name, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
        ("lc_collate", "C"),
    ] {
        if name == "lc_collate" {
            let collate: String = sqlx::query_scalar("SELECT datcollate FROM pg_database WHERE datname = 'tallyline'")
                .fetch_one(&mut admin)
                .await
                .unwrap();
            assert_eq!(collate, value);
        } else {
            assert_eq!(setting(&mut admin, name).await, value, "{name}");
        }
    }
    let mut login = connect(&server.url()).await;
    let (name, superuser, inherits): (String, bool, bool) =
        sqlx::query_as("SELECT rolname::text, rolsuper OR rolcreaterole OR rolbypassrls, rolinherit FROM pg_roles WHERE rolname = current_user")
            .fetch_one(&mut login)
            .await
            .unwrap();
    assert_eq!((name.as_str(), superuser, inherits), ("tallyline", false, false));
    for role in ["SET ROLE tallyline_owner", "SET ROLE tallyline_worker", "SET ROLE tallyline_api"] {
        sqlx::raw_sql(role).execute(&mut login).await.unwrap();
    }
    let secret_mode = fs::metadata(scratch.state_dir().join("server.json")).unwrap().mode() & 0o777;
    assert_eq!(secret_mode, 0o600);
    assert_eq!(fs::metadata(server.data_dir()).unwrap().mode() & 0o077, 0);
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let scratch = Scratch::new();
    let server = scratch.start().await;
    let url = format!("postgres://postgres:guessed@127.0.0.1:{}/postgres", server.port());
    let error = PgConnection::connect(&url).await.unwrap_err();
    assert_eq!(error.as_database_error().and_then(|e| e.code().map(|c| c.into_owned())).as_deref(), Some("28P01"));
}

#[tokio::test]
async fn a_second_start_attaches_and_a_stop_keeps_the_data() {
    let scratch = Scratch::new();
    let first = scratch.start().await;
    remember(&first, "kept").await;
    let second = scratch.start().await;
    assert!(!second.was_started_here());
    assert_eq!(first.url(), second.url());
    second.stop().await.unwrap();
    assert!(matches!(EmbeddedServer::status(&scratch.state_dir()).unwrap(), EmbeddedStatus::Stopped { .. }));
    assert!(EmbeddedServer::attach(&scratch.options()).unwrap().is_none());
    let third = scratch.start().await;
    assert!(third.was_started_here());
    assert_eq!(remembered(&third).await, ["kept"]);
}

/// Break: without the `Lock` in `start`, two of them run initdb and fail.
#[tokio::test]
async fn of_many_simultaneous_starts_one_creates_the_server() {
    let scratch = Scratch::new();
    let starts = tokio::join!(scratch.start(), scratch.start(), scratch.start());
    let servers = [starts.0, starts.1, starts.2];
    assert_eq!(servers.iter().filter(|server| server.was_started_here()).count(), 1);
    assert!(servers.iter().all(|server| server.url() == servers[0].url()));
}

/// The next server must wait for the last process of the dead one; here that
/// process is frozen until the start has been refused once.
///
/// Break: with `START_RETRY` at zero the start fails.
#[tokio::test]
async fn after_a_killed_postmaster_it_starts_again_with_all_that_was_committed() {
    let scratch = Scratch::new();
    let server = scratch.start().await;
    remember(&server, "committed").await;
    let mut client = connect(&server.admin_url()).await;
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut client).await.unwrap();
    let (backend, postmaster) = (Pid::from_raw(backend), scratch.postmaster().unwrap());
    kill(backend, Signal::SIGSTOP).unwrap();
    kill(postmaster, Signal::SIGKILL).unwrap();
    let log = server.log_file();
    let thaw = async {
        let refused = || fs::read_to_string(&log).unwrap().contains("still in use");
        wait_until("the start is refused", refused).await;
        kill(backend, Signal::SIGCONT).unwrap();
    };
    let start = async { EmbeddedServer::start(scratch.options()).await.map_err(|error| error.to_string()) };
    let started = tokio::try_join!(start, async {
        thaw.await;
        Ok(())
    });
    let _ = kill(backend, Signal::SIGCONT); // also when the start failed
    let (again, ()) = started.unwrap();
    assert!(again.was_started_here());
    assert_ne!(scratch.postmaster(), Some(postmaster));
    assert_eq!(remembered(&again).await, ["committed"]);
}

#[tokio::test]
async fn the_server_outlives_a_killed_starter_and_is_reattached() {
    let scratch = Scratch::open();
    let mut helper = spawn_helper(&scratch, None);
    wait_until("the helper's server runs", || ready(&scratch)).await;
    helper.kill().unwrap();
    helper.wait().unwrap();
    let server = scratch.start().await;
    assert!(!server.was_started_here());
    remember(&server, "alive").await;
}

/// A starter killed during initdb leaves nothing that looks like a database.
#[tokio::test]
async fn a_starter_killed_during_initdb_does_no_harm() {
    let scratch = Scratch::open();
    let mut helper = spawn_helper(&scratch, None);
    wait_until("initdb has begun", || unfinished(&scratch)).await;
    helper.kill().unwrap();
    helper.wait().unwrap();
    let server = scratch.start().await;
    assert!(server.was_started_here());
    remember(&server, "fine").await;
}

#[tokio::test]
async fn a_port_taken_meanwhile_is_replaced_unless_it_was_asked_for() {
    let scratch = Scratch::new();
    let server = scratch.start().await;
    let port = server.port();
    server.stop().await.unwrap();
    let _squatter = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = EmbeddedServer::start(EmbeddedOptions { port: Some(port), ..scratch.options() }).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::PortTaken { port: p } if p == port), "{error}");
    let moved = scratch.start().await;
    assert_ne!(moved.port(), port);
}

#[tokio::test]
async fn without_binaries_the_message_names_the_package() {
    let scratch = Scratch::new();
    let empty = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { pg_bin: Some(empty.path().to_owned()), ..scratch.options() };
    let message = EmbeddedServer::start(options).await.unwrap_err().to_string();
    assert!(
        message.contains("apt-get install postgresql") || message.contains("brew install postgresql@17"),
        "{message}"
    );
    assert!(message.contains(&empty.path().display().to_string()), "{message}");
}

#[tokio::test]
async fn data_of_another_major_version_are_refused_and_left_alone() {
    let scratch = Scratch::new();
    let server = scratch.start().await;
    let version_file = server.data_dir().join("PG_VERSION");
    server.stop().await.unwrap();
    fs::write(&version_file, "99\n").unwrap();
    let message = EmbeddedServer::start(scratch.options()).await.unwrap_err().to_string();
    assert!(message.contains("written by PostgreSQL 99"), "{message}");
    assert_eq!(fs::read_to_string(&version_file).unwrap(), "99\n");
}

#[tokio::test]
async fn missing_data_are_reported_and_not_replaced_by_an_empty_database() {
    let scratch = Scratch::new();
    let server = scratch.start().await;
    let data_dir = server.data_dir();
    server.stop().await.unwrap();
    fs::rename(&data_dir, data_dir.with_extension("elsewhere")).unwrap();
    let error = EmbeddedServer::start(scratch.options()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::DataMissing { .. }), "{error}");
    assert!(!data_dir.exists());
    fs::rename(data_dir.with_extension("elsewhere"), &data_dir).unwrap();
    scratch.start().await;
}

/// After a reboot the number in `postmaster.pid` may be anybody's.
#[tokio::test]
async fn a_stale_pid_file_that_names_a_foreign_process_does_not_hinder() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let scratch = Scratch::new();
    let server = scratch.start().await;
    let pid_file = server.data_dir().join("postmaster.pid");
    let account = fs::metadata(server.data_dir()).unwrap();
    let text = fs::read_to_string(&pid_file).unwrap();
    server.stop().await.unwrap();
    let mut foreign = run_as(&account, "/bin/sleep", "600");
    let rest = text.split_once('\n').unwrap().1;
    fs::write(&pid_file, format!("{}\n{rest}", foreign.id())).unwrap();
    std::os::unix::fs::chown(&pid_file, Some(account.uid()), Some(account.gid())).unwrap();
    let again = EmbeddedServer::start(scratch.options()).await;
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    assert!(again.unwrap().was_started_here());
}

#[tokio::test]
async fn root_keeps_the_data_where_the_servers_account_can_reach_them() {
    if !geteuid().is_root() {
        return;
    }
    let (closed, open) = (Scratch::new(), Scratch::open());
    let (outside, inside) = (closed.start().await, open.start().await);
    assert!(outside.data_dir().starts_with(closed.dir.path().join("outside")), "{}", outside.data_dir().display());
    assert!(inside.data_dir().starts_with(open.state_dir()), "{}", inside.data_dir().display());
    let home = outside.data_dir().parent().unwrap().to_owned();
    let origin = fs::read_to_string(home.join("origin")).unwrap();
    assert_eq!(Path::new(origin.trim()), closed.state_dir().canonicalize().unwrap());
    assert_eq!(fs::metadata(&home).unwrap().mode() & 0o777, 0o700);
    assert_ne!(fs::metadata(&home).unwrap().uid(), 0);
}

#[tokio::test]
async fn an_ordinary_user_starts_it_under_his_own_name() {
    if !geteuid().is_root() {
        return; // then every other test here shows it
    }
    const NOBODY: u32 = 65534;
    let scratch = Scratch::open();
    let project = scratch.dir.path().join("project");
    std::os::unix::fs::chown(&project, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut helper = spawn_helper(&scratch, Some(NOBODY));
    wait_until("the user's server runs", || ready(&scratch)).await;
    let EmbeddedStatus::Running { data_dir, pid, .. } = EmbeddedServer::status(&scratch.state_dir()).unwrap() else {
        panic!("not running");
    };
    assert!(data_dir.starts_with(&project));
    assert_eq!(fs::metadata(format!("/proc/{pid}")).map_or(NOBODY, |meta| meta.uid()), NOBODY);
    helper.kill().unwrap();
    helper.wait().unwrap();
}

fn ready(scratch: &Scratch) -> bool {
    scratch.state_dir().join("helper-ready").exists()
}

fn unfinished(scratch: &Scratch) -> bool {
    let home = fs::read_dir(scratch.state_dir().join("postgres"));
    home.into_iter().flatten().flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("unfinished-"))
}

/// Runs the helper test below in a process of its own, as `uid` if given. Its
/// program is copied, since that user may be unable to enter the target directory.
fn spawn_helper(scratch: &Scratch, uid: Option<u32>) -> Child {
    let program = scratch.dir.path().join("helper");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let mut command = Command::new(program);
    command.args(["--exact", HELPER_TEST, "--ignored"]).env(HELPER_DIR, scratch.state_dir());
    command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(uid) = uid {
        std::os::unix::process::CommandExt::uid(&mut command, uid);
        std::os::unix::process::CommandExt::gid(&mut command, uid);
    }
    command.spawn().unwrap()
}

fn run_as(account: &fs::Metadata, program: &str, argument: &str) -> Child {
    let mut command = Command::new(program);
    command.arg(argument).current_dir("/");
    if geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, account.uid());
        std::os::unix::process::CommandExt::gid(&mut command, account.gid());
    }
    command.spawn().unwrap()
}

#[tokio::test]
#[ignore = "not a test: the process that other tests start and kill"]
async fn helper_starts_a_server_and_waits() {
    let Some(state_dir) = std::env::var_os(HELPER_DIR) else { return };
    let data_dir = PathBuf::from(state_dir);
    EmbeddedServer::start(EmbeddedOptions { data_dir: data_dir.clone(), ..Default::default() }).await.unwrap();
    fs::write(data_dir.join("helper-ready"), "").unwrap();
    std::future::pending::<()>().await;
}
