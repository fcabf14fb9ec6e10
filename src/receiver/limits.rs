//! What is looked at before anybody is asked who they are: type, encoding, size.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use tallyline_model::Provider;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Answer;
use super::server::BodyDeadline;

/// What kind of body a request says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Json,
    Form,
}

/// The kind of body, if this provider may send it.
///
/// # Errors
/// [`Answer::Unsupported`] for another type, another charset than UTF-8, or a
/// body that is encoded in any way.
pub fn kind(provider: Provider, headers: &HeaderMap) -> Result<Kind, Answer> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Answer::Unsupported("content_encoding"));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let kind = match (types.next(), types.next()) {
        // Bolna's content type is not documented.
        (None, None) if provider == Provider::Bolna => Some(Kind::Json),
        (Some(one), None) => one.to_str().ok().and_then(parse_type),
        _ => None,
    };
    match (provider, kind) {
        (Provider::Twilio, Some(kind)) => Ok(kind),
        (Provider::Bolna | Provider::Analysis, Some(Kind::Json)) => Ok(Kind::Json),
        _ => Err(Answer::Unsupported("content_type")),
    }
}

fn parse_type(text: &str) -> Option<Kind> {
    let mut parts = text.split(';').map(str::trim);
    let kind = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/json" => Kind::Json,
        "application/x-www-form-urlencoded" => Kind::Form,
        _ => return None,
    };
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    });
    utf8.then_some(kind)
}

/// The whole body, at most `max_bytes`, with its place in the room that all bodies
/// share: taken as bytes arrive, whatever length was announced, and given back
/// when nobody holds the bytes any more.
///
/// # Errors
/// [`Answer::TooLarge`], before anything is read when the length is announced;
/// [`Answer::SlowBody`]; [`Answer::BrokenBody`]; [`Answer::Full`] when there is no
/// room.
pub async fn read(
    headers: &HeaderMap,
    mut body: Body,
    max_bytes: usize,
    room: &Arc<Semaphore>,
) -> Result<Bytes, Answer> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max_bytes as u64) {
        return Err(Answer::TooLarge);
    }
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(64 * 1024);
    let mut whole = BytesMut::with_capacity(expected);
    let mut place = take(room, 0)?;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        if whole.len() + data.len() > max_bytes {
            return Err(Answer::TooLarge);
        }
        place.merge(take(room, data.len())?);
        whole.extend_from_slice(&data);
    }
    Ok(Bytes::from_owner(Placed { whole, _place: place }))
}

/// What the parser takes at most.
pub const MAX_JSON_DEPTH: usize = 127;

/// Whether JSON opens more objects and arrays inside each other than `max`. What
/// is no JSON gets some answer; the parser says so later.
pub fn is_deeper_than(json: &[u8], max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A body and its place.
struct Placed {
    whole: BytesMut,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.whole
    }
}

fn take(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Answer> {
    let bytes = u32::try_from(bytes).map_err(|_| Answer::TooLarge)?;
    Arc::clone(room).try_acquire_many_owned(bytes).map_err(|_| Answer::Full)
}

fn broken(error: &axum::Error) -> Answer {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<BodyDeadline>() {
            return Answer::SlowBody;
        }
        cause = error.source();
    }
    Answer::BrokenBody
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(provider: Provider, pairs: &[(&'static str, &str)]) -> Result<Kind, Answer> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        kind(provider, &headers)
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        for (json, depth) in [
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[[1],[2]]}"#, 3),
            (r#"{"a":"[[[[","b":[]}"#, 2),
            (r#"{"a":"\"[[[[","b\\":[[]]}"#, 3),
            ("]]]][[", 2),
        ] {
            assert!(!is_deeper_than(json.as_bytes(), depth), "{json}");
            assert!(depth == 0 || is_deeper_than(json.as_bytes(), depth - 1), "{json}");
        }
    }

    #[test]
    fn takes_json_and_forms_in_utf8_from_those_who_send_them() {
        use Provider::{Analysis, Bolna, Twilio};
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        assert_eq!(of(Bolna, &[]), Ok(Kind::Json));
        assert_eq!(of(Bolna, &[("content-type", "Application/JSON; charset=\"UTF-8\"")]), Ok(Kind::Json));
        assert_eq!(of(Twilio, &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]), Ok(Kind::Form));
        assert_eq!(of(Twilio, &[("content-type", json)]), Ok(Kind::Json));
        assert_eq!(of(Analysis, &[("content-type", json), ("content-encoding", "identity")]), Ok(Kind::Json));
        for (provider, pairs, reason) in [
            (Bolna, vec![("content-type", form)], "content_type"),
            (Bolna, vec![("content-type", "text/plain")], "content_type"),
            (Bolna, vec![("content-type", "application/json; charset=utf-16")], "content_type"),
            (Bolna, vec![("content-type", json), ("content-type", json)], "content_type"),
            (Bolna, vec![("content-type", json), ("content-encoding", "gzip")], "content_encoding"),
            (Bolna, vec![("content-encoding", "identity"), ("content-encoding", "br")], "content_encoding"),
            (Twilio, vec![], "content_type"),
            (Twilio, vec![("content-type", "multipart/form-data; boundary=x")], "content_type"),
            (Analysis, vec![], "content_type"),
        ] {
            assert_eq!(of(provider, &pairs), Err(Answer::Unsupported(reason)), "{provider} {pairs:?}");
        }
    }
}
