//! Standard Webhooks 1.0.0, symmetric signatures (`v1`).

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::MatchedKey;

/// Header with the message's id.
pub const ID_HEADER: &str = "webhook-id";
/// Header with the seconds since 1970 at which the attempt was signed.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header with one or more signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// Seconds that a signature may be older or newer than now.
pub const TOLERANCE_SECONDS: u64 = 300;

/// Signatures of one header that are looked at.
const MAX_SIGNATURES: usize = 16;

const PREFIX: &str = "whsec_";

const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The three headers of a message, as received.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signatures: &'a str,
}

/// The key of a secret, `whsec_…` or bare base64, padded or not. `None` when it
/// is no base64 or empty.
pub fn key_of_secret(secret: &str) -> Option<Vec<u8>> {
    let text = secret.strip_prefix(PREFIX).unwrap_or(secret);
    ANY_PADDING.decode(text).ok().filter(|key| !key.is_empty())
}

/// The secret that a key is handed out as.
pub fn secret_of_key(key: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(key))
}

/// Verifies a message. `keys` holds the current key and perhaps the one before
/// it; `now_unix_seconds` is the receiver's time.
pub fn verify(keys: &[Vec<u8>], headers: Headers<'_>, body: &[u8], now_unix_seconds: i64) -> Option<MatchedKey> {
    let timestamp = parse_timestamp(headers.timestamp)?;
    // A dot in the id would let the three signed parts be cut elsewhere.
    if headers.id.is_empty() || headers.id.contains('.') {
        return None;
    }
    // Looked at in the end: a wrong key takes as long as a wrong time.
    let in_time = now_unix_seconds.abs_diff(timestamp) <= TOLERANCE_SECONDS;
    let signatures: Vec<[u8; 32]> = headers
        .signatures
        .split(' ')
        .take(MAX_SIGNATURES)
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok()?.try_into().ok())
        .collect();
    MatchedKey::first(keys, |key| {
        let mut matched = false;
        for signature in &signatures {
            matched |=
                mac(key, headers.id, headers.timestamp, body).is_some_and(|mac| mac.verify_slice(signature).is_ok());
        }
        matched
    })
    .filter(|_| in_time)
}

/// The value of `webhook-signature` for a message.
pub fn sign(key: &[u8], id: &str, timestamp_unix_seconds: i64, body: &[u8]) -> String {
    sign_text(key, id, &timestamp_unix_seconds.to_string(), body)
}

/// The same for a timestamp as it is written, whatever it is.
pub fn sign_text(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    mac(key, id, timestamp, body)
        .map(|mac| format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        .unwrap_or_default()
}

/// Digits only: no sign, no blank, nothing that does not fit.
fn parse_timestamp(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).ok()?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
#[path = "standard_tests.rs"]
mod tests;
