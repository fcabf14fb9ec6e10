//! The command line as a whole: every command has examples that can be typed,
//! what prints data prints JSON, the page of commands is current, codes are as documented.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clap::Command;
use serde_json::Value;
use tallyline_testkit::{TestDb, wait_until};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::daemon::{Site, text};

/// What stands for an id in examples.
const PLACEHOLDER: &str = "6f6f…";

/// Commands without `--json`, and why.
const WITHOUT_JSON: &[(&str, &str)] = &[
    ("run", "prints nothing: a daemon logs"),
    ("healthcheck", "prints what the daemon answered, which is JSON where it asks /readyz"),
    ("demo", "a show for people; `verify --json` and `status --json` say the same"),
    ("simulate", "what it did stands in the ledger, which is JSON"),
    ("account role", "prints nothing"),
    ("account close", "prints nothing"),
    ("account open", "prints nothing"),
    ("account revoke-token", "prints nothing"),
    ("credits add", "says what was entered; `credits list --json` lists it"),
    ("credits adjust", "says what was entered; `credits list --json` lists it"),
    ("customer set-status", "says what it changed; `customer list --json` lists it"),
    ("number add", "says what it changed; `number list --json` lists it"),
    ("number assign", "says what it changed; `number list --json` lists it"),
    ("number release", "says what it changed; `number list --json` lists it"),
    ("tenant set", "says what it changed; `tenant list --json` lists it"),
    ("tenant allow-ips", "says what it changed"),
    ("tenant analysis set", "prints what is set now, always as JSON"),
    ("tenant analysis show", "prints JSON always"),
    ("tenant provider set", "says what it changed; `tenant provider list --json` lists it"),
    ("tenant provider disable", "says what it changed; `tenant provider list --json` lists it"),
    ("analyses show", "prints JSON always"),
    ("analyses retry", "says how many; `analyses list --json` lists them"),
    ("settings set", "says what it changed; `settings list --json` lists it"),
    ("settings unset", "says what it changed; `settings list --json` lists it"),
    ("follow-up complete", "says what it changed; `follow-up list --json` lists it"),
    ("follow-up cancel", "says what it changed; `follow-up list --json` lists it"),
    ("follow-up reschedule", "says what it changed; `follow-up list --json` lists it"),
    ("notify replay", "says how many; `notify list --json` lists them"),
    ("notify endpoint disable", "says what it changed; `notify endpoint list --json` lists it"),
    ("notify endpoint enable", "says what it changed; `notify endpoint list --json` lists it"),
    ("backfill pause", "says what it changed; `backfill show --json` shows it"),
    ("backfill resume", "says what it changed; `backfill show --json` shows it"),
    ("backfill cancel", "says what it changed; `backfill show --json` shows it"),
    ("schedule pause", "says what it changed; `schedule list --json` lists it"),
    ("schedule resume", "says what it changed; `schedule list --json` lists it"),
    ("db start", "says that it runs"),
    ("db stop", "says that it stopped"),
    ("db psql", "is psql"),
    ("db path", "prints one path"),
    ("completions", "prints a script for a shell"),
    ("man", "prints a page for man"),
];

/// Every command that does something, with its path.
fn leaves(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
    let subs: Vec<&Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    if subs.is_empty() {
        found.push((path.to_owned(), command.clone()));
    }
    for sub in subs {
        leaves(sub, format!("{path} {}", sub.get_name()).trim_start(), found);
    }
}

fn all_leaves() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    leaves(&tallyline::cli::command(), "", &mut found);
    assert!(found.len() > 80, "{}", found.len());
    found
}

/// The words of a command as a shell reads them: quotes, but nothing else.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "an open quote: {line}");
    words.extend(word);
    words
}

/// Commands of ours in the examples of a help text: what stands before a
/// redirection, and between `&&`, without the remark behind two spaces.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().filter(|line| line.starts_with("  tallyline "));
    let commands = lines.flat_map(|line| line.trim_start().split("  ").next().unwrap().split(" && "));
    let plain = commands.map(|command| command.split(['<', '>']).next().unwrap());
    plain.map(|command| command.trim().to_owned()).filter(|command| command.starts_with("tallyline")).collect()
}

