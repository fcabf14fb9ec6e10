//! Bolna's webhook: the whole execution record, sent at every change of status.

mod setup;
mod transfer;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use crate::analysis::PLACEHOLDER_EMAIL;
use crate::decimal;
use crate::event::{
    CallSource, Direction, Event, Facts, MAX_ATTEMPT, MAX_DURATION_SECONDS, MAX_NUMBER_CHARS, MAX_STATUS_CHARS,
    Provider, UNKNOWN_STATUS,
};
use crate::json::{Flags, Object, read_body};
use crate::money::cents_text_to_micros;
use crate::reject::Reject;
use crate::source::call_source;
use crate::twilio::fold_call_sid;

use self::setup::{read_past_dials, read_setup, read_usage};
use self::transfer::read_transfer;

/// The legs that sum to the total, and the cost of a transfer.
pub(crate) const SUMMED_LEGS: [&str; 5] = ["llm", "network", "platform", "synthesizer", "transcriber"];
const TRANSFER_LEG: &str = "transfer_cost";

/// Other legs that are kept, and the longest name of one, in characters.
const MAX_OTHER_LEGS: usize = 16;
const MAX_LEG_NAME_CHARS: usize = 64;

/// Names under which senders put the same id.
const ID_KEYS: [&str; 3] = ["id", "execution_id", "call_id"];

/// Top-level keys that may be named in a message, since they are ours to know.
const KNOWN_KEYS: [&str; 38] = [
    "id",
    "execution_id",
    "call_id",
    "agent_id",
    "status",
    "smart_status",
    "retry_count",
    "created_at",
    "updated_at",
    "initiated_at",
    "conversation_duration",
    "conversation_time",
    "total_cost",
    "cost_breakdown",
    "billing_settled",
    "telephony_data",
    "context_details",
    "transcript",
    "summary",
    "recording_url",
    "error_message",
    "answered_by_voice_mail",
    "extracted_data",
    "agent_extraction",
    "custom_extractions",
    "user_number",
    "agent_number",
    "provider",
    "analysis",
    "scheduled_at",
    "rescheduled_at",
    "batch_id",
    "campaign_id",
    "termination_reason",
    "retry_config",
    "retry_history",
    "usage_breakdown",
    "transfer_call_data",
];

/// Longest name of a person kept, in characters.
const MAX_NAME_CHARS: usize = 255;

/// Largest extraction kept, as JSON.
const MAX_EXTRACTION_BYTES: usize = 256 * 1024;

/// Longest `hangup_by` kept, in characters.
const MAX_HANGUP_BY_CHARS: usize = 64;

/// Longest `termination_reason` kept, in characters.
const MAX_REASON_CHARS: usize = 255;

/// Reads a Bolna webhook. `received_at` and `body_sha256` are those of the body's
/// first receipt.
///
/// # Errors
/// The body is not one JSON object that names exactly one execution, holds a
/// top-level key twice, or is the webhook of a workflow and not of a call.
pub fn parse_bolna(body: &[u8], received_at: DateTime<Utc>, body_sha256: [u8; 32]) -> Result<Event, Reject> {
    let (top, execution_id) = identified(body)?;
    let mut flags = Flags::default();
    if is_workflow(&top) {
        return Err(Reject::NotACallStatus);
    }
    let telephony = top.object("telephony_data", "telephony_data", &mut flags).unwrap_or_default();
    let created_at = top.instant("created_at", &mut flags);
    let updated_at = top.recent_instant("updated_at", &mut flags);
    let facts = read_facts(&top, &telephony, &mut flags);
    if is_inconsistent(&facts, created_at, updated_at) {
        flags.add("inconsistent_duration");
    }
    Ok(Event {
        provider: Provider::Bolna,
        body_sha256,
        received_at,
        execution_id: Some(execution_id),
        call_sid: telephony.lenient_id("provider_call_id", &mut flags).map(fold_call_sid),
        agent_ref: top.lenient_id("agent_id", &mut flags),
        account_sid: None,
        parent_call_sid: None,
        attempt: read_attempt(&top, &mut flags),
        status: read_status(&top, &mut flags),
        updated_at,
        created_at,
        initiated_at: top.instant("initiated_at", &mut flags),
        facts,
        flags: flags.into_sorted(),
    })
}

/// The body's members and the one id that it names.
pub(crate) fn identified(body: &[u8]) -> Result<(Object<'_>, String), Reject> {
    let top = read_body(body)?;
    if let Some(key) = top.duplicate() {
        let name = KNOWN_KEYS.iter().find(|known| **known == key).unwrap_or(&"other");
        return Err(Reject::DuplicateKey((*name).to_owned()));
    }
    let mut found: Option<String> = None;
    for key in ID_KEYS {
        match (top.id(key)?, &found) {
            (Some(id), Some(first)) if id != *first => return Err(Reject::IdMismatch),
            (Some(id), _) => found = Some(id),
            (None, _) => {}
        }
    }
    let id = found.ok_or(Reject::NoId)?;
    Ok((top, id))
}

