//! `tallyline doctor`: looks at everything that an installation rests on, says
//! what each finding means, and names the command that mends it. It changes
//! nothing, and goes on after failures.

pub mod bundle;
mod configuration;
mod places;
mod rules;
mod schema;
mod screen;
mod secrets;
pub mod server;

use serde::Serialize;
use sqlx::PgPool;

use crate::config::{Config, Loaded};
use crate::daemon;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// There is nothing of the kind here, or what it needs could not be reached.
    NotApplicable,
    /// Worth a look; nothing is wrong or lost yet.
    Warning,
    Problem,
}

/// What a check is about; the same at every run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) looks_at: &'static str,
    /// What it means when it is not as it should be.
    pub(crate) meaning: &'static str,
}

/// One check with its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub looks_at: &'static str,
    pub state: State,
    pub finding: String,
    /// What the finding means; empty when all is well.
    pub meaning: &'static str,
    /// The command that mends it.
    pub mend: Option<String>,
}

impl About {
    fn end(&self, state: State, finding: String, mend: Option<String>) -> Check {
        let is_bad = matches!(state, State::Warning | State::Problem);
        let meaning = if is_bad { self.meaning } else { "" };
        Check { name: self.name, looks_at: self.looks_at, state, finding, meaning, mend }
    }

    fn ok(&self, finding: impl Into<String>) -> Check {
        self.end(State::Ok, finding.into(), None)
    }

    fn not_applicable(&self, why: impl Into<String>) -> Check {
        self.end(State::NotApplicable, why.into(), None)
    }

    fn warning(&self, finding: impl Into<String>, mend: impl Into<String>) -> Check {
        self.end(State::Warning, finding.into(), Some(mend.into()))
    }

    fn problem(&self, finding: impl Into<String>, mend: impl Into<String>) -> Check {
        self.end(State::Problem, finding.into(), Some(mend.into()))
    }

    /// Of a check that could not be made.
    fn unknown(&self, why: impl std::fmt::Display) -> Check {
        let mend = Some("tallyline doctor --json".to_owned());
        Check { mend, ..self.end(State::Warning, format!("could not be looked at: {why}"), None) }
    }
}

/// From when on something is worth a word. Ages in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of a transaction, which holds rows back from being vacuumed.
    pub transaction_seconds: f64,
    /// Of events and marks that wait.
    pub lag_seconds: f64,
    /// Of a job that is due.
    pub job_seconds: f64,
    /// Past a job's deadline, past a schedule's time.
    pub late_seconds: f64,
    /// Since the KPI view was refreshed, since a cache expired.
    pub view_seconds: f64,
    /// Since everything was verified.
    pub verify_seconds: f64,
    /// That a previous secret is still good for; that a token is still good for.
    pub expiry_seconds: f64,
    /// Dead rows of a table whose rows come and go.
    pub dead_rows: f64,
    /// Between the clock of the database and ours.
    pub clock_seconds: f64,
    /// On a disk that we write to.
    pub free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: f64 = 86_400.0;
        Limits {
            transaction_seconds: 300.0,
            lag_seconds: 300.0,
            job_seconds: 900.0,
            late_seconds: 300.0,
            view_seconds: 7_200.0,
            verify_seconds: 3.0 * DAY,
            expiry_seconds: 7.0 * DAY,
            dead_rows: 200_000.0,
            clock_seconds: 5.0,
            free_bytes: 1 << 30,
        }
    }
}

/// Everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub version: &'static str,
    pub database_reachable: bool,
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether anything is a problem; warnings are none.
    pub fn has_problems(&self) -> bool {
        self.checks.iter().any(|check| check.state == State::Problem)
    }
}

/// A database to look at, or why there is none.
#[derive(Debug, Clone)]
pub enum Target {
    /// A URL, of a server that may not answer.
    Url(String),
    /// An embedded server that does not run.
    NotRunning,
}

