//! `tallyline db`: the embedded server by itself, through the program.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::daemon::text;

/// A folder that the server's account may enter, and the program in it without
/// a database of somebody else's.
fn tallyline(dir: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_tallyline"))
        .args(arguments)
        .current_dir(dir)
        .env_remove("DATABASE_URL")
        .output()
        .unwrap()
}

#[test]
fn the_embedded_server_starts_answers_and_stops_by_command() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |arguments: &[&str]| tallyline(dir.path(), arguments);

    let none = run(&["db", "path"]);
    assert_eq!(none.status.code(), Some(1), "{}", text(&none));
    let started = run(&["db", "start"]);
    assert!(started.status.success(), "{}", text(&started));

    let query = "SELECT count(*) || ' ' || current_setting('fsync') || ' ' || current_setting('listen_addresses') FROM public.users";
    let asked = run(&["db", "psql", "--", "-Atc", query]);
    assert_eq!(String::from_utf8_lossy(&asked.stdout).trim(), "0 on 127.0.0.1", "{}", text(&asked));
    let status = run(&["status", "--json"]);
    assert!(status.status.success(), "{}", text(&status));

    let stopped = run(&["db", "stop"]);
    assert!(text(&stopped).contains("stopped"), "{}", text(&stopped));
    let again = run(&["db", "stop"]);
    assert!(text(&again).contains("not running"), "{}", text(&again));
    let path = run(&["db", "path"]);
    assert!(path.status.success(), "the data stay: {}", text(&path));
}

#[test]
fn without_server_programs_it_says_which_package_to_install() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().display().to_string();
    let output = tallyline(dir.path(), &["db", "start", "--pg-bin", &empty]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("postgresql"), "{}", text(&output));
}
