//! Lists of jobs, a page at a time.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::QueueError;

/// Attempts that one page looks at, whether they match or not: what a list
/// costs does not grow with the history.
const LOOK: i64 = 20_000;

/// Which jobs are listed. Live ones and dead letters are listed by job, the
/// others by attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waiting, delayed or running.
    Live,
    /// Due.
    Waiting,
    /// Not due yet, retries among them.
    Delayed,
    /// Being run.
    Running,
    /// Dead letters.
    Dead,
    /// Attempts that ended with this outcome.
    Ended(&'static str),
}

/// Outcomes of attempts that did not succeed and left no dead letter.
const OUTCOMES: [&str; 6] = ["failed", "interrupted", "snoozed", "lost", "cancelled", "discarded"];
const SUCCEEDED: &str = "succeeded";

impl State {
    /// The words for states, as they are read and written.
    pub const WORDS: [&str; 12] = [
        "live",
        "waiting",
        "delayed",
        "running",
        "dead",
        SUCCEEDED,
        "failed",
        "interrupted",
        "snoozed",
        "lost",
        "cancelled",
        "discarded",
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Delayed => "delayed",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Ended(outcome) => outcome,
        }
    }

    /// Whether the list comes out of the history, and needs a bound of time.
    #[must_use]
    pub const fn is_history(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

/// A word that is no state.
#[derive(Debug, thiserror::Error)]
#[error("states are {}", State::WORDS.join(", "))]
pub struct NoState;

impl FromStr for State {
    type Err = NoState;

    fn from_str(word: &str) -> Result<Self, NoState> {
        Ok(match word {
            "live" => Self::Live,
            "waiting" => Self::Waiting,
            "delayed" => Self::Delayed,
            "running" => Self::Running,
            "dead" => Self::Dead,
            _ => {
                let mut outcomes = OUTCOMES.into_iter().chain([SUCCEEDED]);
                Self::Ended(outcomes.find(|outcome| *outcome == word).ok_or(NoState)?)
            }
        })
    }
}

/// What is to be listed.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Which jobs.
    pub state: State,
    /// Of this kind only.
    pub kind: Option<String>,
    /// Of this queue only.
    pub queue: Option<String>,
    /// Of this tenant only.
    pub tenant: Option<Uuid>,
    /// Live jobs enqueued, dead letters that died, attempts that ended since.
    /// The history has to have a bound.
    pub since: DateTime<Utc>,
    /// Whether `since` holds for live jobs and dead letters, too.
    pub since_for_all: bool,
    /// Lines of a page.
    pub limit: i64,
    /// Where the page begins: what the page before it gave as `next`.
    pub before: Option<String>,
}

/// One line: a job, or an attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobLine {
    /// Id of the job.
    pub job_id: i64,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// The tenant it belongs to.
    pub tenant: Option<Uuid>,
    /// State of the job, or outcome of the attempt.
    pub state: String,
    /// Attempts begun, or number of this one.
    pub attempt: i32,
    /// Attempts before it becomes a dead letter; `None` for lines of history.
    pub max_attempts: Option<i32>,
    /// Due, started, ended, died: by its state.
    pub at: DateTime<Utc>,
    /// When it was enqueued.
    pub queued_at: DateTime<Utc>,
    /// Run time of the handler in milliseconds.
    pub duration_ms: Option<i64>,
    /// What went wrong, last.
    pub error: Option<String>,
    /// Label of the process that runs or ran it, while its lease is known.
    pub process: Option<String>,
    /// Number of the claim, or of the dead letter: where a page ends.
    #[serde(skip)]
    claim: i64,
}

/// One page.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// The lines, newest first.
    pub jobs: Vec<JobLine>,
    /// The bound of time; `None` when there is none.
    pub since: Option<DateTime<Utc>>,
    /// `before` of the next page; `None` when this is the last.
    pub next: Option<String>,
    /// Attempts that were looked at when that is why the page ends.
    pub looked_at: Option<i64>,
}

/// A place in a list: newest first, everything below is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Below this job or letter.
    Id(i64),
    /// Below this claim of this job.
    Claim(i64, i64),
    /// Below this claim, which ended at this time.
    Ended(DateTime<Utc>, i64, i64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Claim(job, claim) => write!(f, "{job}.{claim}"),
            Self::Ended(at, job, claim) => write!(f, "{}.{job}.{claim}", at.timestamp_micros()),
        }
    }
}

impl Place {
    fn of(state: State, line: &JobLine) -> Self {
        match state {
            State::Ended(SUCCEEDED) => Self::Claim(line.job_id, line.claim),
            State::Ended(_) => Self::Ended(line.at, line.job_id, line.claim),
            // The number of the letter.
            State::Dead => Self::Id(line.claim),
            _ => Self::Id(line.job_id),
        }
    }

    /// Reads the place of a list of this state; `None` when it is of another.
    fn read(state: State, text: &str) -> Option<Self> {
        let numbers: Vec<i64> = text.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        match (state, numbers.as_slice()) {
            (State::Ended(SUCCEEDED), [job, claim]) => Some(Self::Claim(*job, *claim)),
            (State::Ended(SUCCEEDED), _) => None,
            (State::Ended(_), [micros, job, claim]) => {
                DateTime::from_timestamp_micros(*micros).map(|at| Self::Ended(at, *job, *claim))
            }
            (State::Ended(_), _) => None,
            (_, [id]) => Some(Self::Id(*id)),
            _ => None,
        }
    }
}

