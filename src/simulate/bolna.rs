//! The voice agent platform's webhook: the whole record of the execution, as it
//! stands at one moment.

use chrono::DateTime;
use chrono::Utc;
use serde_json::{Value, json};

use super::call::{Attempt, Carrier, CostLegs, Ending, Message, PlannedCall, PlannedEvent, Stage, TimeForm};
use super::content;
use super::target::Target;
use super::twilio::PERSON;
use crate::ledger::Direction;

/// A moment of a call, as its webhook shows it.
struct Moment<'a> {
    call: &'a PlannedCall,
    attempt: &'a Attempt,
    number: usize,
    at: DateTime<Utc>,
    status: &'static str,
    stage: Stage,
}

/// The body of a Bolna message; empty for messages of others.
pub(super) fn body(target: &Target, call: &PlannedCall, event: &PlannedEvent) -> String {
    let Message::Bolna { attempt, status, stage, cost, billing_settled, is_hook } = event.message else {
        return String::new();
    };
    let moment = Moment { call, attempt: &call.attempts[attempt], number: attempt, at: event.at, status, stage };
    let mut record = moment.record(&target.agents[call.agent].bolna_agent_id);
    record["billing_settled"] = json!(billing_settled);
    record["total_cost"] = cents(cost.iter().sum());
    if stage == Stage::End && moment.has_talk() {
        record["cost_breakdown"] = breakdown(cost, call.content.transfer.is_some());
        record["usage_breakdown"] = usage(call);
    }
    if call.is_retried {
        moment.add_retries(&mut record);
    }
    if is_hook {
        record["transfer_reason"] = json!("billing");
        record["channel"] = json!("voice");
    }
    record.to_string()
}

