//! The life of one call: its dials, and the webhooks that each of them causes.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::call::{Attempt, Carrier, CostLegs, Ending, Message, PlannedEvent, Stage};
use super::clock::CallClock;
use super::content::{Content, Transfer};
use super::dice::Dice;

const NO_COST: CostLegs = [0; 5];

/// Fraction of talks whose `call-disconnected` is never sent.
const MISSED_SOFT_END: f64 = 0.02;
/// Fraction of talks in which a tool reports before it acts.
const HOOKS: f64 = 0.02;
/// Fraction of longer talks that end with a person, and how long they are at least.
const TRANSFERRED: f64 = 0.05;
const TRANSFERRED_MILLIS: i64 = 20_000;
/// Fraction of talks whose price changes after the end.
const REPRICED: f64 = 0.02;

/// What is decided about a call before its life begins.
pub(super) struct Fate {
    pub(super) carrier: Carrier,
    pub(super) is_inbound: bool,
    pub(super) created_at: DateTime<Utc>,
    /// First dial; `None` where the provider does not tell.
    pub(super) initiated_at: Option<DateTime<Utc>>,
    /// How each dial ends and how long its conversation lasts in milliseconds.
    pub(super) dials: Vec<(Ending, i64)>,
    pub(super) has_callbacks: bool,
}

/// A life being written.
pub(super) struct Script<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) clock: CallClock,
    pub(super) attempts: Vec<Attempt>,
    pub(super) events: Vec<PlannedEvent>,
    /// The last price said.
    pub(super) cost: CostLegs,
    pub(super) content: Content,
    /// What is still to be said of the price: by which attempt, status and legs.
    second_price: Option<(usize, &'static str, CostLegs)>,
}

impl<'a> Script<'a> {
    pub(super) fn new(dice: &'a mut Dice, clock: CallClock) -> Self {
        Self {
            dice,
            clock,
            attempts: Vec::new(),
            events: Vec::new(),
            cost: NO_COST,
            content: Content::default(),
            second_price: None,
        }
    }

    /// Writes the whole life, but for a second price.
    pub(super) fn live(&mut self, fate: &Fate) {
        for (number, &(ending, conversation_millis)) in fate.dials.iter().enumerate() {
            self.wait_for_dial(fate, number, ending, conversation_millis);
            if ending == Ending::StuckWaiting {
                break;
            }
            let is_dialled = self.attempts[number].call_sid.is_some() || fate.carrier == Carrier::Web;
            if is_dialled {
                self.dial(fate, number);
            } else if let Some(status) = ending.status() {
                let at = self.clock.pass(self.dice, 200, 900);
                self.say(at, number, status, Stage::End);
            }
        }
    }

    /// What comes before a dial: waiting, and the dial's own record.
    fn wait_for_dial(&mut self, fate: &Fate, number: usize, ending: Ending, millis: i64) {
        let is_dialled = !matches!(ending, Ending::BalanceLow | Ending::StuckWaiting)
            && (fate.initiated_at.is_some() || fate.is_inbound || fate.carrier == Carrier::Web);
        let call_sid = is_dialled.then(|| self.new_sid(fate.carrier)).flatten();
        self.attempts.push(Attempt {
            ending,
            initiated_at: None,
            call_sid,
            is_sid_late: self.dice.chance(0.3),
            conversation_millis: millis,
            ring_seconds: self.dice.between(1, 12),
        });
        let initiated_at = if number == 0 {
            self.wait_first(fate, ending);
            fate.initiated_at.filter(|_| is_dialled)
        } else {
            let at = self.clock.pass(self.dice, 800, 3_000);
            self.say(at, number, "scheduled", Stage::Waiting);
            let pause = TimeDelta::microseconds(self.dice.between(300_000_000, 1_800_000_000));
            is_dialled.then(|| self.clock.now() + pause)
        };
        if let Some(at) = initiated_at {
            let at = self.clock.reach(at);
            // The first dial's time is the one that was drawn, were it a step too early.
            let written = if number == 0 { fate.initiated_at } else { Some(at) };
            self.attempts[number].initiated_at = written;
        }
    }

