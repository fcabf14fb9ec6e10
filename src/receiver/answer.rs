//! What a sender is told. Nothing here says why authentication failed.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use tallyline_model::Provider;

/// Seconds after which it makes sense to send again.
const RETRY_AFTER_SECONDS: &str = "2";

/// The end of a webhook request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Durable, and new.
    Accepted,
    /// Durable, since an earlier time.
    Duplicate,
    /// Durable on this machine's disk, until the database is back.
    Spooled,
    /// No such endpoint, or not its provider: the two look the same.
    Unauthenticated(Provider),
    /// The provider, but from an address that the tenant does not allow.
    Forbidden,
    /// No event can be made of the body; kept in quarantine under this reason.
    Rejected(&'static str),
    /// The body ended early or was malformed on the wire.
    BrokenBody,
    /// The body did not come in time.
    SlowBody,
    /// The body is larger than `receiver.max_body_bytes`.
    TooLarge,
    /// A content type or an encoding that is not read.
    Unsupported,
    /// Not durable within the deadline, as far as is known.
    Unavailable,
    /// A fault of ours, such as a key that does not open.
    Failed,
}

impl Answer {
    /// Label of the requests' counter.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Spooled => "spooled",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Rejected(_) => "rejected",
            Self::BrokenBody => "broken_body",
            Self::SlowBody => "slow_body",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Accepted | Self::Duplicate => StatusCode::OK,
            Self::Spooled => StatusCode::ACCEPTED,
            Self::Unauthenticated(Provider::Twilio) | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unauthenticated(Provider::Bolna | Provider::Analysis) => StatusCode::UNAUTHORIZED,
            Self::Rejected(_) | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(self) -> Option<String> {
        match self {
            Self::Accepted => Some(r#"{"status":"accepted"}"#.to_owned()),
            Self::Duplicate => Some(r#"{"status":"duplicate"}"#.to_owned()),
            Self::Spooled => Some(r#"{"status":"spooled"}"#.to_owned()),
            // A reason is a name of ours: nothing in it needs escaping.
            Self::Rejected(reason) => Some(format!(r#"{{"error":"{reason}"}}"#)),
            _ => None,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = self.body();
        let json = body.is_some();
        let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
        *response.status_mut() = self.status();
        let mut set = |name, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        if json {
            set(CONTENT_TYPE, "application/json");
        }
        match self {
            Self::Unavailable => {
                set(RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            Self::Unauthenticated(Provider::Bolna) => {
                set(WWW_AUTHENTICATE, "Bearer");
            }
            // The rest of the body is still on its way: nothing can follow it.
            Self::TooLarge | Self::SlowBody | Self::BrokenBody => {
                set(CONNECTION, "close");
            }
            _ => {}
        }
        response
    }
}
