//! Random histories of calls as the bodies that providers send: retries, twins of
//! the carrier, child legs, transfers, analyses, and bad fields.
//!
//! Needs nothing but JSON, so that the tests of the model can include it as it is.
//! The same seed and number give the same history. Whatever the order, the events
//! of a history belong to one call: each sid that the carrier speaks of is named
//! by a record, or is the child of one that is.

use serde_json::{Value, json};

/// Whose calls they are.
#[derive(Debug, Clone)]
pub struct Party {
    /// The provider's ids of the tenant's agents.
    pub agents: Vec<String>,
    /// The number that the agents call from.
    pub number: String,
    /// The tenant's account at the carrier.
    pub account_sid: String,
}

/// One call, as it is told.
#[derive(Debug, Clone)]
pub struct History {
    /// The execution that all of it is.
    pub execution_id: String,
    /// Bodies in the order in which they came about; a few are equal.
    pub deliveries: Vec<Delivery>,
}

/// One webhook.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// `bolna`, `twilio` or `analysis`.
    pub provider: &'static str,
    /// What is sent.
    pub body: String,
}

/// A source of chance (splitmix64) that is the same everywhere.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Throws that depend on both numbers.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.bits();
        dice
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `below`, which it never is.
    pub fn below(&mut self, below: usize) -> usize {
        (self.bits() % below.max(1) as u64) as usize
    }

    /// True in `percent` of a hundred throws.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

const STATUSES: [&str; 18] = [
    "scheduled",
    "prepared",
    "queued",
    "rescheduled",
    "initiated",
    "ringing",
    "in-progress",
    "call-disconnected",
    "completed",
    "completed",
    "no-answer",
    "busy",
    "failed",
    "error",
    "canceled",
    "stopped",
    "balance-low",
    "dialing",
];