/// A workflow's own webhook names an execution too, but of the workflow.
fn is_workflow(top: &Object<'_>) -> bool {
    let event = top.embedded("event");
    top.has("workflow_id") && event.as_deref() == Some("execution.terminal")
}

fn read_status(top: &Object<'_>, flags: &mut Flags) -> String {
    top.short_text("status", MAX_STATUS_CHARS, flags).unwrap_or_else(|| {
        flags.bad_field("status");
        UNKNOWN_STATUS.to_owned()
    })
}

fn read_attempt(top: &Object<'_>, flags: &mut Flags) -> i32 {
    let read = |text: &str| {
        let attempt = decimal::whole_number(text, MAX_ATTEMPT)?;
        i32::try_from(attempt).ok()
    };
    top.number("retry_count", flags, read).unwrap_or(0)
}

fn read_facts(top: &Object<'_>, telephony: &Object<'_>, flags: &mut Flags) -> Facts {
    let whole_seconds = |text: &str| decimal::whole_number(text, MAX_DURATION_SECONDS);
    let direction = read_direction(telephony, flags);
    let (customer_number, agent_number) = read_numbers(top, telephony, direction, flags);
    let customer = read_recipient(top, flags);
    Facts {
        conversation_seconds: read_conversation(top, flags),
        telephony_seconds: telephony.number("duration", flags, whole_seconds),
        total_cost_micros: top.number("total_cost", flags, cents_text_to_micros),
        cost_legs: read_legs(top, flags),
        billing_settled: top.boolean("billing_settled", flags),
        direction,
        source: read_source(top, telephony, customer_number.as_deref(), flags),
        customer_number,
        agent_number,
        customer_name: customer.name,
        customer_email: customer.email,
        transcript: top.text_or_json("transcript", flags),
        summary: top.text("summary", flags),
        recording_url: telephony.text("recording_url", flags).or_else(|| top.text("recording_url", flags)),
        hangup_by: telephony.short_text("hangup_by", MAX_HANGUP_BY_CHARS, flags),
        hangup_reason: telephony.text("hangup_reason", flags),
        hangup_provider_code: read_hangup_code(telephony, flags),
        termination_reason: top.short_text("termination_reason", MAX_REASON_CHARS, flags),
        error_message: top.text("error_message", flags),
        smart_status: top.text("smart_status", flags),
        answered_by_voice_mail: top.boolean("answered_by_voice_mail", flags),
        extracted_data: top.free_value("extracted_data", flags),
        agent_extraction: read_extraction(top, "agent_extraction", flags),
        custom_extractions: read_extraction(top, "custom_extractions", flags),
        setup: read_setup(top, flags),
        past_dials: read_past_dials(top, flags),
        usage: read_usage(top, flags),
        transfer: read_transfer(top, flags),
        sequence_number: None,
        analysis: None,
    }
}

/// An extraction in any form, unless it is too large to be written with every row
/// of its call.
fn read_extraction(top: &Object<'_>, key: &str, flags: &mut Flags) -> Option<Value> {
    let found = top.free_value(key, flags)?;
    if found.to_string().len() > MAX_EXTRACTION_BYTES {
        flags.add(format!("too_long:{key}"));
        return None;
    }
    Some(found)
}

/// The newer name wins; the older one fills in where it says nothing usable.
fn read_conversation(top: &Object<'_>, flags: &mut Flags) -> Option<Decimal> {
    let seconds = |text: &str| decimal::seconds(text, MAX_DURATION_SECONDS);
    top.number("conversation_duration", flags, seconds).or_else(|| top.number("conversation_time", flags, seconds))
}

fn read_hangup_code(telephony: &Object<'_>, flags: &mut Flags) -> Option<i64> {
    let code = |text: &str| decimal::whole_number(text, i64::from(i32::MAX));
    telephony.number("hangup_provider_code", flags, code).or_else(|| telephony.number("hangup_code", flags, code))
}

