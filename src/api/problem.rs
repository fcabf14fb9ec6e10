//! Answers that are not what was asked for, as RFC 9457 says.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::telemetry::request_id::RequestId;

/// The body, `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says which problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    #[schema(example = "Not Found")]
    title: &'static str,
    #[schema(example = 404)]
    status: u16,
    /// What to do differently.
    detail: String,
    /// Names the request in the logs; also in the header X-Request-Id.
    #[schema(example = "0d9a3f0d6a4c4f0c8a52f6a1f1b3c7de")]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// A problem of this status.
pub(crate) fn problem(status: StatusCode, detail: impl Into<String>) -> Response {
    let title = status.canonical_reason().unwrap_or("Problem");
    let request_id = RequestId::current().map(|id| id.to_string());
    let body = Problem { kind: "about:blank", title, status: status.as_u16(), detail: detail.into(), request_id };
    let headers = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
    (status, headers, Json(body)).into_response()
}

/// Why a request is not answered.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is none, or it is not theirs: one answer for both.
    NotFound(&'static str),
    /// The request makes no sense.
    Bad(String),
    /// They may read and not change.
    Forbidden,
    /// It makes sense, and not as things stand.
    Conflict(String),
    /// Not before so many minutes.
    TooMany(i32),
    /// Any other status.
    Other(StatusCode, String),
    Database(sqlx::Error),
}

impl Fault {
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Fault::Bad(detail.into())
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Fault::Database(error)
    }
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::NotFound(what) => problem(StatusCode::NOT_FOUND, what),
            Fault::Bad(detail) => problem(StatusCode::BAD_REQUEST, detail),
            Fault::Forbidden => problem(StatusCode::FORBIDDEN, "this may be read and not changed with what you hold"),
            Fault::Conflict(detail) => problem(StatusCode::CONFLICT, detail),
            Fault::TooMany(minutes) => {
                let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, "too many failures; try again later");
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(i64::from(minutes) * 60));
                answer
            }
            Fault::Other(status, detail) => problem(status, detail),
            // Data exceptions: a text that is no value, such as one with a NUL.
            Fault::Database(error) if code_of(&error).is_some_and(|code| code.starts_with("22")) => {
                problem(StatusCode::BAD_REQUEST, "a value is none that can be stored")
            }
            Fault::Database(error) => {
                tracing::error!(%error, "the API could not use the database");
                problem(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
            }
        }
    }
}
