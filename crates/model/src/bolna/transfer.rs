//! `transfer_call_data`: the leg to a person.

use crate::decimal;
use crate::event::{MAX_DURATION_SECONDS, MAX_NUMBER_CHARS, MAX_STATUS_CHARS};
use crate::json::{Flags, Object};
use crate::leg::Transfer;
use crate::twilio::fold_call_sid;

use super::{MAX_HANGUP_BY_CHARS, MAX_REASON_CHARS, read_hangup_code};

pub(super) fn read_transfer(top: &Object<'_>, flags: &mut Flags) -> Option<Transfer> {
    let leg = top.object("transfer_call_data", "transfer_call_data", flags)?;
    let seconds = |text: &str| decimal::whole_number(text, MAX_DURATION_SECONDS);
    let transfer = Transfer {
        call_sid: leg.lenient_id("provider_call_id", flags).map(fold_call_sid),
        status: leg.short_text("status", MAX_STATUS_CHARS, flags),
        seconds: leg.number("duration", flags, seconds),
        cost: leg.number("cost", flags, decimal::as_given),
        to_number: leg.short_text("to_number", MAX_NUMBER_CHARS, flags),
        from_number: leg.short_text("from_number", MAX_NUMBER_CHARS, flags),
        recording_url: leg.text("recording_url", flags),
        hangup_by: leg.short_text("hangup_by", MAX_HANGUP_BY_CHARS, flags),
        hangup_reason: leg.text("hangup_reason", flags),
        hangup_provider_code: read_hangup_code(&leg, flags),
        termination_reason: leg.short_text("termination_reason", MAX_REASON_CHARS, flags),
    };
    (!transfer.is_empty()).then_some(transfer)
}
