//! What a sender is told. Nothing here says why authentication failed.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, ALLOW, CONNECTION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use tallyline_model::Provider;

use super::shares::Refusal;

/// After which it makes sense to send again what found us busy.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The end of a webhook request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Durable, and new.
    Accepted,
    /// Durable, since an earlier time.
    Duplicate,
    /// Durable on this machine's disk, until the database is back.
    Spooled,
    /// No such endpoint, or not its provider: the two look the same. The reason
    /// says whether anything was presented as a proof.
    Unauthenticated(Provider, &'static str),
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
    /// A content type or an encoding that is not read, as the reason says.
    Unsupported(&'static str),
    /// The tenant has used up its share.
    Limited(Refusal),
    /// Another method than POST.
    Method,
    /// No route, or more than an endpoint's name behind one.
    NotFound,
    /// Bodies take `receiver.max_buffered_bytes` already.
    Full,
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
            Self::Unauthenticated(..) => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Rejected(_) => "rejected",
            Self::BrokenBody => "broken_body",
            Self::SlowBody => "slow_body",
            Self::TooLarge => "too_large",
            Self::Unsupported(_) => "unsupported",
            Self::Limited(_) => "limited",
            Self::Method | Self::NotFound => "not_found",
            Self::Full | Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// Label of the refusals' counter; `None` for what was not refused.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Accepted | Self::Duplicate | Self::Spooled => return None,
            Self::Unauthenticated(_, reason) | Self::Rejected(reason) | Self::Unsupported(reason) => reason,
            Self::Forbidden => "address",
            Self::BrokenBody => "broken_body",
            Self::SlowBody => "slow_body",
            Self::TooLarge => "too_large",
            Self::Limited(Refusal::Rate(_)) => "tenant_rate",
            Self::Limited(Refusal::InFlight) => "tenant_in_flight",
            Self::Method => "method",
            Self::NotFound => "path",
            Self::Full => "buffers_full",
            Self::Unavailable => "not_durable",
            Self::Failed => "failed",
        })
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Accepted | Self::Duplicate => StatusCode::OK,
            Self::Spooled => StatusCode::ACCEPTED,
            Self::Unauthenticated(Provider::Twilio, _) | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unauthenticated(Provider::Bolna | Provider::Analysis, _) => StatusCode::UNAUTHORIZED,
            Self::Rejected(_) | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Full | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
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

    /// When it makes sense to come again.
    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Limited(Refusal::Rate(wait)) => Some(wait),
            Self::Limited(Refusal::InFlight) | Self::Full | Self::Unavailable => Some(RETRY_AFTER),
            _ => None,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = self.body();
        let (json, retry_after) = (body.is_some(), self.retry_after());
        let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
        *response.status_mut() = self.status();
        let mut set = |name, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        if json {
            set(CONTENT_TYPE, "application/json");
        }
        match self {
            Self::Unauthenticated(Provider::Bolna, _) => {
                set(WWW_AUTHENTICATE, "Bearer");
            }
            Self::Method => {
                set(ALLOW, "POST");
            }
            // The rest of the body is still on its way: nothing can follow it.
            Self::TooLarge | Self::SlowBody | Self::BrokenBody | Self::Full => {
                set(CONNECTION, "close");
            }
            _ => {}
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
