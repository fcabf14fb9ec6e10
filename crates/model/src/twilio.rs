//! Twilio's status callback: a form, every value a string.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::event::{
    CallSource, Direction, Event, Facts, MAX_DURATION_SECONDS, MAX_NUMBER_CHARS, MAX_STATUS_CHARS, Provider,
};
use crate::json::{Flags, fold_uuid, non_blank};
use crate::reject::Reject;
use crate::source::call_source;
use crate::time::parse_recent;

/// The fields that are read. One of them given twice makes the form ambiguous.
/// Callbacks have no `StartTime`; forms that are made of a polled record do.
const FIELDS: [&str; 14] = [
    "CallSid",
    "AccountSid",
    "ParentCallSid",
    "CallStatus",
    "CallDuration",
    "Direction",
    "From",
    "To",
    "Timestamp",
    "SequenceNumber",
    "RecordingUrl",
    "RecordingStatus",
    "AnsweredBy",
    "StartTime",
];

/// The largest `SequenceNumber` believed.
const MAX_SEQUENCE_NUMBER: i64 = i32::MAX as i64;

/// Hex digits of a sid behind its two letters.
const SID_HEX_DIGITS: usize = 32;

/// The form's fields, blank ones left out.
pub(crate) struct Form(HashMap<&'static str, String>);

/// Reads a Twilio voice status callback. `received_at` and `body_sha256` are
/// those of the body's first receipt. `Duration`, which counts minutes, is not read.
///
/// # Errors
/// The form names no call, gives a field twice, names a parent that is none, or
/// is no status of a call (such as a recording callback).
pub fn parse_twilio(form_body: &[u8], received_at: DateTime<Utc>, body_sha256: [u8; 32]) -> Result<Event, Reject> {
    let (form, call_sid) = identified(form_body)?;
    let parent_call_sid = match form.get("ParentCallSid") {
        // A leg whose parent cannot be read must not pass for a call.
        Some(parent) => Some(fold_sid("CA", parent).filter(|parent| *parent != call_sid).ok_or(Reject::BadSid)?),
        None => None,
    };
    let status = form.get("CallStatus").ok_or(Reject::NotACallStatus)?;
    let mut flags = Flags::default();
    let status = status.chars().take(MAX_STATUS_CHARS).collect();
    let updated_at = form.read("Timestamp", &mut flags, parse_recent);
    let account_sid = form.read("AccountSid", &mut flags, |sid| fold_sid("AC", sid));
    Ok(Event {
        provider: Provider::Twilio,
        body_sha256,
        received_at,
        execution_id: None,
        call_sid: Some(call_sid),
        agent_ref: None,
        account_sid,
        parent_call_sid,
        attempt: 0,
        status,
        updated_at,
        // Not `initiated_at`: where Bolna has said when it dialled, that counts.
        created_at: form.read("StartTime", &mut flags, parse_recent),
        initiated_at: None,
        facts: read_facts(&form, &mut flags),
        flags: flags.into_sorted(),
    })
}

/// The form's fields and its call sid. JSON is no form, though a string in it may
/// quote one: Twilio's event streams do so.
pub(crate) fn identified(form_body: &[u8]) -> Result<(Form, String), Reject> {
    if matches!(form_body.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) {
        return Err(Reject::NotACallStatus);
    }
    let form = Form::read_from(form_body)?;
    let sid = form.get("CallSid").ok_or(Reject::NoId)?;
    let sid = fold_sid("CA", sid).ok_or(Reject::BadSid)?;
    Ok((form, sid))
}

/// A call sid in the one case that Twilio writes it; other carriers' ids are
/// UUIDs or opaque.
pub(crate) fn fold_call_sid(sid: String) -> String {
    fold_sid("CA", &sid).unwrap_or_else(|| fold_uuid(sid))
}

fn fold_sid(letters: &str, sid: &str) -> Option<String> {
    let digits = sid.strip_prefix(letters)?;
    let is_sid = digits.len() == SID_HEX_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_sid.then(|| format!("{letters}{}", digits.to_ascii_lowercase()))
}

fn read_facts(form: &Form, flags: &mut Flags) -> Facts {
    let direction = form.read("Direction", flags, |text| match text {
        "inbound" => Some(Direction::Inbound),
        _ if text.starts_with("outbound") => Some(Direction::Outbound),
        _ => None,
    });
    let from = form.short_text("From", flags);
    let to = form.short_text("To", flags);
    let (customer_number, agent_number) = match direction {
        Some(Direction::Inbound) => (from, to),
        Some(Direction::Outbound) => (to, from),
        None => (None, None),
    };
    let source = match customer_number.as_deref() {
        // The carrier's own name for a browser or an app.
        Some(customer) if customer.starts_with("client:") => Some(CallSource::Internet),
        customer => call_source([], customer),
    };
    Facts {
        telephony_seconds: form.read("CallDuration", flags, |text| digits_up_to(text, MAX_DURATION_SECONDS)),
        direction,
        source,
        customer_number,
        agent_number,
        recording_url: form.get("RecordingUrl").map(str::to_owned),
        answered_by_voice_mail: form.get("AnsweredBy").and_then(|who| match who {
            "human" => Some(false),
            _ if who.starts_with("machine_") => Some(true),
            _ => None,
        }),
        sequence_number: form.read("SequenceNumber", flags, |text| digits_up_to(text, MAX_SEQUENCE_NUMBER)),
        ..Facts::default()
    }
}

/// Digits only: no sign, no point, no exponent.
fn digits_up_to(text: &str, max: i64) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value| *value <= max)
}

impl Form {
    fn read_from(body: &[u8]) -> Result<Self, Reject> {
        let mut fields = HashMap::new();
        let mut seen = Vec::new();
        for (key, value) in form_urlencoded::parse(body) {
            let Some(field) = FIELDS.into_iter().find(|field| *field == key) else {
                continue;
            };
            if seen.contains(&field) {
                return Err(Reject::DuplicateKey(field.to_owned()));
            }
            seen.push(field);
            if let Some(text) = non_blank(value.into_owned()) {
                fields.insert(field, text);
            }
        }
        Ok(Self(fields))
    }

    fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The field through `read`; what `read` refuses is flagged.
    fn read<T>(&self, field: &str, flags: &mut Flags, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let found = read(self.get(field)?);
        if found.is_none() {
            flags.bad_field(field);
        }
        found
    }

    fn short_text(&self, field: &str, flags: &mut Flags) -> Option<String> {
        let text = self.get(field)?;
        if text.chars().nth(MAX_NUMBER_CHARS).is_some() {
            flags.add(format!("truncated:{field}"));
        }
        Some(text.chars().take(MAX_NUMBER_CHARS).collect())
    }
}
