//! The id of a request: what a sender, a log line and an answer have in common.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header in which it is offered and returned.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// An id longer than this, or shorter, is not taken over.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Letters, digits, `-`, `_` and `.` only, so that it can stand anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The one that was offered, if it is well formed and the only one; else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut offered = headers.get_all(HEADER).iter();
        let one = match (offered.next(), offered.next()) {
            (Some(one), None) => one.to_str().ok().filter(|text| is_well_formed(text)),
            _ => None,
        };
        Self(one.map_or_else(|| Uuid::new_v4().simple().to_string().into(), Arc::from))
    }

    /// Of the request that is being answered, if one is.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Answers a request that has this id.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    /// As a header of the answer.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_well_formed(text: &str) -> bool {
    LENGTHS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(offered: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for text in offered {
            headers.append(HEADER, HeaderValue::from_str(text).unwrap());
        }
        RequestId::of(&headers).to_string()
    }

    /// Break: with every offered text taken over, the spaces and the long one are.
    #[test]
    fn an_id_is_taken_over_if_it_is_well_formed_and_the_only_one() {
        for good in ["req-12345678", "7f3b.A_z-", &"a".repeat(64)] {
            assert_eq!(of(&[good]), good);
        }
        for bad in
            [&["short"][..], &["with space"], &["a;b=\"cdefgh"], &[&"a".repeat(65)], &["first-one-1", "second-one"]]
        {
            let made = of(bad);
            assert!(made.len() == 32 && !bad.contains(&made.as_str()), "{made}");
        }
        assert_ne!(of(&[]), of(&[]));
    }
}
