//! Checks of the database server: its settings, its clock, its connections.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{FromRow, PgConnection, PgPool};

use super::{About, Check, Limits, some};
use crate::config::Config;

/// The oldest major version that the schema works with.
const OLDEST_VERSION_NUM: i32 = 150_000;

const VERSION: About = About {
    name: "server-version",
    looks_at: "that PostgreSQL is 15 or newer",
    meaning: "migrations fail: they use what 15 brought",
};
const ENCODING: About = About {
    name: "encoding",
    looks_at: "that the database stores UTF-8",
    meaning: "names and transcripts in other scripts cannot be stored",
};
const FSYNC: About = About {
    name: "fsync",
    looks_at: "that the server waits for its disk",
    meaning: "a loss of power can destroy the database, with webhooks that were answered 200",
};
const PAGES: About = About {
    name: "full-page-writes",
    looks_at: "that pages are written whole to the WAL",
    meaning: "a loss of power can leave half-written pages that nothing repairs",
};
const COMMIT: About = About {
    name: "synchronous-commit",
    looks_at: "that a COMMIT is on disk when it is answered",
    meaning: "a loss of power loses webhooks that were answered 200",
};
const CHECKSUMS: About = About {
    name: "data-checksums",
    looks_at: "that pages carry checksums",
    meaning: "a disk that returns other bytes than were written is not noticed",
};
const AUTOVACUUM: About = About {
    name: "autovacuum",
    looks_at: "that the server vacuums by itself",
    meaning: "tables whose rows come and go grow without end, and every claim of a job gets slower",
};
const CLOCK: About = About {
    name: "clock",
    looks_at: "the clock of the database beside ours",
    meaning: "sessions, tokens, leases and the hours of the day go by different clocks",
};
const LOGIN: About = About {
    name: "account",
    looks_at: "that the account that logs in is no superuser",
    meaning: "whoever learns database.url owns the server; row-level security binds the roles only",
};
const CONNECTIONS: About = About {
    name: "connections",
    looks_at: "connections that our processes may open, beside those the server allows",
    meaning: "under load processes wait for connections and webhooks are answered 503",
};
const PREPARED: About = About {
    name: "prepared-transactions",
    looks_at: "prepared transactions that nobody ends",
    meaning: "rows that are gone cannot be vacuumed away, for as long as they are there",
};
const SLOTS: About = About {
    name: "replication-slots",
    looks_at: "replication slots that nobody reads",
    meaning: "the server keeps all WAL since then, until the disk is full",
};

const ALL: [About; 12] =
    [VERSION, ENCODING, FSYNC, PAGES, COMMIT, CHECKSUMS, AUTOVACUUM, CLOCK, LOGIN, CONNECTIONS, PREPARED, SLOTS];

/// What the server says of itself.
#[derive(Debug, Clone, FromRow)]
pub struct Facts {
    /// Such as 150018.
    pub version_num: i32,
    pub encoding: String,
    pub fsync: bool,
    pub full_page_writes: bool,
    pub synchronous_commit: String,
    pub data_checksums: bool,
    pub autovacuum: bool,
    /// Since 1970, by the database's clock.
    pub clock_seconds: f64,
    pub login: String,
    pub login_is_superuser: bool,
    /// For accounts that are no superusers.
    pub connections_allowed: i32,
    pub connections_of_others: i64,
    /// Prepared transactions of this database, older than five minutes.
    pub prepared: Vec<String>,
    /// Slots that hold WAL and that nobody reads.
    pub idle_slots: Vec<String>,
}

/// What this process knows besides.
#[derive(Debug, Clone, Copy)]
pub struct Here {
    /// Since 1970, by our clock.
    pub clock_seconds: f64,
    /// Processes that work at present; at least the one that is looked at.
    pub processes: i64,
}

pub(super) fn none(why: &str) -> Vec<Check> {
    ALL.iter().map(|about| about.not_applicable(why)).collect()
}

pub(super) async fn checks(
    config: &Config,
    plain: &mut PgConnection,
    pool: Option<&PgPool>,
    limits: &Limits,
) -> Vec<Check> {
    let asked: Result<Facts, _> = sqlx::query_as(include_str!("../../sql/doctor/server.sql")).fetch_one(plain).await;
    match asked {
        Ok(facts) => judge(config, &facts, &here(pool).await, limits),
        Err(error) => ALL.iter().map(|about| about.unknown(&error)).collect(),
    }
}