impl Moment<'_> {
    fn record(&self, agent_id: &str) -> Value {
        let Self { call, attempt, stage, .. } = *self;
        let is_web = call.carrier == Carrier::Web;
        let time = |at| call.time_form.write(at);
        let initiated_at = attempt.initiated_at.filter(|_| stage > Stage::Waiting).map(time);
        let number = |number: &String| (!is_web).then(|| number.clone());
        let recipient = number(&call.customer_number).filter(|_| call.direction == Direction::Outbound);
        let (extracted_data, agent_extraction) = match stage {
            Stage::End if self.has_talk() => content::extraction(&call.content),
            _ => (Value::Null, Value::Null),
        };
        json!({
            "id": call.execution_id, "agent_id": agent_id, "batch_id": null, "campaign_id": null,
            "created_at": time(call.created_at), "updated_at": time(self.at),
            "scheduled_at": time(call.created_at), "rescheduled_at": null, "initiated_at": initiated_at,
            "status": self.status, "smart_status": null, "answered_by_voice_mail": self.machine_flag(),
            "conversation_duration": self.conversation(), "total_cost": 0, "billing_settled": null,
            "transcript": self.transcript(), "summary": self.summary(), "error_message": self.error(),
            "extracted_data": extracted_data, "agent_extraction": agent_extraction, "custom_extractions": null,
            "usage_breakdown": {}, "cost_breakdown": {}, "workflow_retries": null, "latency_data": null,
            "user_number": number(&call.customer_number), "agent_number": number(&call.agent_number),
            "provider": call.carrier.as_str(),
            "telephony_data": if is_web { Value::Null } else { self.telephony() },
            "transfer_call_data": self.transfer(),
            "context_details": {"recipient_data": null, "recipient_phone_number": recipient},
            "batch_run_details": null,
        })
    }

    fn has_talk(&self) -> bool {
        self.attempt.conversation_millis > 0
    }

    /// Whether the result of the dial is known at this moment.
    fn is_over(&self) -> bool {
        self.stage >= Stage::SoftEnd
    }

    fn conversation(&self) -> Value {
        match self.attempt.conversation_millis {
            millis if self.is_over() && millis % 1000 == 0 => json!(millis / 1000),
            // Read back as the same three decimals, since a double holds fifteen.
            millis if self.is_over() => json!(millis as f64 / 1000.0),
            _ => json!(0),
        }
    }

    fn is_voicemail(&self) -> bool {
        self.attempt.ending == Ending::Voicemail
    }

    /// One in ten machines is only named by the reason for hanging up.
    fn machine_flag(&self) -> Option<bool> {
        let is_named_elsewhere = self.call.execution_id.as_bytes()[0].is_multiple_of(10);
        let is_told = self.stage == Stage::End && self.has_talk();
        match self.is_voicemail() {
            true => (is_told && !is_named_elsewhere).then_some(true),
            false => is_told.then_some(false),
        }
    }

    fn telephony(&self) -> Value {
        let Self { call, attempt, .. } = *self;
        let (from, to) = match call.direction {
            Direction::Inbound => (&call.customer_number, &call.agent_number),
            _ => (&call.agent_number, &call.customer_number),
        };
        let line_seconds = match self.is_over() {
            true if self.has_talk() => (attempt.conversation_millis + 999) / 1000 + attempt.ring_seconds,
            _ => 0,
        };
        let duration = match call.time_form {
            TimeForm::SecondsZulu => json!(line_seconds),
            _ => json!(line_seconds.to_string()),
        };
        let (hangup_by, hangup_reason, hangup_code) = self.hangup();
        json!({
            "duration": duration, "to_number": to, "from_number": from, "recording_url": self.recording(),
            "hosted_telephony": true, "provider_call_id": self.call_sid(),
            "call_type": if call.direction == Direction::Inbound { "inbound" } else { "outbound" },
            "provider": call.carrier.as_str(), "hangup_by": hangup_by, "hangup_reason": hangup_reason,
            "hangup_provider_code": hangup_code, "ring_duration": attempt.ring_seconds, "post_dial_delay": 1,
        })
    }

    /// Early webhooks do not know the sid, or still name that of the last dial.
    fn call_sid(&self) -> Value {
        let attempt = self.attempt;
        match (self.stage, self.status) {
            (Stage::Waiting, _) if attempt.is_sid_late && self.number > 0 => {
                json!(self.call.attempts[self.number - 1].call_sid)
            }
            (Stage::Waiting, _) => json!(""),
            (_, "initiated") if attempt.is_sid_late => json!(""),
            _ => json!(attempt.call_sid),
        }
    }

    fn recording(&self) -> Value {
        match self.stage {
            Stage::SoftEnd => json!(""),
            Stage::End if self.has_talk() => {
                json!(format!("https://api.bolna.ai/recordings/call/{}", self.call.execution_id))
            }
            _ => Value::Null,
        }
    }

    fn hangup(&self) -> (Option<&'static str>, Option<&'static str>, Option<i64>) {
        if !self.is_over() {
            return (None, None, None);
        }
        match self.attempt.ending {
            Ending::Voicemail if self.stage == Stage::End => (Some("Callee"), Some("voicemail_detected"), Some(4000)),
            Ending::NoAnswer => (Some("Carrier"), Some("Call recipient rejected"), None),
            Ending::Completed if !self.has_talk() => (Some("Callee"), Some("Call recipient rejected"), None),
            Ending::Busy => (Some("Carrier"), Some("Call recipient was busy"), Some(3010)),
            Ending::Failed | Ending::Error | Ending::BalanceLow => (Some("Error"), None, None),
            Ending::Canceled | Ending::Stopped => (Some("API Request"), None, None),
            _ => (Some("Callee"), Some("Call recipient hungup"), Some(4000)),
        }
    }

    fn error(&self) -> Option<&'static str> {
        let error = match self.attempt.ending {
            Ending::Failed => "Invalid destination number",
            Ending::Error => "The agent could not be reached",
            Ending::BalanceLow => "The wallet is empty",
            Ending::Stopped => "Stopped by request",
            _ => return None,
        };
        (self.stage == Stage::End).then_some(error)
    }

    fn summary(&self) -> Option<&'static str> {
        let is_told = self.stage == Stage::End && self.has_talk() && !self.is_voicemail();
        is_told.then_some("The caller asked for prices and a call back.")
    }

    fn transcript(&self) -> Option<String> {
        if !self.is_over() || !self.has_talk() {
            return None;
        }
        let mut text = String::from("assistant: Hello, this is the assistant of Example Ltd.\n");
        if self.is_voicemail() {
            text.push_str("user:  You have reached our mailbox. Leave your message after the beep.\n");
            return Some(text);
        }
        if let Some(turns) = &self.call.content.turns {
            for turn in turns {
                text.push_str("user:  ");
                text.push_str(turn);
                text.push_str("\nassistant:  I see.\n");
            }
            return Some(text);
        }
        if self.call.content.modelled.is_some() {
            // By this the model's stand-in knows the call.
            text.push_str(&format!("assistant:  Your reference is {}.\n", self.call.execution_id));
        }
        for _ in 0..(self.attempt.conversation_millis / 10_000).clamp(1, 40) {
            text.push_str("user:  Yes, tell me more about it.\n");
            text.push_str("assistant:  Of course. Which of the two would suit you better?\n");
        }
        Some(text)
    }

    /// The leg to a person, once the call is over: with a price and seconds of its own.
    fn transfer(&self) -> Value {
        let Some(transfer) =
            self.call.content.transfer.as_ref().filter(|_| self.stage == Stage::End && self.has_talk())
        else {
            return Value::Null;
        };
        json!({
            "provider_call_id": transfer.call_sid, "status": "completed", "duration": transfer.seconds.to_string(),
            "cost": 1.25, "from_number": self.call.agent_number, "to_number": PERSON, "recording_url": null,
            "hangup_by": "Callee", "hangup_reason": "Call recipient hungup", "hangup_provider_code": 4000,
            "termination_reason": null,
        })
    }

    fn add_retries(&self, record: &mut Value) {
        let ends = self.call.events.iter().filter_map(|event| match event.message {
            Message::Bolna { attempt, status, stage: Stage::End, .. } if attempt < self.number => {
                Some(json!({"attempt": attempt + 1, "status": status, "at": self.call.time_form.write(event.at)}))
            }
            _ => None,
        });
        record["retry_count"] = json!(self.number);
        record["retry_history"] = ends.collect();
        record["retry_config"] = json!({
            "enabled": true, "max_retries": 3, "retry_on_statuses": ["no-answer", "busy", "failed"],
        });
    }
}

/// A price in cents, exact: the double nearest to it is written as it is.
fn cents(cent_100_000ths: i64) -> Value {
    json!(cent_100_000ths as f64 / 100_000.0)
}

/// The price of a transfer is told beside the five legs, and is in no sum.
fn breakdown([llm, network, platform, synthesizer, transcriber]: CostLegs, is_transferred: bool) -> Value {
    let transfer = if is_transferred { 1.25 } else { 0.0 };
    json!({
        "llm": cents(llm), "network": cents(network), "platform": cents(platform),
        "synthesizer": cents(synthesizer), "transcriber": cents(transcriber), "transfer_cost": transfer,
        "llm_breakdown": {"conversation": cents(llm), "extraction": 0, "summarization": 0},
    })
}

fn usage(call: &PlannedCall) -> Value {
    let characters = 100 + u32::from(call.execution_id.as_bytes()[1]) * 7;
    json!({
        "llmModel": {"model-x": {"input": 1397, "output": 23}}, "llmTokens": 0,
        "synthesizer_model": "voice-x", "synthesizer_characters": characters, "transcriber_duration": 0,
    })
}
