//! `tallyline doctor`: a healthy installation has nothing to say, each seeded fault
//! is found by the one check that is for it, and every command it names is one.

mod faults;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use tallyline::config::{Loaded, Overrides, load_all};
use tallyline::doctor::server::{self, Facts, Here};
use tallyline::doctor::{self, Check, Limits, Report, State, Target};
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, text};
use crate::receiver::support::add_tenant;

/// What test servers lack on purpose, and what the other tests of the same server
/// take; `server_facts…` proves these.
const OF_THE_TEST_SERVER: [&str; 4] = ["fsync", "full-page-writes", "synchronous-commit", "connections"];

async fn run(pool: &PgPool, statements: &'static str) {
    sqlx::raw_sql(statements).execute(pool).await.unwrap_or_else(|error| panic!("{error}: {statements}"));
}

/// An installation in which a daemon has run, with a tenant, an agent and somebody who can sign in.
struct Installation {
    db: TestDb,
    site: Site,
}

impl Installation {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let site = Site::new(&db);
        add_tenant(&mut db.pool.acquire().await.unwrap(), "a@example.test").await;
        run(&db.admin, include_str!("doctor/healthy_before.sql")).await;
        let daemon = site.start().await;
        wait_until("the schedules are there", Duration::from_secs(60), || async {
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tally.schedules").fetch_one(&db.admin);
            count.await.unwrap() > 0
        })
        .await;
        daemon.kill();
        // A killed client's statements are not: they go on in the server until they end.
        wait_until("its statements have ended", Duration::from_secs(60), || async {
            let busy = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
            sqlx::query_scalar::<_, i64>(busy).fetch_one(&db.admin).await.unwrap() == 0
        })
        .await;
        run(&db.admin, include_str!("doctor/healthy_after.sql")).await;
        Installation { db, site }
    }

    /// As configured by these variables besides the usual ones; an empty one is not set.
    fn loaded(&self, file: &str, variables: &[(&str, &str)]) -> Loaded {
        let path = self.site.file("tallyline.toml");
        fs::write(&path, file).unwrap();
        let usual = [
            ("DATABASE_URL", self.db.url.clone()),
            ("TALLYLINE_SECRETS__KEY", "07".repeat(32)),
            ("TALLYLINE_HTTP__LISTEN", self.site.address.clone()),
            ("TALLYLINE_HTTP__PUBLIC_ORIGIN", "https://calls.example.test".to_owned()),
        ];
        let usual = usual.into_iter().filter(|(name, _)| variables.iter().all(|(other, _)| other != name));
        let usual = usual.map(|(name, value)| (name.to_owned(), value));
        let others = variables.iter().filter(|(_, value)| !value.is_empty());
        let others = others.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_all(&Overrides { file: Some(path), ..Overrides::default() }, usual.chain(others)).unwrap()
    }

    async fn look(&self, loaded: &Loaded, limits: &Limits) -> Report {
        doctor::run(loaded, &Target::Url(self.db.url.clone()), limits).await
    }

    async fn look_with(&self, variables: &[(&str, &str)]) -> Report {
        self.look(&self.loaded("", variables), &Limits::default()).await
    }
}

/// What is not as it should be.
fn bad(report: &Report) -> Vec<&Check> {
    let bad = report.checks.iter().filter(|check| matches!(check.state, State::Warning | State::Problem));
    bad.filter(|check| !OF_THE_TEST_SERVER.contains(&check.name)).collect()
}

/// Fails unless exactly this check is not as it should be, and names a command that can be typed.
fn only(report: &Report, name: &str, state: State, mend: &str) {
    let bad = bad(report);
    assert_eq!(bad.iter().map(|check| check.name).collect::<Vec<_>>(), [name], "{report}");
    one(bad[0], state, mend);
}

fn one(check: &Check, state: State, mend: &str) {
    let name = check.name;
    assert_eq!(check.state, state, "{name}");
    assert!(
        !check.finding.is_empty() && !check.meaning.is_empty() && !check.finding.contains("could not"),
        "{check:?}"
    );
    let command = check.mend.as_deref().unwrap();
    assert!(command.contains(mend), "{name}: {command}");
    let words = crate::cli::words(command);
    let program = words.iter().position(|word| !word.contains('=')).unwrap();
    match words[program].as_str() {
        "tallyline" => {
            let arguments: Vec<&str> = words[program..].iter().map(String::as_str).collect();
            tallyline::cli::parse(&arguments).unwrap_or_else(|error| panic!("{name}: {command}: {error}"));
        }
        "psql" | "chmod" | "install" | "df" | "fuser" | "ls" | "openssl" | "pg_dump" | "grep" | "timedatectl"
        | "pg_checksums" | "pg_upgrade" | "createdb" => {}
        other => panic!("{name}: is {other} a program? {command}"),
    }
}

