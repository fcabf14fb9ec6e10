//! Checks of the configuration, by itself and against what the database holds.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use tallyline_jobs::settings::{self, Settings};

use super::{About, Check, some};
use crate::config::{self, Config, Loaded};

const NAMES: About = About {
    name: "config",
    looks_at: "keys and types of the file, the environment and the options",
    meaning: "the daemon does not start; what is wrong here is left out of this report",
};
const RANGES: About = About {
    name: "config-ranges",
    looks_at: "that values make sense, by themselves and together",
    meaning: "the daemon does not start",
};
const VARIABLES: About = About {
    name: "environment",
    looks_at: "variables that begin with TALLYLINE_ and are no keys",
    meaning: "they set nothing: a key has two underscores between area and name",
};
const LISTEN: About = About {
    name: "listen-address",
    looks_at: "that http.listen is free, or served by a daemon",
    meaning: "the daemon cannot start, and providers reach another program",
};
const LOGIN: About = About {
    name: "login",
    looks_at: "that nobody is let in without signing in, but on this machine",
    meaning: "whoever can reach the address would read every tenant and change everything",
};
const HTTPS: About = About {
    name: "https",
    looks_at: "that passwords, sessions and webhooks travel encrypted",
    meaning: "passwords, sessions and providers' secrets can be read on their way",
};
const ORIGIN: About = About {
    name: "public-origin",
    looks_at: "http.public_origin, where Twilio sends to endpoints",
    meaning: "Twilio signs the address that it was told; without it every webhook of Twilio is refused with 401",
};
const SETTINGS: About = About {
    name: "settings",
    looks_at: "rows of system_config",
    meaning: "the row is not in force: the value before it, or the default, is",
};
const SCHEDULES: About = About {
    name: "schedules-known",
    looks_at: "that the database has the schedules of the configuration",
    meaning: "what runs by the clock does not: no scheduler has run with this configuration",
};

/// Those that need the database.
pub(super) const OF_DATA: [About; 3] = [ORIGIN, SETTINGS, SCHEDULES];

/// What can be said without a database.
pub(super) async fn checks(loaded: &Loaded) -> Vec<Check> {
    let config = &loaded.config;
    let told = |problems: Vec<config::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let names = told(loaded.problems.clone());
    let ranges = told(config::ranges(config));
    let check_command = match &loaded.file {
        Some(file) => format!("tallyline config check {}", file.display()),
        None => "tallyline config check".to_owned(),
    };
    vec![
        match names.is_empty() {
            true => NAMES.ok(loaded.file.as_ref().map_or("no file; defaults".to_owned(), |f| f.display().to_string())),
            false => NAMES.problem(some(&names), check_command.clone()),
        },
        match ranges.is_empty() {
            true => RANGES.ok("every value makes sense"),
            false => RANGES.problem(some(&ranges), check_command),
        },
        match loaded.strange_variables.as_slice() {
            [] => VARIABLES.ok("none"),
            names => VARIABLES.warning(some(names), "tallyline config show --origin"),
        },
        listen(config).await,
        match config::exposure(config).first() {
            None => LOGIN.ok(if config.dashboard.login { "asked for" } else { "this machine only" }),
            Some(problem) => LOGIN.problem(problem.to_string(), "TALLYLINE_DASHBOARD__LOGIN=true tallyline run"),
        },
        https(config),
    ]
}

fn https(config: &Config) -> Check {
    let loopback = SocketAddr::from_str(&config.http.listen).map_or(true, |address| address.ip().is_loopback());
    let origin = config.public_origin();
    match (origin.starts_with("https://"), loopback) {
        (true, _) => HTTPS.ok(origin),
        (false, true) => HTTPS.not_applicable("this machine only"),
        (false, false) => HTTPS.warning(
            format!("http.listen is {} and http.public_origin is {origin}", config.http.listen),
            "TALLYLINE_HTTP__PUBLIC_ORIGIN=https://calls.example.com tallyline run",
        ),
    }
}

async fn listen(config: &Config) -> Check {
    let address = &config.http.listen;
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => return LISTEN.ok(format!("{address} is free: no daemon runs here")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
        Err(error) => {
            return LISTEN.problem(format!("{address}: {error}"), "tallyline run --listen 127.0.0.1:8080");
        }
    }
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build();
    let alive = match client {
        Ok(client) => client.get(format!("http://{address}/livez")).send().await,
        Err(error) => Err(error),
    };
    match alive {
        Ok(answer) if answer.status().is_success() => LISTEN.ok(format!("a daemon answers on {address}")),
        _ => LISTEN.problem(
            format!("{address} is taken by a program that does not answer as a daemon does"),
            "tallyline run --listen 127.0.0.1:8081",
        ),
    }
}

/// What can be said of the configuration and the database together.
pub(super) async fn against_data(config: &Config, pool: &PgPool) -> Vec<Check> {
    vec![
        public_origin(config, pool).await.unwrap_or_else(|error| ORIGIN.unknown(error)),
        unusable_settings(pool).await.unwrap_or_else(|error| SETTINGS.unknown(error)),
        unknown_schedules(config, pool).await.unwrap_or_else(|error| SCHEDULES.unknown(error)),
    ]
}

async fn public_origin(config: &Config, pool: &PgPool) -> Result<Check, sqlx::Error> {
    if !config.http.public_origin.is_empty() {
        return Ok(ORIGIN.ok(config.public_origin()));
    }
    let endpoints: i64 =
        sqlx::query_scalar(include_str!("../../sql/doctor/twilio_endpoints.sql")).fetch_one(pool).await?;
    Ok(match endpoints {
        0 => ORIGIN.not_applicable("Twilio has no endpoint here"),
        n => ORIGIN.warning(
            format!("not set, so {} is taken for it; {n} endpoints of Twilio", config.public_origin()),
            "TALLYLINE_HTTP__PUBLIC_ORIGIN=https://calls.example.com tallyline run",
        ),
    })
}

async fn unusable_settings(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let (_, rejected) = settings::read(pool, &Settings::default()).await?;
    let Some(first) = rejected.first() else { return Ok(SETTINGS.ok("every row is in force")) };
    // A key is free text: what a shell would take for more than a word is not repeated in a command.
    let plain = first.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let key = if plain { first.key.as_str() } else { "KEY" };
    let told: Vec<String> = rejected.iter().map(|row| format!("{}: {}", row.key, row.reason)).collect();
    Ok(SETTINGS.warning(some(&told), format!("tallyline settings unset {key}")))
}

async fn unknown_schedules(config: &Config, pool: &PgPool) -> Result<Check, sqlx::Error> {
    let known: Vec<String> = sqlx::query_scalar("SELECT name FROM tally.schedules").fetch_all(pool).await?;
    let missing: Vec<String> =
        config.schedule.iter().map(|schedule| schedule.name.clone()).filter(|name| !known.contains(name)).collect();
    Ok(match missing.is_empty() {
        true => SCHEDULES.ok(format!("{} schedules", config.schedule.len())),
        false => SCHEDULES.warning(some(&missing), "tallyline run --roles scheduler"),
    })
}
