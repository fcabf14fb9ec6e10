//! X-Twilio-Signature: HMAC-SHA1 over the URL and the form's parameters.
//!
//! The signature has no time, no nonce and no separators: it says who sent the
//! request, not that it is new or that its fields were cut where they should be.
//! The caller deduplicates and checks the shape of what matters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::MatchedKey;

/// The header that carries the signature.
pub const HEADER: &str = "x-twilio-signature";

/// What Twilio signs of a request besides its URL.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A GET, or a POST without parameters: everything is in the URL.
    None,
    /// The raw `application/x-www-form-urlencoded` body.
    Form(&'a [u8]),
    /// Any other raw body; its hash must be in the URL as `bodySHA256`.
    Hashed(&'a [u8]),
}

/// Verifies `signature` (the header's value) for the URL that the provider was
/// given, with path and query as received. `keys` holds the current auth token
/// and perhaps the one before it. `None` when no key fits, or when a hashed body
/// is not the one that the URL speaks of.
pub fn verify(keys: &[Vec<u8>], url: &str, content: Content<'_>, signature: &[u8]) -> Option<MatchedKey> {
    let signature = decode_signature(signature)?;
    let parameters = match content {
        Content::None => Vec::new(),
        Content::Form(body) => signed_parameters(body),
        Content::Hashed(body) if hash_matches(url, body) => Vec::new(),
        Content::Hashed(_) => return None,
    };
    let urls = url_variants(url);
    MatchedKey::first(keys, |key| {
        let mut matched = false;
        for url in &urls {
            matched |= signed_with(key, url, &parameters, &signature);
        }
        matched
    })
}

/// The signature as Twilio makes it, for simulators and tests.
pub fn sign(key: &[u8], url: &str, content: Content<'_>) -> String {
    let parameters = match content {
        Content::Form(body) => signed_parameters(body),
        Content::None | Content::Hashed(_) => Vec::new(),
    };
    mac(key, url, &parameters).map(|mac| STANDARD.encode(mac.finalize().into_bytes())).unwrap_or_default()
}

fn decode_signature(text: &[u8]) -> Option<[u8; 20]> {
    // 20 bytes are 28 characters; a longer header is not worth decoding.
    if text.len() > 28 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn mac(key: &[u8], url: &str, parameters: &[u8]) -> Option<Hmac<Sha1>> {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).ok()?;
    mac.update(url.as_bytes());
    mac.update(parameters);
    Some(mac)
}

fn signed_with(key: &[u8], url: &str, parameters: &[u8], signature: &[u8; 20]) -> bool {
    mac(key, url, parameters).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

/// What a form adds to the signed text: names sorted byte-wise, each followed by
/// its distinct values in order. Bytes that are no UTF-8 stay as they are, so
/// that no two bodies look alike.
pub fn signed_parameters(body: &[u8]) -> Vec<u8> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (form_decode(&pair[..at]), form_decode(&pair[at + 1..])),
            None => (form_decode(pair), Vec::new()),
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    let mut text = Vec::with_capacity(body.len());
    for (name, value) in &pairs {
        text.extend_from_slice(name);
        text.extend_from_slice(value);
    }
    text
}

fn form_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escaped = (text[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(hex_byte);
        match (text[at], escaped) {
            (_, Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', None) => out.push(b' '),
            (byte, None) => out.push(byte),
        }
        at += 1;
    }
    out
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let value = digit(digits[0])? * 16 + digit(digits[1])?;
    u8::try_from(value).ok()
}

/// Exactly one `bodySHA256`, in lower-case hex, that is the hash of the body.
fn hash_matches(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut hashes = query.split('&').filter_map(|pair| pair.strip_prefix("bodySHA256="));
    let (Some(claimed), None) = (hashes.next(), hashes.next()) else { return false };
    hex::encode(Sha256::digest(body)).as_bytes().ct_eq(claimed.as_bytes()).into()
}

/// The URLs that Twilio may have signed: with and without the port (over https
/// it drops the port, over http it keeps it), each with the query as received
/// and with the quote written in the other way that Twilio's libraries use.
fn url_variants(url: &str) -> Vec<String> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let mut variants = vec![url.to_owned()];
    if let Some((scheme, rest)) = url.split_once("://") {
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (name, port) = split_port(host);
        let port = port.unwrap_or(if scheme == "https" { "443" } else { "80" });
        variants = vec![format!("{scheme}://{name}{path}"), format!("{scheme}://{name}:{port}{path}")];
    }
    for variant in variants.clone() {
        let other = other_quotes(&variant);
        if other != variant {
            variants.push(other);
        }
    }
    variants
}

/// An IPv6 address has colons of its own, inside brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    }
}

fn other_quotes(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) if query.contains('\'') => format!("{path}?{}", query.replace('\'', "%27")),
        Some((path, query)) => format!("{path}?{}", query.replace("%27", "'")),
        None => url.to_owned(),
    }
}

#[cfg(test)]
#[path = "twilio_tests.rs"]
mod tests;
