//! By what way a call came, from its kind and from what stands for the caller.

use crate::event::CallSource;

/// Kinds and carriers that are no telephone.
const WEB_KINDS: [&str; 4] = ["web", "browser", "web-call", "websocket"];

/// What stands for the caller of a call from within the platform.
const INTERNAL: &str = "internal";

/// The source, or nothing where neither says; no guess, so that another event
/// that knows it counts.
///
/// The kind wins over the caller: a browser may hand over a number too. Words
/// that are no number (sessions, `sip:` and the like) say nothing.
pub(crate) fn call_source<'a>(kinds: impl IntoIterator<Item = &'a str>, caller: Option<&str>) -> Option<CallSource> {
    let is_web = |kind: &str| WEB_KINDS.iter().any(|web| kind.trim().eq_ignore_ascii_case(web));
    if kinds.into_iter().any(is_web) {
        return Some(CallSource::Internet);
    }
    let caller = caller?.trim();
    if caller.eq_ignore_ascii_case(INTERNAL) {
        return Some(CallSource::Internet);
    }
    is_number_like(caller).then_some(CallSource::Phone)
}

/// Digits, with the marks that people put between them.
fn is_number_like(caller: &str) -> bool {
    let digits = caller.strip_prefix('+').unwrap_or(caller);
    let is_part = |c: char| c.is_ascii_digit() || c.is_ascii_whitespace() || matches!(c, '-' | '(' | ')');
    digits.chars().all(is_part) && digits.contains(|c: char| c.is_ascii_digit())
}
