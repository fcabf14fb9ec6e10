//! One group of distinct events, one statement, one COMMIT.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::connection::Borrowed;
use super::group_commit::NewEvent;

/// Why a group was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The database refuses the data of an event in the group. Only the class of
    /// the error is kept: its text may quote the data.
    #[error("the database refuses the data (SQLSTATE {0})")]
    Data(String),
    #[error("{0}")]
    Database(sqlx::Error),
    #[error("no COMMIT in time")]
    TooSlow,
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.code()) {
            Some(code) if is_final(&code) => Self::Data(code.into_owned()),
            _ => Self::Database(error),
        }
    }
}

/// Whether the database refuses the data, and not the circumstances.
pub fn is_about_data(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| is_final(&code))
}

/// Data exception, constraint violation, program limit exceeded: trying the same
/// again cannot help. Everything else may pass.
fn is_final(sqlstate: &str) -> bool {
    ["22", "23", "54"].iter().any(|class| sqlstate.starts_with(class))
}

/// Writes `events`, which are distinct and in the order of their keys; answers
/// for each whether it is new. Returns after the COMMIT.
///
/// # Errors
/// When the database refuses the data, is away, or took until `until`; then it
/// is not known whether the group was written.
pub async fn write(pool: &PgPool, events: &[&NewEvent], until: Instant) -> Result<Vec<bool>, WriteError> {
    let writing = async {
        let mut borrowed = Borrowed::from(pool).await?;
        let written = store(borrowed.get(), events).await;
        borrowed.done();
        written
    };
    Ok(timeout_at(until, writing).await.map_err(|_| WriteError::TooSlow)??)
}

/// The same on the caller's connection, and in its transaction if there is one.
///
/// # Errors
/// When the database refuses the data or is away.
pub async fn store(connection: &mut PgConnection, events: &[&NewEvent]) -> Result<Vec<bool>, sqlx::Error> {
    let user_ids: Vec<Uuid> = events.iter().map(|event| event.user_id).collect();
    let providers: Vec<&str> = events.iter().map(|event| event.provider.as_str()).collect();
    let endpoints: Vec<&str> = events.iter().map(|event| &*event.endpoint).collect();
    let hashes: Vec<&[u8]> = events.iter().map(|event| event.body_sha256.as_slice()).collect();
    let bodies: Vec<&[u8]> = events.iter().map(|event| &*event.body).collect();
    let headers: Vec<&str> = events.iter().map(|event| event.headers.as_str()).collect();
    let times: Vec<Option<DateTime<Utc>>> = events.iter().map(|event| event.received_at).collect();
    let statement = sqlx::query_file!(
        "sql/receiver/store_group.sql",
        &user_ids,
        &providers as &[&str],
        &endpoints as &[&str],
        &hashes as &[&[u8]],
        &bodies as &[&[u8]],
        &headers as &[&str],
        &times as &[Option<DateTime<Utc>>],
    );
    let mut new = vec![false; events.len()];
    for row in statement.fetch_all(connection).await? {
        let position = events.iter().position(|event| {
            event.body_sha256.as_slice() == row.body_sha256
                && event.user_id == row.user_id
                && event.provider.as_str() == row.provider
        });
        if let Some(position) = position {
            new[position] = true;
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::is_final;

    #[test]
    fn only_errors_about_the_data_are_final() {
        for code in ["22P05", "22021", "23505", "23514", "54000"] {
            assert!(is_final(code), "{code}");
        }
        for code in ["40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "08006", "25006", "XX000"] {
            assert!(!is_final(code), "{code}");
        }
    }
}