const DATABASE: About = About {
    name: "database",
    looks_at: "that the database answers, as the account that the daemon uses",
    meaning: "nothing is counted and pages show nothing; webhooks wait in the spool, or are refused with 503",
};
const ROLES: About = About {
    name: "roles",
    looks_at: "that the account may work as tallyline_worker",
    meaning: "the daemon does not start",
};

/// Looks at everything.
pub async fn run(loaded: &Loaded, target: &Target, limits: &Limits) -> Report {
    let config = &loaded.config;
    let mut checks = configuration::checks(loaded).await;
    checks.extend(places::checks(config, limits).await);
    let connection = connect(target).await;
    let database_reachable = connection.is_ok();
    match connection {
        Ok((url, plain)) => {
            checks.push(DATABASE.ok("answers"));
            look_inside(loaded, &url, plain, limits, &mut checks).await;
        }
        Err((why, mend)) => {
            checks.push(DATABASE.problem(why, mend));
            let why = "the database cannot be reached";
            checks.push(ROLES.not_applicable(why));
            checks.extend(server::none(why).into_iter().chain(schema::none(why)).chain(none_of_data(why)));
        }
    }
    Report { version: env!("CARGO_PKG_VERSION"), database_reachable, checks }
}

/// A session of the account as it logs in, or why there is none and what to do.
async fn connect(target: &Target) -> Result<(String, sqlx::PgConnection), (String, String)> {
    use sqlx::ConnectOptions as _;
    let Target::Url(url) = target else {
        return Err(("the embedded server does not run".to_owned(), "tallyline db start".to_owned()));
    };
    let failed = |error: sqlx::Error| (error.to_string(), "psql \"$DATABASE_URL\" -c 'SELECT 1'".to_owned());
    let options: sqlx::postgres::PgConnectOptions = url.parse().map_err(failed)?;
    let options = options.application_name("tallyline doctor").options([("statement_timeout", "20s")]);
    let within = std::time::Duration::from_secs(10);
    match tokio::time::timeout(within, options.connect()).await {
        Ok(connected) => connected.map(|connection| (url.clone(), connection)).map_err(failed),
        Err(_) => Err(failed(sqlx::Error::PoolTimedOut)),
    }
}

async fn look_inside(
    loaded: &Loaded,
    url: &str,
    mut plain: sqlx::PgConnection,
    limits: &Limits,
    checks: &mut Vec<Check>,
) {
    let config = &loaded.config;
    let pool = match daemon::connect(config, url).await {
        Ok(pool) => {
            checks.push(ROLES.ok("the account works as tallyline_worker"));
            Some(pool)
        }
        Err(error) => {
            checks.push(ROLES.problem(error.to_string(), "tallyline migrate"));
            None
        }
    };
    checks.extend(server::checks(config, &mut plain, pool.as_ref(), limits).await);
    let Some(pool) = pool else {
        let why = "the account may not work as tallyline_worker";
        checks.extend(schema::none(why).into_iter().chain(none_of_data(why)));
        return;
    };
    let (of_schema, is_ours) = schema::checks(url, &mut plain, &pool).await;
    checks.extend(of_schema);
    match is_ours {
        true => checks.extend(look_at_data(loaded, &pool, limits).await),
        false => checks.extend(none_of_data("the schema is not the one of this program")),
    }
    pool.close().await;
}

async fn look_at_data(loaded: &Loaded, pool: &PgPool, limits: &Limits) -> Vec<Check> {
    let config = &loaded.config;
    let mut checks = configuration::against_data(config, pool).await;
    checks.push(secrets::opens(config, pool).await);
    for rule in &rules::RULES {
        checks.push(rule.look(pool, config, limits).await);
    }
    checks
}

fn none_of_data(why: &str) -> Vec<Check> {
    let of_rules = rules::RULES.iter().map(|rule| &rule.about);
    let others = configuration::OF_DATA.iter().chain([&secrets::OPENS]);
    others.chain(of_rules).map(|about| about.not_applicable(why)).collect()
}

/// At most three, and how many more.
fn some(findings: &[String]) -> String {
    let shown = findings.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    match findings.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Whether the embedded database is meant.
fn is_embedded(config: &Config) -> bool {
    config.database.url.is_empty()
}
