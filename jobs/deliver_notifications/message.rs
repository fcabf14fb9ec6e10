//! The request of a delivery: the same body and id at every attempt, signed anew.

use chrono::SecondsFormat;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use serde_json::Value;
use tallyline_secrets::SealingKey;
use tallyline_secrets::signature::standard::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};

use super::claim::Claimed;
use crate::notify::{checked_url, seal_context};

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    /// When the cause happened, not when this is sent.
    timestamp: String,
    data: &'a Value,
}

/// The signed request; else why it cannot be made.
pub(super) fn request(http: &Client, key: &SealingKey, claimed: &Claimed) -> Result<RequestBuilder, &'static str> {
    let url = checked_url(&claimed.url).map_err(|_| "the address is not one that is posted to")?;
    let body = Body {
        r#type: &claimed.kind,
        timestamp: claimed.created_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        data: &claimed.payload,
    };
    let body = serde_json::to_vec(&body).map_err(|_| "the body cannot be written as JSON")?;
    let id = claimed.notification_id.to_string();
    let timestamp = claimed.at.timestamp();
    let context = seal_context(claimed.endpoint_id);
    let mut signatures = Vec::new();
    for sealed in std::iter::once(&claimed.sealed_key).chain(&claimed.previous_sealed_key) {
        let opened = key.unseal(&context, sealed).map_err(|_| "the signing key cannot be opened")?;
        signatures.push(sign(&opened, &id, timestamp, &body));
    }
    Ok(http
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(ID_HEADER, id)
        .header(TIMESTAMP_HEADER, timestamp)
        .header(SIGNATURE_HEADER, signatures.join(" "))
        .body(body))
}