#[expect(clippy::disallowed_methods, reason = "it is our own clock that is compared with the database's")]
async fn here(pool: Option<&PgPool>) -> Here {
    let count = sqlx::query_scalar("SELECT count(*) FROM tally.job_leases WHERE expires_at > now()");
    let processes: i64 = match pool {
        // Without the table there is no process either.
        Some(pool) => count.fetch_one(pool).await.unwrap_or(0),
        None => 0,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Here { clock_seconds: now.as_secs_f64(), processes: processes.max(1) }
}

/// The checks, from facts.
pub fn judge(config: &Config, facts: &Facts, here: &Here, limits: &Limits) -> Vec<Check> {
    let mut checks = settings(facts);
    let skew = facts.clock_seconds - here.clock_seconds;
    checks.push(match skew.abs() > limits.clock_seconds {
        true => CLOCK.warning(format!("{skew:+.1} s"), "timedatectl set-ntp true"),
        false => CLOCK.ok(format!("{skew:+.1} s")),
    });
    checks.push(match facts.login_is_superuser {
        true => LOGIN.warning(
            format!("{} is a superuser", facts.login),
            "PGOPTIONS='-c tallyline.login_role=tallyline' psql \"$DATABASE_URL\" -f sql/db/bootstrap_roles.sql",
        ),
        false => LOGIN.ok(facts.login.clone()),
    });
    checks.push(connections(config, facts, here));
    checks.push(match facts.prepared.is_empty() {
        true => PREPARED.ok("none for long"),
        false => PREPARED.warning(
            some(&facts.prepared),
            "psql \"$DATABASE_URL\" -c 'SELECT gid, prepared, owner FROM pg_prepared_xacts'",
        ),
    });
    checks.push(match facts.idle_slots.is_empty() {
        true => SLOTS.ok("none idle"),
        false => SLOTS.warning(
            some(&facts.idle_slots),
            "psql \"$DATABASE_URL\" -c 'SELECT slot_name, active, restart_lsn FROM pg_replication_slots'",
        ),
    });
    checks
}

fn settings(facts: &Facts) -> Vec<Check> {
    let (major, minor) = (facts.version_num / 10_000, facts.version_num % 10_000);
    let on = |about: &About, is_on: bool, parameter: &str| match is_on {
        true => about.ok("on"),
        false => about.problem("off", format!("psql \"$DATABASE_URL\" -c 'ALTER SYSTEM SET {parameter} = on'")),
    };
    // `local` and up wait for the disk of this server; `off` alone does not.
    let commits = facts.synchronous_commit != "off";
    vec![
        match facts.version_num >= OLDEST_VERSION_NUM {
            true => VERSION.ok(format!("{major}.{minor}")),
            false => VERSION.problem(format!("{major}.{minor}"), "pg_upgrade --help"),
        },
        match facts.encoding == "UTF8" {
            true => ENCODING.ok("UTF8"),
            false => {
                ENCODING.problem(facts.encoding.clone(), "createdb --encoding=UTF8 --template=template0 tallyline")
            }
        },
        on(&FSYNC, facts.fsync, "fsync"),
        on(&PAGES, facts.full_page_writes, "full_page_writes"),
        match commits {
            true => COMMIT.ok(facts.synchronous_commit.clone()),
            false => COMMIT.problem("off", "psql \"$DATABASE_URL\" -c 'ALTER SYSTEM SET synchronous_commit = on'"),
        },
        match facts.data_checksums {
            true => CHECKSUMS.ok("on"),
            false => CHECKSUMS.warning("off", "pg_checksums --enable --pgdata \"$PGDATA\""),
        },
        on(&AUTOVACUUM, facts.autovacuum, "autovacuum"),
    ]
}

fn connections(config: &Config, facts: &Facts, here: &Here) -> Check {
    // The receiver has its own, and so has the one that listens.
    let receiver = config.receiver.committers as i64 + 5;
    let ours = here.processes * (i64::from(config.database.max_connections) + receiver);
    let left = i64::from(facts.connections_allowed) - facts.connections_of_others;
    let finding = format!(
        "{} processes may open {ours}; {} are allowed, {} are others'",
        here.processes, facts.connections_allowed, facts.connections_of_others
    );
    match ours > left {
        true => {
            let each = (left / here.processes - receiver).max(2);
            CONNECTIONS.warning(finding, format!("TALLYLINE_DATABASE__MAX_CONNECTIONS={each} tallyline run"))
        }
        false => CONNECTIONS.ok(finding),
    }
}
