//! The inbox and its quarantine as operators look at them: every webhook as it
//! came, what became of it, and another try for those that could not be applied.
//!
//! Bodies are read only when somebody asks for the body of one webhook.

mod quarantine;
mod replay;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

pub use quarantine::{Held, HeldFilter, ReasonSum, held, held_by_reason, held_one};
pub use replay::{Became, Fate, Place, find, next, replay, top};

/// What has become of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be applied.
    Ready,
    /// Waits for the execution of its call.
    Waiting,
    /// Could not be applied.
    Quarantined,
    /// Done with: it is in a call, or was given up when its time in quarantine was over.
    Applied,
}

impl State {
    /// How each is written, in the order of the variants.
    pub const WORDS: [&str; 4] = ["ready", "waiting", "quarantined", "applied"];

    /// The state of that name.
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Ready, Self::Waiting, Self::Quarantined, Self::Applied];
        Self::WORDS.iter().zip(all).find_map(|(known, state)| (*known == word).then_some(state))
    }
}

/// Which webhooks, and how many.
#[derive(Debug, Clone)]
pub struct Filter {
    /// In any state when `None`.
    pub state: Option<State>,
    pub tenant: Option<Uuid>,
    /// Such as `bolna`.
    pub provider: Option<String>,
    /// Received not before this …
    pub from: DateTime<Utc>,
    /// … and before that.
    pub until: DateTime<Utc>,
    /// Only ids below this one.
    pub before: i64,
    pub limit: i64,
}

/// A webhook in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub id: i64,
    pub tenant: Uuid,
    pub provider: String,
    pub endpoint: String,
    pub received_at: DateTime<Utc>,
    /// Of its body; `None` once that is past its retention.
    pub bytes: Option<i32>,
    pub state: String,
    /// Why it is in quarantine.
    pub reason: Option<String>,
}

/// Webhooks of the inbox, the newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(conn: &mut PgConnection, filter: &Filter) -> Result<Vec<Row>, sqlx::Error> {
    let Filter { tenant, from, until, before, limit, .. } = *filter;
    let provider = filter.provider.as_deref();
    match filter.state {
        None | Some(State::Applied) => {
            let only_applied = filter.state.is_some();
            sqlx::query_file_as!(Row, "sql/inbox/all.sql", tenant, provider, from, until, before, limit, only_applied)
                .fetch_all(conn)
                .await
        }
        Some(State::Quarantined) => {
            sqlx::query_file_as!(Row, "sql/inbox/held.sql", tenant, provider, from, until, before, limit)
                .fetch_all(conn)
                .await
        }
        Some(state) => {
            let word = State::WORDS[state as usize];
            sqlx::query_file_as!(Row, "sql/inbox/pending.sql", tenant, provider, from, until, before, limit, word)
                .fetch_all(conn)
                .await
        }
    }
}

/// All that is known of one webhook.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    pub id: i64,
    pub tenant: Uuid,
    pub provider: String,
    pub endpoint: String,
    pub received_at: DateTime<Utc>,
    pub bytes: Option<i32>,
    pub state: String,
    /// Of the body, in hex; it stays when the body goes.
    pub sha256: String,
    /// Those that help to explain it; none holds a secret.
    pub headers: serde_json::Value,
    /// Times that it was begun alone and not ended.
    pub claims: Option<i32>,
    /// The CallSid that it waits for.
    pub waits_for: Option<String>,
    /// When it is tried next.
    pub not_before: Option<DateTime<Utc>>,
    pub quarantine_id: Option<i64>,
    pub reason: Option<String>,
    pub detail: Option<String>,
    /// What would bring it out of quarantine: an agent, a CallSid, an execution.
    pub held_for: Option<String>,
    pub held_since: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub body: Option<Vec<u8>>,
}

/// One webhook, its body only when asked for; `None` when there is none of that id.
///
/// # Errors
/// When the database cannot be asked.
pub async fn show(conn: &mut PgConnection, id: i64, with_body: bool) -> Result<Option<Details>, sqlx::Error> {
    sqlx::query_file_as!(Details, "sql/inbox/show.sql", id, with_body).fetch_optional(conn).await
}
