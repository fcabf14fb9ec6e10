//! Who sent a request: the three ways in which providers prove it.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tallyline_model::Provider;
use tallyline_secrets::signature::{MatchedKey, standard, twilio};

use super::answer::Answer;
use super::endpoints::Endpoint;
use super::limits::Kind;

/// A request as far as its proof goes.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub headers: &'a HeaderMap,
    /// Configured origin, then path and query as received.
    pub url: &'a str,
    pub kind: Kind,
    pub body: &'a [u8],
}

/// The key by which the request proves that it comes from the endpoint's
/// provider; `None` when it does not.
pub fn authenticate(endpoint: &Endpoint, claim: Claim<'_>) -> Option<MatchedKey> {
    let keys = endpoint.keys();
    match endpoint.provider {
        Provider::Bolna => bearer(&keys, claim.headers),
        Provider::Twilio => {
            let signature = only(claim.headers, twilio::HEADER)?;
            let content = match claim.kind {
                Kind::Form => twilio::Content::Form(claim.body),
                Kind::Json => twilio::Content::Hashed(claim.body),
            };
            twilio::verify(&keys, claim.url, content, signature)
        }
        Provider::Analysis => {
            let text = |name| std::str::from_utf8(only(claim.headers, name)?).ok();
            let headers = standard::Headers {
                id: text(standard::ID_HEADER)?,
                timestamp: text(standard::TIMESTAMP_HEADER)?,
                signatures: text(standard::SIGNATURE_HEADER)?,
            };
            standard::verify(&keys, headers, claim.body, endpoint.now_unix_seconds())
        }
    }
}

/// The answer to whoever could not prove it.
pub fn unauthenticated(provider: Provider, headers: &HeaderMap) -> Answer {
    let proof = match provider {
        Provider::Bolna => AUTHORIZATION.as_str(),
        Provider::Twilio => twilio::HEADER,
        Provider::Analysis => standard::SIGNATURE_HEADER,
    };
    Answer::Unauthenticated(provider, if headers.contains_key(proof) { "wrong_credential" } else { "no_credential" })
}

/// Hashes are compared, not secrets: they have one length whatever was sent.
fn bearer(secret_hashes: &[Vec<u8>], headers: &HeaderMap) -> Option<MatchedKey> {
    let value = only(headers, AUTHORIZATION.as_str())?;
    let (scheme, secret) = value.split_at_checked(b"Bearer ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return None;
    }
    let presented = Sha256::digest(secret);
    MatchedKey::first(secret_hashes, |hash| presented.as_slice().ct_eq(hash).into())
}

/// A header given twice proves nothing.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}