    fn wait_first(&mut self, fate: &Fate, ending: Ending) {
        let lead = fate.initiated_at.map_or(TimeDelta::zero(), |at| at - fate.created_at);
        let is_stuck = ending == Ending::StuckWaiting;
        if is_stuck || lead > TimeDelta::minutes(5) {
            let at = self.clock.pass(self.dice, 50, 800);
            self.say(at, 0, "scheduled", Stage::Waiting);
        }
        let is_outbound = !fate.is_inbound && fate.carrier != Carrier::Web;
        if is_stuck || (is_outbound && self.dice.chance(0.2)) {
            let at = self.clock.pass(self.dice, 20, 150);
            self.say(at, 0, "queued", Stage::Waiting);
        }
    }

    fn new_sid(&mut self, carrier: Carrier) -> Option<String> {
        match carrier {
            Carrier::Twilio => Some(format!("CA{}", self.dice.hex())),
            Carrier::Plivo => Some(self.dice.uuid().to_string()),
            Carrier::Web => None,
        }
    }

    /// One dial from its first ring to its price.
    fn dial(&mut self, fate: &Fate, number: usize) {
        let ending = self.attempts[number].ending;
        if self.attempts[number].initiated_at.is_some() {
            let at = self.clock.pass(self.dice, 200, 1_500);
            self.say(at, number, "initiated", Stage::Live);
        }
        if fate.carrier != Carrier::Web {
            let at = self.clock.pass(self.dice, 500, 3_000);
            self.say(at, number, "ringing", Stage::Live);
        }
        if self.attempts[number].conversation_millis > 0 {
            return self.talk(fate, number);
        }
        let (low, high) = match ending {
            Ending::NoAnswer => (20_000, 45_000),
            Ending::Completed => (5_000, 30_000),
            _ => (2_000, 10_000),
        };
        let at = self.clock.pass(self.dice, low, high);
        match ending.status() {
            Some(status) => {
                self.say(at, number, status, Stage::End);
                self.call_back(fate, number, None, at - TimeDelta::seconds(1));
            }
            // It rings for ever, or is picked up without another word.
            None if fate.carrier == Carrier::Web || self.dice.chance(0.5) => {
                self.say(at, number, "in-progress", Stage::Live);
            }
            None => {}
        }
    }

    fn talk(&mut self, fate: &Fate, number: usize) {
        let Attempt { ending, conversation_millis, .. } = self.attempts[number];
        let answered_at = self.clock.pass(self.dice, 2_000, 20_000);
        self.say(answered_at, number, "in-progress", Stage::Live);
        if self.dice.chance(HOOKS) {
            let at = self.clock.pass(self.dice, 5, 200);
            self.say(at, number, "in-progress", Stage::Live);
            if let Some(PlannedEvent { message: Message::Bolna { is_hook, .. }, .. }) = self.events.last_mut() {
                *is_hook = true;
            }
        }
        let dropped_at = self.clock.pass(self.dice, conversation_millis + 100, conversation_millis + 700);
        let Some(status) = ending.status() else {
            self.say(dropped_at, number, "call-disconnected", Stage::SoftEnd);
            return;
        };
        if !self.dice.chance(MISSED_SOFT_END) {
            self.say(dropped_at, number, "call-disconnected", Stage::SoftEnd);
        }
        let (low, high) =
            self.dice.weighted(&[(0.6, (500, 5_000)), (0.35, (5_000, 180_000)), (0.05, (600_000, 800_000))]);
        let at = self.clock.pass(self.dice, low, high);
        self.transfer(fate, ending, conversation_millis);
        self.call_back(fate, number, Some(answered_at), dropped_at);
        self.call_back_of_transfer(fate, number, dropped_at);
        self.cost = draw_cost(self.dice, conversation_millis);
        let is_repriced = status == "completed" && self.dice.chance(REPRICED);
        if is_repriced {
            let mut settled = self.cost;
            settled[0] += self.dice.between(1, 99_999);
            self.second_price = Some((number, status, settled));
        }
        self.say_price(at, number, status, !is_repriced);
    }

    /// Puts a few callers through to a person; that leg's time and price are its own.
    fn transfer(&mut self, fate: &Fate, ending: Ending, conversation_millis: i64) {
        let is_person = ending == Ending::Completed && conversation_millis >= TRANSFERRED_MILLIS;
        if !is_person || fate.carrier == Carrier::Web || !self.dice.chance(TRANSFERRED) {
            return;
        }
        if let Some(call_sid) = self.new_sid(fate.carrier) {
            self.content.transfer = Some(Transfer { call_sid, seconds: self.dice.between(5, 600) });
        }
    }