/// Every fault that SQL can seed, one after the other on one database, each undone.
/// Breaks to try: `workers.sql` with `expires_at < now()` (healthy fails), `dead_jobs.sql` with `WHERE false`.
#[tokio::test]
async fn each_fault_in_the_database_is_found_by_its_check_alone() {
    let installation = Installation::new().await;
    let healthy = installation.look_with(&[]).await;
    assert_eq!(bad(&healthy), Vec::<&Check>::new(), "{healthy}");
    assert!(healthy.checks.len() >= 60, "{}", healthy.checks.len());
    let names: BTreeSet<&str> = healthy.checks.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), healthy.checks.len(), "names are unique");

    for fault in faults::FAULTS {
        run(&installation.db.admin, fault.seed).await;
        let report = installation.look_with(&[]).await;
        only(&report, fault.check, fault.state, fault.mend);
        run(&installation.db.admin, fault.undo).await;
    }
    let mended = installation.look_with(&[]).await;
    assert_eq!(bad(&mended), Vec::<&Check>::new(), "{mended}");

    transactions_and_dead_rows(&installation).await;
    accounts(&installation).await;
    every_rule_has_its_fault(&healthy);
}

/// What time would bring, with limits of nothing.
async fn transactions_and_dead_rows(installation: &Installation) {
    let loaded = installation.loaded("", &[]);
    let open = installation.db.pool.begin().await.unwrap();
    let limits = Limits { transaction_seconds: 0.0, ..Limits::default() };
    only(&installation.look(&loaded, &limits).await, "long-transactions", State::Warning, "pg_terminate_backend");
    open.rollback().await.unwrap();

    run(
        &installation.db.admin,
        "SELECT pg_stat_force_next_flush();
         INSERT INTO tally.job_keys (kind, tenant, key, job_id) VALUES ('a', gen_random_uuid(), 'k', 1);
         DELETE FROM tally.job_keys",
    )
    .await;
    let limits = Limits { dead_rows: 0.0, ..Limits::default() };
    wait_until("the dead row is known", Duration::from_secs(60), || async {
        bad(&installation.look(&loaded, &limits).await).iter().any(|check| check.name == "dead-rows")
    })
    .await;
    only(&installation.look(&loaded, &limits).await, "dead-rows", State::Warning, "VACUUM (VERBOSE) tally.");
}

/// An account that may do too much, and one that may do too little.
async fn accounts(installation: &Installation) {
    let loaded = installation.loaded("", &[]);
    let target = Target::Url(installation.db.admin_url.clone());
    let report = doctor::run(&loaded, &target, &Limits::default()).await;
    only(&report, "account", State::Warning, "bootstrap_roles.sql");

    run(&installation.db.admin, "DROP ROLE IF EXISTS tl_doctor_stranger").await;
    run(&installation.db.admin, "CREATE ROLE tl_doctor_stranger LOGIN PASSWORD 'stranger'").await;
    let mut url = reqwest::Url::parse(&installation.db.url).unwrap();
    url.set_username("tl_doctor_stranger").unwrap();
    url.set_password(Some("stranger")).unwrap();
    let report = doctor::run(&loaded, &Target::Url(url.to_string()), &Limits::default()).await;
    run(&installation.db.admin, "DROP ROLE tl_doctor_stranger").await;
    only(&report, "roles", State::Problem, "tallyline migrate");

    let gone = doctor::run(&loaded, &Target::NotRunning, &Limits::default()).await;
    only(&gone, "database", State::Problem, "tallyline db start");
    let names = |report: &Report| report.checks.iter().map(|check| check.name).collect::<BTreeSet<_>>();
    let healthy = installation.look_with(&[]).await;
    assert_eq!(names(&gone), names(&healthy), "what cannot be looked at is said to be so");
}

/// A check without a seeded fault is a check that nobody has seen work.
fn every_rule_has_its_fault(report: &Report) {
    let seeded: BTreeSet<&str> = faults::FAULTS.iter().map(|fault| fault.check).collect();
    let elsewhere: BTreeSet<&str> = faults::ELSEWHERE.iter().copied().collect();
    for check in &report.checks {
        assert!(seeded.contains(check.name) || elsewhere.contains(check.name), "{} has no fault", check.name);
    }
}