const CALLBACKS: [&str; 9] =
    ["queued", "initiated", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"];

const NOTES: [&str; 4] = ["", "Call recipient hungup", "voicemail_detected", "Normal Hangup"];

const TRANSCRIPTS: [&str; 4] = [
    "",
    "assistant: Hello\nuser:  hi\n",
    "assistant: Hello\nuser:  hi\nassistant: Is this a good time?\n",
    "user:  You have reached the mailbox. Leave your message at the tone.\n",
];

/// A field and something that it must not hold.
fn bad_fields() -> [(&'static str, Value); 24] {
    [
        ("conversation_duration", json!(-1)),
        ("conversation_duration", json!("abc")),
        ("conversation_duration", json!(1e9)),
        ("total_cost", json!(-3.5)),
        ("total_cost", json!("3,54")),
        ("cost_breakdown", json!([1])),
        ("cost_breakdown", json!({ "llm": -1, "gold": 2, "silver": null })),
        ("retry_count", json!(7)),
        ("retry_count", json!("x")),
        ("retry_history", json!("no-answer")),
        ("retry_history", json!([{ "attempt": 9, "status": "busy" }, 7])),
        ("created_at", json!("1970-01-01T00:00:00")),
        ("created_at", json!(1_772_532_672)),
        ("updated_at", json!(null)),
        ("updated_at", json!("yesterday")),
        ("updated_at", json!("2036-01-01T00:00:00Z")),
        ("initiated_at", json!("2026-02-30T10:11:12Z")),
        ("transcript", json!([{ "role": "user", "text": "hi" }])),
        ("summary", json!({ "a": 1 })),
        ("status", json!(42)),
        ("usage_breakdown", json!(7)),
        ("transfer_call_data", json!("none")),
        ("context_details", json!([])),
        ("answered_by_voice_mail", json!("perhaps")),
    ]
}

/// The history of a number; the same every time.
pub fn history(seed: u64, number: u64, party: &Party) -> History {
    let mut dice = Dice::new(seed, number);
    let mut teller = Teller {
        execution_id: format!("{:08x}-0000-4000-8000-{number:012x}", seed & 0xffff_ffff),
        agent: dice.pick(&party.agents).clone(),
        customer: format!("+1202555{:04}", dice.below(300)),
        sid_prefix: format!("{seed:016x}{number:012x}"),
        party,
        kind: dice.pick::<&str>(&["outbound", "outbound", "outbound", "inbound", "web"]),
        deliveries: Vec::new(),
        dice,
    };
    teller.tell();
    History { execution_id: teller.execution_id, deliveries: teller.deliveries }
}

struct Teller<'a> {
    dice: Dice,
    party: &'a Party,
    execution_id: String,
    agent: String,
    customer: String,
    /// What this call's sids have in common, 28 hex digits.
    sid_prefix: String,
    kind: &'static str,
    deliveries: Vec<Delivery>,
}

impl Teller<'_> {
    fn tell(&mut self) {
        let attempts = *self.dice.pick(&[1, 1, 1, 2, 3, 4]);
        for attempt in 0..attempts {
            self.tell_dial(attempt);
        }
        if self.dice.percent(40) {
            for _ in 0..=self.dice.below(2) {
                self.analysis();
            }
        }
        // Somebody always says whose call it is.
        let last = self.record("ringing", attempts - 1, None);
        self.send("bolna", last.to_string());
    }

    fn tell_dial(&mut self, attempt: usize) {
        let has_carrier = self.kind != "web" && self.dice.percent(60);
        let leg = (self.kind != "web" && self.dice.percent(25)).then(|| self.leg_sid(attempt, 0));
        for _ in 0..=self.dice.below(4) {
            let status = *self.dice.pick(&STATUSES);
            let mut record = self.record(status, attempt, leg.as_deref());
            if self.dice.percent(10) {
                let (key, value) = self.dice.pick(&bad_fields()).clone();
                record[key] = value;
            }
            if self.dice.percent(3) {
                record["agent_id"] = Value::Null;
            }
            self.send("bolna", record.to_string());
        }
        if has_carrier {
            self.tell_carriers_side(attempt, leg.as_deref());
        }
    }

    /// Callbacks of the dial, of its legs and of theirs, and the record that names them.
    fn tell_carriers_side(&mut self, attempt: usize, leg: Option<&str>) {
        let sid = self.sid(attempt);
        let naming = self.record("ringing", attempt, leg).to_string();
        self.send("bolna", naming);
        for _ in 0..=self.dice.below(2) {
            self.callback(&sid, None);
        }
        if let Some(leg) = leg {
            // The platform may have dialled it by itself.
            let parent = self.dice.percent(50).then_some(sid.as_str());
            self.callback(leg, parent);
        }
        if self.dice.percent(20) {
            let child = self.leg_sid(attempt, 1);
            self.callback(&child, Some(&sid));
            self.callback(&child, Some(&sid));
            if self.dice.percent(30) {
                let grandchild = self.leg_sid(attempt, 2);
                self.callback(&grandchild, Some(&child));
            }
        }
    }

    fn sid(&self, attempt: usize) -> String {
        format!("CA{}{attempt:04x}", self.sid_prefix)
    }

    fn leg_sid(&self, attempt: usize, leg: usize) -> String {
        format!("CA{}f{leg:x}{attempt:02x}", self.sid_prefix)
    }

    /// Few moments, so that many events tie.
    fn moment(&mut self) -> (usize, usize) {
        (11 + self.dice.below(3), *self.dice.pick(&[0, 5, 10, 50]))
    }

    /// The record of the execution; sometimes it knows no sid, or still the last dial's.
    fn record(&mut self, status: &str, attempt: usize, leg: Option<&str>) -> Value {
        let (minute, second) = self.moment();
        let talk = self.dice.pick(&[json!(0), json!(null), json!(0.4), json!(27.2), json!("61"), json!(200)]).clone();
        let mut record = json!({
            "id": self.execution_id, "agent_id": self.agent, "status": status, "retry_count": attempt,
            "created_at": "2026-03-03T10:11:08.193399", "updated_at": format!("2026-03-03T10:{minute}:{second:02}.000000"),
            "initiated_at": self.dice.pick(&[json!(null), json!("2026-03-03T10:11:09.551200"), json!("2026-03-03T10:11:10Z")]),
            "conversation_duration": talk, "total_cost": self.dice.pick(&[json!(0), json!(3.54), json!("5.25"), json!(null)]),
            "cost_breakdown": self.dice.pick(&[json!({}), json!({ "llm": 3.54 }), json!({ "llm": 1, "magic": 2.5 })]),
            "billing_settled": self.dice.pick(&[json!(null), json!(false), json!(true)]),
            "transcript": self.dice.pick(&TRANSCRIPTS), "summary": self.dice.pick(&["", "", "Asked for prices."]),
            "answered_by_voice_mail": self.dice.pick(&[json!(null), json!(null), json!(false), json!(true)]),
        });
        self.add_line(&mut record, attempt, status == "ringing");
        self.add_details(&mut record, attempt);
        if let Some(leg) = leg {
            record["transfer_call_data"] = self.transfer(leg, status == "ringing");
        }
        record
    }

    fn add_line(&mut self, record: &mut Value, attempt: usize, names_sid: bool) {
        if self.kind == "web" {
            record["provider"] = json!("web-call");
            return;
        }
        let sid = match (names_sid, self.dice.below(4)) {
            (false, 0) => String::new(),
            (false, 1) if attempt > 0 => self.sid(attempt - 1),
            _ => self.sid(attempt),
        };
        let customer = match self.dice.below(12) {
            0 => "anonymous".to_owned(),
            1 => String::new(),
            2 => "+12025559999".to_owned(),
            _ => self.customer.clone(),
        };
        let (from, to) = match self.kind {
            "inbound" => (customer, self.party.number.clone()),
            _ => (self.party.number.clone(), customer),
        };
        record["telephony_data"] = json!({
            "call_type": self.dice.pick(&[self.kind, self.kind, self.kind, ""]), "provider_call_id": sid,
            "from_number": from, "to_number": to, "duration": self.dice.pick(&[json!("28"), json!(28), json!(""), json!("1:02")]),
            "recording_url": self.dice.pick(&[json!(null), json!(""), json!("https://r/1"), json!("https://r/2")]),
            "hangup_by": self.dice.pick(&["", "Callee", "Carrier"]), "hangup_reason": self.dice.pick(&NOTES),
            "hangup_provider_code": self.dice.pick(&[json!(null), json!(4000), json!("3010")]),
        });
    }

    fn add_details(&mut self, record: &mut Value, attempt: usize) {
        if self.dice.percent(30) && attempt > 0 {
            let at = *self.dice.pick(&["2026-03-03T10:11:30Z", "", "2026-03-03T10:12:30Z"]);
            let dials = (1..=attempt).map(|n| json!({ "attempt": n, "status": self.dice.pick(&CALLBACKS), "at": at }));
            record["retry_history"] = dials.collect();
        }
        if self.dice.percent(30) {
            record["scheduled_at"] = json!(self.dice.pick(&["2026-03-03T10:11:08.193376", "2026-03-03T10:42:00Z", ""]));
            record["batch_id"] = json!(self.dice.pick(&["", "b-1", "b-2"]));
            record["campaign_id"] = json!(self.dice.pick(&["", "c-1", "c-2"]));
            record["termination_reason"] = json!(self.dice.pick(&["", "caller_hangup", "agent_hangup"]));
            record["retry_config"] = json!({ "enabled": self.dice.percent(50), "max_retries": self.dice.below(4) });
        }
        if self.dice.percent(30) {
            let email = *self.dice.pick(&["", "asha@example.org", "ben@example.org", "unknown@example.com"]);
            record["context_details"] =
                json!({ "recipient_data": { "name": self.dice.pick(&["", "Asha", "Ben"]), "email": email } });
            record["usage_breakdown"] = json!({
                "llmModel": { *self.dice.pick(&["model-x", "model-y"]): { "input": self.dice.below(9), "output": 1 } },
                "llm_tokens": self.dice.pick(&[json!(null), json!(10), json!(20)]),
                "synthesizer_provider": self.dice.pick(&["", "voices"]), "transcriber_duration": 7.5,
                "llm_usage_breakdown": { "conversation": { "provider": self.dice.pick(&["", "minds"]) } },
            });
        }
    }

    fn transfer(&mut self, leg: &str, names_sid: bool) -> Value {
        let sid = if names_sid || self.dice.percent(70) { json!(leg) } else { json!(null) };
        json!({
            "provider_call_id": sid, "status": self.dice.pick(&[json!(null), json!("completed"), json!("busy"), json!("in-progress")]),
            "duration": self.dice.pick(&[json!(""), json!("0"), json!("95"), json!(7)]),
            "cost": self.dice.pick(&[json!(null), json!(0.012), json!("1.50"), json!(-1)]),
            "to_number": self.dice.pick(&["", "+12025550177"]), "from_number": self.party.number,
            "hangup_reason": self.dice.pick(&NOTES), "termination_reason": self.dice.pick(&["", "done"]),
        })
    }

    fn callback(&mut self, sid: &str, parent: Option<&str>) {
        let (minute, second) = self.moment();
        let status = *self.dice.pick(&CALLBACKS);
        let (customer, agent) = (in_form(&self.customer), in_form(&self.party.number));
        let direction = if parent.is_some() { "outbound-dial" } else { *self.dice.pick(&["outbound-api", "inbound"]) };
        let (from, to) = if direction == "inbound" { (customer, agent) } else { (agent, customer) };
        let mut form = format!(
            "AccountSid={}&CallSid={sid}&CallStatus={status}&Direction={direction}&From={from}&To={to}\
             &Timestamp=Tue%2C+03+Mar+2026+10%3A{minute}%3A{second:02}+%2B0000",
            self.party.account_sid
        );
        if let Some(parent) = parent {
            form.push_str(&format!("&ParentCallSid={parent}"));
        }
        if self.dice.percent(70) {
            let seconds = self.dice.pick(&["0", "7", "95", "-1", ""]);
            form.push_str(&format!("&CallDuration={seconds}&Duration=1&SequenceNumber={}", self.dice.below(4)));
        }
        if self.dice.percent(10) {
            form.push_str(&format!("&AnsweredBy={}", self.dice.pick(&["human", "machine_start", "fax"])));
        }
        self.send("twilio", form);
    }

    fn analysis(&mut self) {
        let (minute, second) = self.moment();
        let body = json!({
            "execution_id": self.execution_id, "analysis_type": "individual",
            "analyzed_at": format!("2026-03-03T10:{minute}:{second:02}Z"),
            "analysis": { "intent_score": self.dice.below(4), "total_score": self.dice.below(16) },
        });
        self.send("analysis", body.to_string());
    }

    fn send(&mut self, provider: &'static str, body: String) {
        self.deliveries.push(Delivery { provider, body });
    }
}

/// A number as a form writes it.
fn in_form(number: &str) -> String {
    number.replace('+', "%2B")
}