/// Reads a page.
///
/// # Errors
/// [`QueueError::Place`] when `before` belongs to another list,
/// [`QueueError::Database`].
pub async fn list(db: &mut PgConnection, listing: &Listing) -> Result<Page, QueueError> {
    let place = match &listing.before {
        Some(text) => Some(Place::read(listing.state, text).ok_or(QueueError::Place)?),
        None => None,
    };
    let jobs = match listing.state {
        State::Ended(SUCCEEDED) => succeeded(db, listing, place).await?,
        State::Ended(outcome) => ended(db, listing, outcome, place).await?,
        State::Dead => dead(db, listing, place).await?,
        _ => live(db, listing, place).await?,
    };
    let full = i64::try_from(jobs.len()).is_ok_and(|lines| lines >= listing.limit);
    let (next, looked_at) = match jobs.last() {
        Some(last) if full => (Some(Place::of(listing.state, last)), None),
        _ => {
            let reached = reach(db, listing, place).await?;
            (reached, reached.map(|_| LOOK))
        }
    };
    let bounded = listing.state.is_history() || listing.since_for_all;
    Ok(Page { jobs, since: bounded.then_some(listing.since), next: next.map(|place| place.to_string()), looked_at })
}

async fn live(db: &mut PgConnection, l: &Listing, place: Option<Place>) -> Result<Vec<JobLine>, sqlx::Error> {
    let state = (l.state != State::Live).then(|| l.state.as_str());
    let since = l.since_for_all.then_some(l.since);
    sqlx::query_file_as!(
        JobLine,
        "../../sql/queue/jobs_live.sql",
        state,
        l.kind.as_deref(),
        l.queue.as_deref(),
        l.tenant,
        since,
        id_of(place),
        l.limit
    )
    .fetch_all(db)
    .await
}

async fn dead(db: &mut PgConnection, l: &Listing, place: Option<Place>) -> Result<Vec<JobLine>, sqlx::Error> {
    let since = l.since_for_all.then_some(l.since);
    sqlx::query_file_as!(
        JobLine,
        "../../sql/queue/jobs_dead.sql",
        l.kind.as_deref(),
        l.queue.as_deref(),
        l.tenant,
        since,
        id_of(place),
        l.limit
    )
    .fetch_all(db)
    .await
}

async fn ended(
    db: &mut PgConnection,
    l: &Listing,
    outcome: &str,
    place: Option<Place>,
) -> Result<Vec<JobLine>, sqlx::Error> {
    let (at, job, claim) = ended_below(place);
    sqlx::query_file_as!(
        JobLine,
        "../../sql/queue/jobs_ended.sql",
        outcome,
        l.kind.as_deref(),
        l.queue.as_deref(),
        l.tenant,
        l.since,
        at,
        job,
        claim,
        LOOK,
        l.limit,
    )
    .fetch_all(db)
    .await
}

async fn succeeded(db: &mut PgConnection, l: &Listing, place: Option<Place>) -> Result<Vec<JobLine>, sqlx::Error> {
    let (job, claim) = claim_below(place);
    sqlx::query_file_as!(
        JobLine,
        "../../sql/queue/jobs_succeeded.sql",
        l.kind.as_deref(),
        l.queue.as_deref(),
        l.tenant,
        l.since,
        job,
        claim,
        LOOK,
        l.limit,
    )
    .fetch_all(db)
    .await
}

/// Where a page ends that found less than it might: after so many attempts, or
/// nowhere since there are no more.
async fn reach(db: &mut PgConnection, l: &Listing, place: Option<Place>) -> Result<Option<Place>, sqlx::Error> {
    match l.state {
        State::Ended(SUCCEEDED) => {
            let (job, claim) = claim_below(place);
            let row = sqlx::query_file!("../../sql/queue/jobs_succeeded_reach.sql", job, claim, LOOK)
                .fetch_optional(db)
                .await?;
            Ok(row.map(|row| Place::Claim(row.job_id, row.claim)))
        }
        State::Ended(_) => {
            let (at, job, claim) = ended_below(place);
            let row = sqlx::query_file!("../../sql/queue/jobs_ended_reach.sql", l.since, at, job, claim, LOOK)
                .fetch_optional(db)
                .await?;
            Ok(row.map(|row| Place::Ended(row.finished_at, row.job_id, row.claim)))
        }
        _ => Ok(None),
    }
}

fn id_of(place: Option<Place>) -> Option<i64> {
    match place {
        Some(Place::Id(id)) => Some(id),
        _ => None,
    }
}

fn claim_below(place: Option<Place>) -> (i64, i64) {
    match place {
        Some(Place::Claim(job, claim)) => (job, claim),
        _ => (i64::MAX, i64::MAX),
    }
}

fn ended_below(place: Option<Place>) -> (DateTime<Utc>, i64, i64) {
    match place {
        Some(Place::Ended(at, job, claim)) => (at, job, claim),
        // Later than any time that PostgreSQL writes here, and one that it can read.
        _ => (DateTime::from_timestamp(32_503_680_000, 0).unwrap_or(DateTime::UNIX_EPOCH), i64::MAX, i64::MAX),
    }
}