    /// The carrier reports the leg too: once, when it is over.
    fn call_back_of_transfer(&mut self, fate: &Fate, number: usize, over_at: DateTime<Utc>) {
        let is_reported = fate.has_callbacks && self.attempts[number].initiated_at.is_some();
        let Some(transfer) = self.content.transfer.as_ref().filter(|_| is_reported) else {
            return;
        };
        let message = Message::Twilio {
            attempt: number,
            status: "completed",
            sequence: 0,
            duration_seconds: Some(transfer.seconds),
            is_transfer: true,
        };
        self.events.push(PlannedEvent { at: over_at.trunc_subsecs(0), message });
    }

    /// Says the second price, if there is one, up to three days later.
    pub(super) fn reprice(&mut self, now: DateTime<Utc>) {
        let Some((number, status, settled)) = self.second_price.take() else {
            return;
        };
        let room_ms = (now - self.clock.now()).num_milliseconds() / 2;
        let high = room_ms.min(72 * 3_600_000);
        let at = self.clock.pass(self.dice, high.min(60_000), high);
        self.cost = settled;
        self.say_price(at, number, status, true);
    }

    fn say(&mut self, at: DateTime<Utc>, attempt: usize, status: &'static str, stage: Stage) {
        let message = Message::Bolna { attempt, status, stage, cost: NO_COST, billing_settled: None, is_hook: false };
        self.events.push(PlannedEvent { at, message });
    }

    fn say_price(&mut self, at: DateTime<Utc>, attempt: usize, status: &'static str, is_settled: bool) {
        let message = Message::Bolna {
            attempt,
            status,
            stage: Stage::End,
            cost: self.cost,
            billing_settled: Some(is_settled),
            is_hook: false,
        };
        self.events.push(PlannedEvent { at, message });
    }

    /// The carrier's own callbacks, in whole seconds and all of them earlier
    /// than the platform's last word about the dial.
    fn call_back(&mut self, fate: &Fate, number: usize, answered_at: Option<DateTime<Utc>>, over_at: DateTime<Utc>) {
        let Attempt { ending, conversation_millis, initiated_at, .. } = self.attempts[number];
        let Some(initiated_at) = initiated_at.filter(|_| fate.has_callbacks) else {
            return;
        };
        let status = match ending {
            _ if conversation_millis > 0 => "completed",
            Ending::Busy => "busy",
            Ending::NoAnswer | Ending::Completed => "no-answer",
            Ending::Canceled | Ending::Stopped => "canceled",
            _ => "failed",
        };
        let dialled = (initiated_at + TimeDelta::microseconds(999_999)).trunc_subsecs(0);
        let mut steps = vec![("initiated", dialled), ("ringing", dialled + TimeDelta::seconds(1))];
        steps.extend(answered_at.map(|at| ("in-progress", at.trunc_subsecs(0))));
        steps.push((status, over_at.trunc_subsecs(0)));
        let last = steps.len() - 1;
        let mut latest = dialled;
        for (sequence, (status, at)) in steps.into_iter().enumerate() {
            latest = latest.max(at);
            let line_seconds = if conversation_millis > 0 { conversation_millis / 1000 + 2 } else { 0 };
            let message = Message::Twilio {
                attempt: number,
                status,
                sequence: sequence as u32,
                duration_seconds: (sequence == last).then_some(line_seconds),
                is_transfer: false,
            };
            self.events.push(PlannedEvent { at: latest, message });
        }
    }
}

/// Prices as they are made: by the started minute, by the token, by the second.
fn draw_cost(dice: &mut Dice, conversation_millis: i64) -> CostLegs {
    let minutes = (conversation_millis + 59_999) / 60_000;
    let transcriber = if dice.chance(0.3) { dice.between(0, 99_999) } else { dice.between(0, 50) * 1_000 };
    [dice.between(1, 30) * 1_000, minutes * 37_500, minutes * 200_000, dice.between(10, 400) * 1_000, transcriber]
}