/// The known legs, and the numbers beside them under names that the sender
/// chose. The sub-breakdowns are objects, and lie within the legs.
fn read_legs(top: &Object<'_>, flags: &mut Flags) -> BTreeMap<String, i64> {
    let Some(breakdown) = top.object("cost_breakdown", "cost_breakdown", flags) else {
        return BTreeMap::new();
    };
    let is_known = |name: &str| SUMMED_LEGS.contains(&name) || name == TRANSFER_LEG;
    let mut legs: BTreeMap<String, i64> = SUMMED_LEGS
        .into_iter()
        .chain([TRANSFER_LEG])
        .filter_map(|leg| Some((leg.to_owned(), breakdown.number(leg, flags, cents_text_to_micros)?)))
        .collect();
    let mut kept = 0;
    for name in breakdown.names(usize::MAX) {
        if is_known(name) || !breakdown.is_number(name) {
            continue;
        }
        if kept == MAX_OTHER_LEGS || name.chars().nth(MAX_LEG_NAME_CHARS).is_some() {
            flags.add("truncated:cost_breakdown");
            continue;
        }
        // A name of the sender's own choice is in no flag.
        match breakdown.number(name, &mut Flags::default(), cents_text_to_micros) {
            Some(micros) => {
                legs.insert(name.to_owned(), micros);
                kept += 1;
            }
            None => flags.bad_field("cost_breakdown.*"),
        }
    }
    legs
}

fn read_direction(telephony: &Object<'_>, flags: &mut Flags) -> Option<Direction> {
    // Other call types (such as web) say nothing about who called whom.
    telephony.text("call_type", flags)?.to_ascii_lowercase().parse().ok()
}

/// Where nobody says who the customer is, either end of the line will do.
fn read_source(
    top: &Object<'_>,
    telephony: &Object<'_>,
    customer: Option<&str>,
    flags: &mut Flags,
) -> Option<CallSource> {
    let kinds = [top.text("provider", flags), telephony.text("provider", flags), telephony.text("call_type", flags)];
    let mut quiet = Flags::default();
    let ends = ["from_number", "to_number"].map(|key| telephony.text(key, &mut quiet));
    let caller = customer.or_else(|| ends.iter().flatten().map(String::as_str).next());
    call_source(kinds.iter().flatten().map(String::as_str), caller)
}

/// The customer's number and the agent's. Without a direction only the fields
/// that name the role are believed.
fn read_numbers(
    top: &Object<'_>,
    telephony: &Object<'_>,
    direction: Option<Direction>,
    flags: &mut Flags,
) -> (Option<String>, Option<String>) {
    let context = top.object("context_details", "context_details", flags).unwrap_or_default();
    let mut number = |from: &Object<'_>, key| from.short_text(key, MAX_NUMBER_CHARS, flags);
    let from = number(telephony, "from_number");
    let to = number(telephony, "to_number");
    let recipient = number(&context, "recipient_phone_number");
    let by_role = (number(top, "user_number"), number(top, "agent_number"));
    let (customer, agent) = match direction {
        Some(Direction::Inbound) => (from, to),
        Some(Direction::Outbound) => (recipient.or(to), from),
        None => (None, None),
    };
    (customer.or(by_role.0), agent.or(by_role.1))
}

/// Who the caller of the API says that the customer is.
#[derive(Default)]
struct Recipient {
    name: Option<String>,
    email: Option<String>,
}

/// The recipient's data may be an object or JSON in a string.
fn read_recipient(top: &Object<'_>, flags: &mut Flags) -> Recipient {
    // A bad `context_details` is already flagged where the numbers are read.
    let mut quiet = Flags::default();
    let context = top.object("context_details", "context_details", &mut quiet).unwrap_or_default();
    let embedded = context.embedded("recipient_data");
    let data = match embedded.as_deref() {
        Some(text) => serde_json::from_str::<Object<'_>>(text).ok(),
        None => context.object("recipient_data", "context_details.recipient_data", flags),
    };
    let Some(data) = data else {
        return Recipient::default();
    };
    let mut first = |keys: &[&str]| keys.iter().find_map(|key| data.short_text(key, MAX_NAME_CHARS, &mut quiet));
    Recipient {
        name: first(&["customer_name", "name"]),
        email: first(&["email", "email_address", "customer_email"]).filter(|email| is_address(email)),
    }
}

/// Something on both sides of one `@`, and nothing that stands for no address.
fn is_address(email: &str) -> bool {
    let has_ends = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    has_ends && !email.contains(char::is_whitespace) && !email.eq_ignore_ascii_case(PLACEHOLDER_EMAIL)
}

/// More talk than line, or more of either than the record's whole life.
fn is_inconsistent(facts: &Facts, created_at: Option<DateTime<Utc>>, updated_at: Option<DateTime<Utc>>) -> bool {
    let talk = facts.conversation_seconds.and_then(|seconds| seconds.floor().to_i64());
    let line = facts.telephony_seconds;
    let longer_than_line = talk.zip(line).is_some_and(|(talk, line)| talk > line);
    let life = created_at.zip(updated_at).map(|(created, updated)| (updated - created).num_seconds());
    let longer_than_life = talk.max(line).zip(life).is_some_and(|(longest, life)| longest > life);
    longer_than_line || longer_than_life
}