/// Faults of configuration, files and their neighbours.
/// Breaks to try: `exposure` returning nothing; the mode of the key file not looked at.
#[tokio::test]
async fn each_fault_in_configuration_and_files_is_found_by_its_check_alone() {
    let installation = Installation::new().await;
    let site = &installation.site;
    for (variables, check, state, mend) in faults::CONFIGURATIONS {
        only(&installation.look_with(variables).await, check, *state, mend);
    }
    let schedule = "[[schedule]]\nname = \"weekly\"\njob = \"verify_rollups\"\ncron = \"0 0 * * 0\"\ntimezone = \"UTC\"\n\
                    missed = \"skip\"\noverlap = \"skip\"";
    let loaded = installation.loaded(schedule, &[]);
    let report = installation.look(&loaded, &Limits::default()).await;
    only(&report, "schedules-known", State::Warning, "tallyline run --roles scheduler");

    let taken = std::net::TcpListener::bind(&site.address).unwrap();
    only(&installation.look_with(&[]).await, "listen-address", State::Problem, "tallyline run --listen");
    drop(taken);

    let key = site.file("secret.key");
    fs::write(&key, "07".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let dir = site.dir.path().display().to_string();
    let of_file = [("TALLYLINE_SECRETS__KEY", ""), ("TALLYLINE_DATABASE__DATA_DIR", dir.as_str())];
    only(&installation.look_with(&of_file).await, "key-file", State::Problem, "chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bad(&installation.look_with(&of_file).await), Vec::<&Check>::new());
    let limits = Limits { free_bytes: u64::MAX, ..Limits::default() };
    let report = installation.look(&installation.loaded("", &of_file), &limits).await;
    only(&report, "disk-space", State::Problem, "df -h");

    // Nobody, not even root, makes files there.
    let embedded =
        [("DATABASE_URL", ""), ("TALLYLINE_SECRETS__KEY", ""), ("TALLYLINE_DATABASE__DATA_DIR", "/proc/self")];
    only(&installation.look_with(&embedded).await, "data-dir", State::Problem, "install -d");
    spool(&installation).await;
}

async fn spool(installation: &Installation) {
    let spool = installation.site.file("spool");
    let dir = spool.display().to_string();
    let variables = [("TALLYLINE_RECEIVER__SPOOL_DIR", dir.as_str())];
    assert_eq!(bad(&installation.look_with(&variables).await), Vec::<&Check>::new(), "it is made at the start");
    fs::create_dir(&spool).unwrap();

    let lock = fs::File::create(spool.join("spool.lock")).unwrap();
    lock.lock().unwrap();
    only(&installation.look_with(&variables).await, "spool-lock", State::Problem, "fuser -v");
    lock.unlock().unwrap();

    let segment = spool.join("7.spool");
    fs::write(&segment, "events").unwrap();
    assert_eq!(bad(&installation.look_with(&variables).await), Vec::<&Check>::new(), "a young one is none");
    let file = fs::OpenOptions::new().append(true).open(&segment).unwrap();
    let old = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(3600);
    file.set_modified(old).unwrap();
    only(&installation.look_with(&variables).await, "spool-segments", State::Warning, "tallyline run");
    fs::rename(&segment, spool.join("7.damaged")).unwrap();
    only(&installation.look_with(&variables).await, "spool-segments", State::Problem, "ls -l");
    fs::remove_file(spool.join("7.damaged")).unwrap();

    let most = i64::MAX.to_string();
    let greedy = [variables[0], ("TALLYLINE_RECEIVER__SPOOL_MAX_BYTES", most.as_str())];
    only(&installation.look_with(&greedy).await, "spool-room", State::Warning, "SPOOL_MAX_BYTES=");
}

/// Settings of a whole server cannot be changed under the other tests, so these
/// are facts of a real one with one of them changed.
/// Break to try: the comparison of the clocks without `abs`.
#[tokio::test]
async fn server_facts_that_endanger_data_are_found() {
    let db = TestDb::new().await;
    let asked = sqlx::query_as(include_str!("../../sql/doctor/server.sql")).fetch_one(&db.pool).await;
    let read: Facts = asked.unwrap();
    let config = load_all(&Overrides { file: Some("/dev/null".into()), ..Overrides::default() }, []).unwrap().config;
    let sound = Facts {
        fsync: true,
        full_page_writes: true,
        synchronous_commit: "on".to_owned(),
        data_checksums: true,
        connections_allowed: 97,
        connections_of_others: 0,
        ..read
    };
    let here = Here { clock_seconds: sound.clock_seconds, processes: 1 };
    let judge = |facts: &Facts, here: &Here| {
        let checks = server::judge(&config, facts, here, &Limits::default());
        checks.into_iter().filter(|check| matches!(check.state, State::Warning | State::Problem)).collect::<Vec<_>>()
    };
    assert_eq!(judge(&sound, &here), []);
    let found = |facts: Facts, here: Here, name: &str, state: State, mend: &str| {
        let bad = judge(&facts, &here);
        assert_eq!(bad.iter().map(|check| check.name).collect::<Vec<_>>(), [name]);
        one(&bad[0], state, mend);
    };
    use State::{Problem, Warning};
    let s = || sound.clone();
    found(Facts { version_num: 140_010, ..s() }, here, "server-version", Problem, "pg_upgrade");
    found(Facts { encoding: "SQL_ASCII".to_owned(), ..s() }, here, "encoding", Problem, "createdb");
    found(Facts { fsync: false, ..s() }, here, "fsync", Problem, "ALTER SYSTEM SET fsync = on");
    found(Facts { full_page_writes: false, ..s() }, here, "full-page-writes", Problem, "ALTER SYSTEM");
    let asynchronous = Facts { synchronous_commit: "off".to_owned(), ..s() };
    found(asynchronous, here, "synchronous-commit", Problem, "ALTER SYSTEM");
    found(Facts { data_checksums: false, ..s() }, here, "data-checksums", Warning, "pg_checksums");
    found(Facts { autovacuum: false, ..s() }, here, "autovacuum", Problem, "ALTER SYSTEM");
    found(Facts { prepared: vec!["x".to_owned()], ..s() }, here, "prepared-transactions", Warning, "pg_prepared_xacts");
    found(Facts { idle_slots: vec!["x".to_owned()], ..s() }, here, "replication-slots", Warning, "replication_slots");
    for skew in [-6.0, 6.0] {
        let here = Here { clock_seconds: sound.clock_seconds + skew, ..here };
        found(s(), here, "clock", Warning, "timedatectl");
    }
    found(s(), Here { processes: 4, ..here }, "connections", Warning, "MAX_CONNECTIONS=");
    found(Facts { connections_of_others: 80, ..s() }, here, "connections", Warning, "MAX_CONNECTIONS=");
}

/// Through the program: codes, JSON, the bundle.
/// Break to try: the bundle written with the configuration's `Debug`.
#[tokio::test]
async fn the_command_ends_with_its_codes_and_writes_a_bundle_without_secrets() {
    let installation = Installation::new().await;
    let site = &installation.site;
    run(&installation.db.admin, "UPDATE tally.job_leases SET expires_at = now() - interval '1 hour'").await;
    let output = site.run(&["doctor", "--json", "--bundle", "support"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let state = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&report, "workers"), "problem");
    assert_eq!(state(&report, "database"), "ok");

    let mut files: Vec<String> = Vec::new();
    let mut all = String::new();
    for entry in fs::read_dir(site.file("support")).unwrap().map(Result::unwrap) {
        files.push(entry.file_name().to_string_lossy().into_owned());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        all.push_str(&fs::read_to_string(entry.path()).unwrap());
    }
    files.sort();
    let expected = ["config.json", "doctor.json", "migrations.json", "status.json", "tables.json", "versions.json"];
    assert_eq!(files, expected);
    let password = reqwest::Url::parse(&installation.db.url).unwrap().password().unwrap().to_owned();
    assert!(!all.contains(&password) && !all.contains(&"07".repeat(32)), "no secret is in the bundle");
    let twice = site.run(&["doctor", "--bundle", "support"]);
    assert_eq!(twice.status.code(), Some(1), "an old one is not written over: {}", text(&twice));

    let gone = site.command(&["doctor", "--json"]).env("DATABASE_URL", "postgres://a@127.0.0.1:1/a").output().unwrap();
    assert_eq!(gone.status.code(), Some(3), "{}", text(&gone));
    let report: Value = serde_json::from_slice(&gone.stdout).unwrap();
    assert_eq!(state(&report, "database"), "problem");
    assert_eq!(state(&report, "config"), "ok", "the others are made");
    assert_eq!(state(&report, "dead-jobs"), "not_applicable");
    let wrong = site.command(&["doctor"]).env("TALLYLINE_HTTP__LISTNE", "x").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1), "a wrong configuration is told of, too: {}", text(&wrong));
    assert!(text(&wrong).contains("did you mean TALLYLINE_HTTP__LISTEN?"), "{}", text(&wrong));
}
