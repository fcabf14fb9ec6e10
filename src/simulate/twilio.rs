//! The carrier's status callback, and its signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::call::{Message, PlannedCall, PlannedEvent};
use super::target::TwilioSecret;
use crate::ledger::Direction;

/// The person that callers are put through to.
pub(super) const PERSON: &str = "+15559990000";

/// The fields of a Twilio message, in the order of the body; none for others.
pub(super) fn fields(secret: &TwilioSecret, call: &PlannedCall, event: &PlannedEvent) -> Vec<(&'static str, String)> {
    let Message::Twilio { attempt, status, sequence, duration_seconds, is_transfer } = event.message else {
        return Vec::new();
    };
    let parent = call.attempts[attempt].call_sid.clone().unwrap_or_default();
    let leg = call.content.transfer.as_ref().filter(|_| is_transfer).map(|transfer| transfer.call_sid.clone());
    let sid = leg.clone().unwrap_or_else(|| parent.clone());
    let person = PERSON.to_owned();
    let (direction, from, to) = match call.direction {
        _ if leg.is_some() => ("outbound-dial", &call.agent_number, &person),
        Direction::Inbound => ("inbound", &call.customer_number, &call.agent_number),
        _ => ("outbound-api", &call.agent_number, &call.customer_number),
    };
    let mut fields = vec![
        ("AccountSid", secret.account_sid.clone()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("CallSid", sid),
        ("Called", to.clone()),
        ("Caller", from.clone()),
        ("Direction", direction.to_owned()),
        ("From", from.clone()),
        ("To", to.clone()),
        ("CallbackSource", "call-progress-events".to_owned()),
        ("CallStatus", status.to_owned()),
    ];
    if let Some(seconds) = duration_seconds {
        fields.push(("CallDuration", seconds.to_string()));
        if status == "completed" {
            fields.push(("Duration", ((seconds + 59) / 60).to_string()));
        }
        fields.push(("SipResponseCode", if status == "completed" { "200" } else { "487" }.to_owned()));
    }
    if leg.is_some() {
        fields.push(("ParentCallSid", parent));
    }
    fields.push(("SequenceNumber", sequence.to_string()));
    fields.push(("Timestamp", event.at.to_rfc2822()));
    fields
}

/// The fields as a body.
pub(super) fn encode(fields: &[(&'static str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The value of `X-Twilio-Signature`: the URL and the sorted fields, names and
/// values without anything between them. No field occurs twice here.
pub(super) fn sign(auth_token: &str, url: &str, fields: &[(&'static str, String)]) -> Option<String> {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).ok()?;
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with the validator of Twilio's own library.
    #[test]
    fn signatures_are_those_of_the_carrier() {
        let url = "https://hooks.example.test/v1/webhooks/twilio/voice/tnt_demo";
        let fields: Vec<(&'static str, String)> = [
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", "CA00000000000000000000000000000001"),
            ("Called", "+12025550143"),
            ("Caller", "+12025550100"),
            ("Direction", "outbound-api"),
            ("From", "+12025550100"),
            ("To", "+12025550143"),
            ("CallbackSource", "call-progress-events"),
            ("CallStatus", "initiated"),
            ("SequenceNumber", "0"),
            ("Timestamp", "Tue, 03 Mar 2026 10:11:12 +0000"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        let signature = sign("test_token_0123456789abcdef012345", url, &fields);
        assert_eq!(signature.as_deref(), Some("tM0um7vMod18P0LeBy44u4+WS8g="));
        let other = sign("test_token_0123456789abcdef012346", url, &fields);
        assert_ne!(signature, other);
        assert!(encode(&fields).contains("To=%2B12025550143&CallbackSource="));
    }
}
