//! What an answer means. Nothing that the receiver wrote is kept but its status.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

/// The longest wait that a receiver can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Delivered,
    /// The endpoint wants nothing any more.
    Gone,
    Failed {
        /// What a receiver that is overloaded asks for.
        retry_after: Option<Duration>,
    },
}

/// An attempt's end with what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) ending: Ending,
    pub(super) status: Option<i16>,
    pub(super) error: Option<&'static str>,
}

impl Judged {
    fn failed(status: Option<i16>, error: &'static str) -> Self {
        Self { ending: Ending::Failed { retry_after: None }, status, error: Some(error) }
    }

    /// A request that could not be made.
    pub(super) fn unsendable(reason: &'static str) -> Self {
        Self::failed(None, reason)
    }
}

/// `at` is the database's time of the attempt.
pub(super) fn judge(answer: Result<Response, reqwest::Error>, at: DateTime<Utc>) -> Judged {
    match answer {
        Ok(response) => of_response(response.status(), response.headers(), at),
        Err(error) if error.is_timeout() => Judged::failed(None, "no answer in time"),
        Err(error) if error.is_connect() => Judged::failed(None, "no connection"),
        Err(_) => Judged::failed(None, "the connection ended without an answer"),
    }
}

fn of_response(status: StatusCode, headers: &HeaderMap, at: DateTime<Utc>) -> Judged {
    let code = i16::try_from(status.as_u16()).ok();
    if status.is_success() {
        return Judged { ending: Ending::Delivered, status: code, error: None };
    }
    match status.as_u16() {
        410 => Judged { ending: Ending::Gone, status: code, error: Some("gone") },
        429 | 502 | 503 | 504 => {
            let retry_after = headers.get(RETRY_AFTER).and_then(|text| wait_of(text.to_str().ok()?, at));
            Judged { ending: Ending::Failed { retry_after }, ..Judged::failed(code, "the receiver asks to wait") }
        }
        300..=399 => Judged::failed(code, "redirects are not followed"),
        _ => Judged::failed(code, "refused"),
    }
}

/// `Retry-After` is seconds or a date.
fn wait_of(text: &str, at: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are longer than the longest wait.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        // A date in the past asks for no wait.
        until.signed_duration_since(at).to_std().unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Judged {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        let at = "2026-03-03T10:00:00Z".parse().unwrap();
        of_response(StatusCode::from_u16(status).unwrap(), &headers, at)
    }

    #[test]
    fn statuses() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judged(status, None).ending, Ending::Delivered, "{status}");
        }
        assert_eq!(judged(410, None).ending, Ending::Gone);
        for status in [301, 302, 307, 308, 400, 401, 404, 408, 429, 500, 502, 503, 504, 599] {
            assert_eq!(judged(status, None).ending, Ending::Failed { retry_after: None }, "{status}");
            assert_eq!(judged(status, None).status, Some(i16::try_from(status).unwrap()));
        }
    }

    #[test]
    fn who_is_overloaded_says_for_how_long() {
        for (text, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            (" 5 ", Some(5)),
            ("999999", Some(24 * 3600)),
            ("99999999999999999999999", Some(24 * 3600)),
            ("Tue, 03 Mar 2026 10:02:00 GMT", Some(120)),
            ("Tue, 03 Mar 2026 09:00:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
            ("1.5", None),
        ] {
            for status in [429, 502, 503, 504] {
                let expected = Ending::Failed { retry_after: seconds.map(Duration::from_secs) };
                assert_eq!(judged(status, Some(text)).ending, expected, "{status} {text}");
            }
            assert_eq!(judged(500, Some(text)).ending, Ending::Failed { retry_after: None });
        }
    }
}
