//! What is in `deploy/` fits the program: its commands, its keys, its times, and the
//! files that are mounted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use saphyr::{LoadableYamlNode, Yaml};
use toml::Table;

use crate::daemon::text;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The defaults, which name every key.
fn keys() -> Table {
    read("config.toml").parse().unwrap()
}

/// Seconds after which a process that was asked to stop is certainly gone.
fn gone_after() -> i64 {
    keys()["stop"]["grace_seconds"].as_integer().unwrap() + 15
}

/// The program understands these arguments: it gets as far as to show its help.
fn assert_understood(arguments: &[&str]) {
    let shown = Command::new(env!("CARGO_BIN_EXE_tallyline")).args(arguments).arg("--help").output().unwrap();
    assert!(shown.status.success(), "{arguments:?}: {}", text(&shown));
}

/// `TALLYLINE_AREA__KEY` and `TALLYLINE_AREA__KEY_FILE` name a key that there is.
fn assert_known(variable: &str, place: &str) {
    let keys = keys();
    let named = variable.strip_prefix("TALLYLINE_").and_then(|it| it.split_once("__"));
    let (area, key) = named.unwrap_or_else(|| panic!("{place}: {variable} names no key"));
    let (area, key) = (area.to_lowercase(), key.to_lowercase());
    let known = |key: &str| keys.get(&area).and_then(|it| it.get(key)).is_some();
    assert!(
        known(&key) || key.strip_suffix("_file").is_some_and(known),
        "{place}: {variable} is no key of config.toml"
    );
}

const UNIT: &str = "deploy/systemd/tallyline.service";

/// The values of one key of the unit, in order.
fn unit_values(key: &str) -> Vec<String> {
    let prefix = format!("{key}=");
    read(UNIT).lines().filter_map(|line| Some(line.strip_prefix(&prefix)?.to_owned())).collect()
}

/// Breaks to try: a flag that there is not in ExecStart; a misspelt key in Environment; TimeoutStopSec=30.
#[test]
fn the_unit_starts_what_there_is_and_waits_long_enough_for_its_end() {
    let start = unit_values("ExecStart").concat();
    let words: Vec<&str> = start.split_whitespace().collect();
    assert_eq!(words[0], "/usr/bin/tallyline");
    assert_understood(&words[1..]);
    for variable in unit_values("Environment") {
        assert_known(variable.split_once('=').unwrap().0, UNIT);
    }
    assert_eq!(unit_values("Type"), ["notify"]);
    let seconds = |key: &str| unit_values(key).concat().parse::<i64>().unwrap();
    assert!(seconds("TimeoutStopSec") > gone_after(), "systemd kills it before it has stopped");
    assert!(seconds("WatchdogSec") >= 15, "the process looks every five seconds");
    for credential in unit_values("LoadCredential") {
        let (name, file) = credential.split_once(':').unwrap();
        assert!(file.starts_with("/etc/tallyline/"), "{credential}");
        let used = unit_values("Environment").iter().any(|it| it.ends_with(&format!("=%d/{name}")));
        assert!(used, "{name} is loaded and not used");
    }
}

fn systemd_analyze(arguments: &[&str]) -> Option<Output> {
    Command::new("systemd-analyze").args(arguments).output().ok()
}

/// Where systemd is not installed there is nobody to ask.
///
/// Break to try: a misspelt directive.
#[test]
fn systemd_itself_takes_the_unit_and_calls_it_well_enclosed() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("tallyline.service");
    // It wants to see the program.
    fs::write(&unit, read(UNIT).replace("/usr/bin/tallyline", env!("CARGO_BIN_EXE_tallyline"))).unwrap();
    let unit = unit.to_str().unwrap();
    let Some(verified) = systemd_analyze(&["verify", unit]) else { return };
    let said = text(&verified);
    assert!(verified.status.success() && !said.contains("tallyline.service"), "{said}");
    let Some(judged) = systemd_analyze(&["security", "--offline=true", "--threshold=20", "--no-pager", unit]) else {
        return;
    };
    assert!(judged.status.success(), "exposure of more than 2.0:\n{}", text(&judged));
}

#[test]
fn the_package_configures_keys_that_there_are() {
    let (keys, ours) = (keys(), read("deploy/debian/config.toml").parse::<Table>().unwrap());
    for (area, table) in &ours {
        for key in table.as_table().unwrap().keys() {
            assert!(keys.get(area).and_then(|it| it.get(key)).is_some(), "deploy/debian/config.toml: {area}.{key}");
        }
    }
    let manifest = read("Cargo.toml").parse::<Table>().unwrap();
    let deb = manifest["package"]["metadata"]["deb"].as_table().unwrap();
    for asset in deb["assets"].as_array().unwrap() {
        let source = asset[0].as_str().unwrap();
        let found = source.starts_with("target/") || root().join(source.split("/*").next().unwrap()).exists();
        assert!(found, "Cargo.toml: there is no {source}");
    }
    // cargo-deb puts what enables, starts and stops the unit here.
    assert!(read("deploy/debian/postinst").contains("\n#DEBHELPER#\n"));
}