/// Break to try: the examples of `status` taken out of the list.
#[test]
fn every_command_has_examples_that_can_be_typed() {
    let mut wrong = Vec::new();
    for (path, command) in all_leaves() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = examples(&help);
        if !(1..=4).contains(&examples.len()) {
            wrong.push(format!("{path}: {} examples", examples.len()));
        }
        if !examples.iter().any(|example| example.starts_with(&format!("tallyline {path}"))) {
            wrong.push(format!("{path}: the examples are of another command"));
        }
        for example in &examples {
            let words = words(&example.replace(PLACEHOLDER, "6f6f0000-0000-4000-8000-000000000000"));
            if let Err(error) = tallyline::cli::parse(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
                wrong.push(format!("{example}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Break to try: `--json` taken from `schedule list`.
#[test]
fn every_command_that_prints_data_can_print_json() {
    let leaves = all_leaves();
    let has_json = |command: &Command| command.get_arguments().any(|argument| argument.get_long() == Some("json"));
    let without: Vec<&str> =
        leaves.iter().filter(|(_, command)| !has_json(command)).map(|(path, _)| path.as_str()).collect();
    let mut listed: Vec<&str> = WITHOUT_JSON.iter().map(|(path, _)| *path).collect();
    listed.sort_by_key(|path| without.iter().position(|other| other == path));
    assert_eq!(without, listed);
}

/// What `--help` prints, for every command.
fn page() -> String {
    let mut page =
        "# Commands\n\nWhat `--help` prints, for every command. Made by a test, which also says how.\n".to_owned();
    let mut program = tallyline::cli::command().term_width(100);
    program.build();
    add_to(&mut page, &program, "tallyline", 2);
    page
}

fn add_to(page: &mut String, command: &Command, path: &str, depth: usize) {
    let help = command.clone().term_width(100).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n{} {path}\n\n```text\n{}\n```\n", "#".repeat(depth.min(4)), lines.join("\n").trim_end()));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        add_to(page, sub, &format!("{path} {}", sub.get_name()), depth + 1);
    }
}

/// Break: change the text of an option without making the page anew.
#[test]
fn the_page_of_commands_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let current = std::fs::read_to_string(&path).unwrap_or_default() == page();
    assert!(
        current,
        "docs/cli.md is out of date; make it anew with: UPDATE_DOCS=1 cargo test --test it the_page_of_commands"
    );
}

#[tokio::test]
async fn each_exit_code_means_what_is_documented() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let ends = |code: i32, arguments: &[&str]| {
        let output = site.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        text(&output)
    };
    ends(0, &["migrate", "--check"]);
    let unmigrated = TestDb::unmigrated().await;
    let other = Site::new(&unmigrated).run(&["migrate", "--check"]);
    assert_eq!(other.status.code(), Some(1), "{}", text(&other));
    assert!(ends(2, &["stauts"]).contains("'status'"), "clap suggests");
    ends(2, &["config", "check", "/nowhere/file.toml"]);
    let gone = site.command(&["status"]).env("DATABASE_URL", "postgres://a@127.0.0.1:1/a").output().unwrap();
    assert_eq!(gone.status.code(), Some(3), "{}", text(&gone));
    let add = ["account", "add", "--email", "a@example.test", "--name", "A", "--json"];
    let added: Value = serde_json::from_slice(&site.run(&add).stdout).unwrap();
    assert!(added["link"].as_str().unwrap().contains("/password/"), "{added}");
    ends(4, &add);
}

/// Break to try: everything printed in the order of the keys, without where it came from.
#[tokio::test]
async fn the_configuration_is_shown_and_checked_as_the_daemon_would_read_it() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let file = "[http]\nmax_headers = 9\n[dashboard]\nlogin = false\n";
    std::fs::write(site.file("tallyline.toml"), file).unwrap();
    let shown = site.run(&["config", "show", "--json", "--data-dir", "elsewhere"]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown));
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let of = |key: &str| {
        let row = shown.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap();
        (row["value"].as_str().unwrap().to_owned(), row["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("http.max_headers"), ("9".to_owned(), "tallyline.toml:2".to_owned()));
    assert_eq!(of("database.data_dir"), ("\"elsewhere\"".to_owned(), "option --data-dir".to_owned()));
    assert_eq!(of("log.level").1, "environment variable TALLYLINE_LOG__LEVEL");
    assert_eq!(of("receiver.max_group").1, "default");
    let table = text(&site.run(&["config", "show", "--origin"]));
    assert!(table.contains("tallyline.toml:2") && !table.contains(&"07".repeat(32)), "{table}");

    let fine = site.run(&["config", "check"]);
    assert_eq!(fine.status.code(), Some(0), "{}", text(&fine));
    std::fs::write(site.file("bad.toml"), "[http]\nlisten = \"0.0.0.0:80\"\nlistne = 1\n[dashboard]\nlogin = false\n")
        .unwrap();
    let bad =
        site.command(&["config", "check", "bad.toml", "--json"]).env_remove("TALLYLINE_HTTP__LISTEN").output().unwrap();
    assert_eq!(bad.status.code(), Some(2), "{}", text(&bad));
    let told: Value = serde_json::from_slice(&bad.stdout).unwrap();
    let keys: Vec<&str> = told["problems"].as_array().unwrap().iter().map(|p| p["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["http.listne", "dashboard.login"]);
    let refused = site.command(&["run", "--config", "bad.toml"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    let zero = site.command(&["run"]).env("TALLYLINE_RECEIVER__MAX_GROUP", "0").output().unwrap();
    assert_eq!(zero.status.code(), Some(2), "a daemon does not start with nonsense: {}", text(&zero));
}

/// Breaks to try: the limits read at the start only; a bad file taken over.
#[tokio::test]
async fn a_hangup_reloads_what_can_be_and_names_what_cannot() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let tenant = crate::receiver::support::add_tenant(&mut db.pool.acquire().await.unwrap(), "a@example.test").await;
    let endpoint = crate::receiver::support::endpoint(&tenant, tallyline_model::Provider::Bolna);
    let write = |text: &str| std::fs::write(site.file("tallyline.toml"), text).unwrap();
    write("[receiver]\nmax_body_bytes = 1000000\n[log]\nlevel = \"error\"\n");
    let mut daemon = tokio::process::Command::from(site.command(&["run"]))
        .env_remove("TALLYLINE_LOG__LEVEL")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(site.file("daemon.log")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = format!("http://{}/readyz", site.address);
    wait_until("the daemon is ready", Duration::from_secs(60), || async {
        reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    let pid = nix::unistd::Pid::from_raw(daemon.id().unwrap().try_into().unwrap());
    let url = format!("http://{}/webhooks/bolna/{}", site.address, endpoint.endpoint);
    let post = || async {
        let request = reqwest::Client::new().post(&url).bearer_auth(&endpoint.secret);
        request.body(format!("{{\"x\": \"{}\"}}", "x".repeat(500))).send().await.unwrap().status().as_u16()
    };
    let log = || std::fs::read_to_string(site.file("daemon.log")).unwrap();
    let hang_up = || nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    assert_ne!(post().await, 413);

    write("[receiver]\nmax_body_bytes = 100\nmax_group = 7\n[log]\nlevel = \"info\"\n");
    hang_up();
    wait_until("the smaller limit is in force", Duration::from_secs(60), || async { post().await == 413 }).await;
    wait_until("what needs a restart is named", Duration::from_secs(60), || async {
        log().lines().any(|line| line.contains("receiver.max_group") && line.contains("next start"))
    })
    .await;

    assert!(log().contains("was read again"), "the level has changed: {}", log());

    write("[receiver]\nmax_body_bytes = 1000000\nmax_groop = 7\n");
    hang_up();
    wait_until("the bad file is told of", Duration::from_secs(60), || async { log().contains("max_groop") }).await;
    assert_eq!(post().await, 413, "nothing of it is taken");
    daemon.kill().await.unwrap();
}

/// Break to try: the screen cleared whether it is one or not.
#[tokio::test]
async fn status_is_watched_without_escapes_where_there_is_no_terminal() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let arguments = ["status", "--watch", "--interval", "0s", "--json"];
    let mut command = tokio::process::Command::from(site.command(&arguments));
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
        let status: Value = serde_json::from_str(&line).unwrap();
        assert!(status["database_version"].is_string());
    }
    let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "Ctrl-C is the way to end it: {ended}");

    let shown = site.run(&["status"]);
    assert!(!text(&shown).contains('\u{1b}'), "{}", text(&shown));
}

#[tokio::test]
async fn completions_and_manual_pages_are_written() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let bash = site.run(&["completions", "bash"]);
    assert!(bash.status.success() && text(&bash).contains("complete -F _tallyline"), "{}", text(&bash));
    // They need no configuration that can be used.
    let mut file = std::fs::File::create(site.file("tallyline.toml")).unwrap();
    file.write_all(b"nonsense").unwrap();
    let man = site.run(&["man"]);
    assert!(man.status.success() && text(&man).contains(".TH tallyline 1"), "{}", text(&man));
    std::fs::create_dir(site.file("pages")).unwrap();
    let pages = site.run(&["man", "--out", "pages"]);
    assert!(pages.status.success(), "{}", text(&pages));
    let written = std::fs::read_dir(site.file("pages")).unwrap().count();
    assert!(written > 80, "{written} pages");
}