/// Breaks to try: the account taken out; a health check of a command that there is not.
#[test]
fn the_image_runs_as_nobody_and_asks_the_program_for_its_health() {
    let file = read("deploy/Dockerfile").replace("\\\n", " ");
    let instruction = |name: &str| -> Vec<String> {
        file.lines().filter_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).collect()
    };
    assert_eq!(instruction("FROM").len(), 2, "the compiler stays out of the image");
    let user = instruction("USER").pop().unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "USER {user}");
    let words = |json: &str| -> Vec<String> { serde_json::from_str(json).unwrap() };
    let healthcheck = instruction("HEALTHCHECK").pop().unwrap();
    let command = words(healthcheck.split_once(" CMD ").unwrap().1);
    assert_eq!(command[0], "/usr/bin/tallyline");
    assert_understood(&[&command[1]]);
    assert_understood(&[&words(&instruction("CMD").pop().unwrap())[0]]);
    for variable in instruction("ENV").iter().flat_map(|line| line.split_whitespace()) {
        assert_known(variable.split_once('=').unwrap().0, "deploy/Dockerfile");
    }
}

const COMPOSE: &str = "deploy/compose/compose.yaml";

/// A key of a service, its own or that of the block which it merges.
fn of<'a>(service: &'a Yaml<'a>, key: &str) -> Option<&'a Yaml<'a>> {
    service.as_mapping_get(key).or_else(|| service.as_mapping_get("<<")?.as_mapping_get(key))
}

fn strings<'a>(list: Option<&'a Yaml<'a>>) -> Vec<&'a str> {
    list.and_then(|it| it.as_sequence()).into_iter().flatten().filter_map(|it| it.as_str()).collect()
}

fn names<'a>(mapping: Option<&'a Yaml<'a>>) -> BTreeSet<&'a str> {
    mapping.and_then(|it| it.as_mapping()).into_iter().flatten().filter_map(|(key, _)| key.as_str()).collect()
}

/// Breaks to try: a mounted file renamed; a misspelt key; stop_grace_period of 20 s; an undeclared volume.
#[test]
fn the_compose_file_mounts_what_there_is_and_sets_keys_that_there_are() {
    let source = read(COMPOSE);
    let documents = Yaml::load_from_str(&source).unwrap();
    let file = &documents[0];
    let (services, volumes) = (names(file.as_mapping_get("services")), names(file.as_mapping_get("volumes")));
    assert!(services.is_superset(&BTreeSet::from(["database", "tallyline", "prometheus", "grafana"])));
    for name in &services {
        let service = file.as_mapping_get("services").unwrap().as_mapping_get(name).unwrap();
        for variable in names(of(service, "environment")).into_iter().filter(|it| it.contains("__")) {
            assert_known(variable, COMPOSE);
        }
        for mount in strings(of(service, "volumes")) {
            let source = mount.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(mounted(source), "{COMPOSE}: there is no {source}");
            } else {
                assert!(volumes.contains(source), "{COMPOSE}: volume {source} is not declared");
            }
        }
        let depends = of(service, "depends_on");
        let on: BTreeSet<&str> = names(depends).into_iter().chain(strings(depends)).collect();
        assert!(on.is_subset(&services), "{name} depends on {on:?}");
        if of(service, "image").and_then(|it| it.as_str()) == Some("tallyline") {
            assert_understood(&strings(of(service, "command")));
        }
    }
    let daemon = file.as_mapping_get("services").unwrap().as_mapping_get("tallyline").unwrap();
    let grace =
        of(daemon, "stop_grace_period").unwrap().as_str().unwrap().trim_end_matches('s').parse::<i64>().unwrap();
    assert!(grace > gone_after(), "it is killed before it has stopped");
}

/// Relative to the compose file, as compose reads it. Rules and boards are made apart.
fn mounted(source: &str) -> bool {
    let apart = ["prometheus", "grafana"].into_iter().find(|it| source.starts_with(&format!("../{it}/")));
    if apart.is_some_and(|it| !root().join("deploy").join(it).exists()) {
        return true;
    }
    root().join("deploy/compose").join(source).exists()
}

/// Break to try: a variable taken out of env.example.
#[test]
fn what_the_compose_file_asks_for_is_in_the_example() {
    let source = read(COMPOSE);
    let asked: BTreeSet<&str> = source
        .split("${")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap())
        .collect();
    let example = read("deploy/compose/env.example");
    let given: BTreeSet<&str> = example.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(asked, given);
}

#[test]
fn every_yaml_file_is_yaml() {
    let mut directories = vec![root().join("deploy")];
    let mut read: Vec<PathBuf> = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|it| it == "yml" || it == "yaml") {
                let text = fs::read_to_string(&path).unwrap();
                Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                read.push(path);
            }
        }
    }
    assert!(read.len() >= 3, "{read:?}");
}
