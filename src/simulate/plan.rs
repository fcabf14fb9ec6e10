//! All calls of a run, decided before the first is sent.

use chrono::{DateTime, TimeDelta, Utc};

use super::SimulateError;
use super::call::{Attempt, Carrier, Ending, Message, PlannedCall, PlannedEvent, TimeForm};
use super::clock::CallClock;
use super::content::{self, Form};
use super::dice::{Dice, Zipf};
use super::moments::Window;
use super::script::{Fate, Script};
use super::stand_in::is_end;
use super::target::{LeadsBy, SimulateOptions, Target};
use crate::ledger::{CallTruth, Dials, Direction, LeadTruth, Outcome};

/// Fraction of the phone calls out that repeat a failed dial by themselves.
const RETRIED: f64 = 0.12;
/// Fraction of the carrier's calls of which the carrier itself reports too.
const CALLBACKS: f64 = 0.3;
/// Fraction of the answered calls that are analysed, and of those twice, and
/// of those before anything else arrives.
const ANALYSED: f64 = 0.6;
const ANALYSED_AGAIN: f64 = 0.08;
const ANALYSED_EARLY: f64 = 0.1;

/// What is drawn from for one tenant.
struct Tenant<'a> {
    place: usize,
    target: &'a Target,
    window: Window,
    agents: Zipf,
    contacts: Zipf,
}

/// The calls of a run, by nothing but the arguments: equal arguments, equal plan.
///
/// # Errors
/// There is no tenant, a tenant without agents or with an unknown zone, or a
/// fraction that is none.
pub fn plan(targets: &[Target], options: &SimulateOptions) -> Result<Vec<PlannedCall>, SimulateError> {
    for fraction in [options.duplicates, options.reorder, options.late, options.withheld] {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(SimulateError::Fraction);
        }
    }
    if targets.is_empty() {
        return Err(SimulateError::NoTargets);
    }
    let tenants = targets
        .iter()
        .enumerate()
        .map(|(place, target)| Tenant::new(place, target, targets.len(), options))
        .collect::<Result<Vec<_>, _>>()?;
    let volume = Zipf::new(tenants.len(), 1.1);
    let calls = (0..options.calls).map(|number| {
        let mut dice = Dice::new(options.seed, number);
        let tenant = &tenants[volume.draw(&mut dice)];
        plan_call(&mut dice, tenant, options)
    });
    Ok(calls.collect())
}

impl<'a> Tenant<'a> {
    fn new(place: usize, target: &'a Target, tenants: usize, options: &SimulateOptions) -> Result<Self, SimulateError> {
        if target.agents.is_empty() {
            return Err(SimulateError::NoAgents(target.user_id));
        }
        let pool = usize::try_from(options.calls).unwrap_or(usize::MAX) / tenants / 3;
        Ok(Self {
            place,
            target,
            window: Window::new(target.zone()?, options.now, options.days),
            agents: Zipf::new(target.agents.len(), 0.8),
            contacts: Zipf::new(pool.clamp(50, 50_000), 1.0),
        })
    }
}

fn plan_call(dice: &mut Dice, tenant: &Tenant<'_>, options: &SimulateOptions) -> PlannedCall {
    let carrier = dice.weighted(&[(0.48, Carrier::Twilio), (0.47, Carrier::Plivo), (0.05, Carrier::Web)]);
    let direction = match carrier {
        Carrier::Web => Direction::Unknown,
        _ if dice.chance(0.2) => Direction::Inbound,
        _ => Direction::Outbound,
    };
    let time_form =
        dice.weighted(&[(0.8, TimeForm::MicrosNoZone), (0.1, TimeForm::MicrosZulu), (0.1, TimeForm::SecondsZulu)]);
    let begin = time_form.cut(tenant.window.draw(dice));
    let fate = draw_fate(dice, tenant, (carrier, direction), (begin, time_form));
    let mut script = Script::new(dice, CallClock::new(time_form, fate.created_at));
    script.live(&fate);
    let lead = analyse(&mut script, tenant.target);
    script.reprice(options.now);
    let Script { attempts, mut events, cost, content, .. } = script;
    events.sort_by_key(|event| event.at);
    let (agent, contact) = (tenant.agents.draw(dice), tenant.contacts.draw(dice));
    let customer_number = format!("+1555{:02}{contact:05}", tenant.place % 100);
    let truth = CallTruth {
        customer: (carrier != Carrier::Web).then(|| customer_number.clone()),
        dials: dials_of(&attempts, &events),
        is_transferred: content.transfer.is_some(),
        ..truth_of(&fate, &attempts, direction, cost.iter().sum(), lead)
    };
    let is_reordered = dice.chance(options.reorder);
    let has_end = |event: &PlannedEvent| is_end(attempts.len(), &event.message);
    let is_withheld = dice.chance(options.withheld) && events.iter().any(has_end);
    let mut sends = order_of_sending(dice, &events, is_reordered, options.duplicates);
    sends.retain(|place| !(is_withheld && has_end(&events[*place])));
    PlannedCall {
        target: tenant.place,
        agent,
        execution_id: dice.uuid(),
        time_form,
        carrier,
        direction,
        customer_number,
        agent_number: format!("+1555{:02}9{:04}", tenant.place % 100, agent % 10_000),
        content,
        created_at: fate.created_at,
        is_retried: fate.dials.len() > 1,
        sends,
        is_reordered,
        is_late: dice.chance(options.late),
        is_withheld,
        attempts,
        events,
        truth,
    }
}

fn draw_fate(
    dice: &mut Dice,
    tenant: &Tenant<'_>,
    (carrier, direction): (Carrier, Direction),
    (begin, time_form): (DateTime<Utc>, TimeForm),
) -> Fate {
    let pulse = i64::from(tenant.target.billing_pulse_seconds);
    let mut dials = vec![draw_dial(dice, carrier, direction, pulse)];
    let ending = dials[0].0;
    if direction == Direction::Outbound && ending != Ending::BalanceLow && dice.chance(RETRIED) {
        for _ in 0..dice.between(1, 3) {
            let failed = dice.pick(&[Ending::NoAnswer, Ending::NoAnswer, Ending::Busy, Ending::Failed]);
            dials.insert(0, (failed, 0));
        }
    }
    let says_initiated = match direction {
        // A call out may be called off before it is dialled.
        Direction::Outbound if dials[0].0 == Ending::Canceled => dice.chance(0.5),
        Direction::Outbound => !matches!(dials[0].0, Ending::BalanceLow | Ending::StuckWaiting),
        Direction::Inbound => dice.chance(0.4),
        Direction::Unknown => dice.chance(0.7),
    };
    let lead_micros = match direction {
        _ if !says_initiated => 0,
        Direction::Outbound if dice.chance(0.15) => dice.between(600_000_000, 5_400_000_000),
        _ => dice.between(200_000, 5_000_000),
    };
    let is_stuck = ending.status().is_none();
    let may_call_back = carrier == Carrier::Twilio && says_initiated && !is_stuck;
    Fate {
        carrier,
        is_inbound: direction == Direction::Inbound,
        created_at: time_form.cut(begin - TimeDelta::microseconds(lead_micros)),
        initiated_at: says_initiated.then_some(begin),
        dials,
        has_callbacks: may_call_back && tenant.target.twilio.is_some() && dice.chance(CALLBACKS),
    }
}

/// How the last dial ends, and its conversation in milliseconds.
fn draw_dial(dice: &mut Dice, carrier: Carrier, direction: Direction, pulse: i64) -> (Ending, i64) {
    const OUTBOUND: [(f64, (Ending, Talk)); 16] = [
        (0.335, (Ending::NoAnswer, Talk::None)),
        (0.015, (Ending::Completed, Talk::None)),
        (0.18, (Ending::Voicemail, Talk::Machine)),
        (0.06, (Ending::Busy, Talk::None)),
        (0.025, (Ending::Failed, Talk::None)),
        (0.007, (Ending::Error, Talk::None)),
        (0.003, (Ending::Error, Talk::Short)),
        (0.005, (Ending::BalanceLow, Talk::None)),
        (0.012, (Ending::Canceled, Talk::None)),
        (0.008, (Ending::Stopped, Talk::None)),
        (0.01, (Ending::Stopped, Talk::Long)),
        (0.005, (Ending::StuckWaiting, Talk::None)),
        (0.005, (Ending::StuckLive, Talk::None)),
        (0.005, (Ending::StuckSoftEnd, Talk::Long)),
        (0.12, (Ending::Completed, Talk::Short)),
        (0.205, (Ending::Completed, Talk::Long)),
    ];
    const INBOUND: [(f64, (Ending, Talk)); 6] = [
        (0.7, (Ending::Completed, Talk::Long)),
        (0.16, (Ending::Completed, Talk::Short)),
        (0.1, (Ending::NoAnswer, Talk::None)),
        (0.02, (Ending::Failed, Talk::None)),
        (0.01, (Ending::StuckLive, Talk::None)),
        (0.01, (Ending::StuckSoftEnd, Talk::Long)),
    ];
    const WEB: [(f64, (Ending, Talk)); 4] = [
        (0.7, (Ending::Completed, Talk::Long)),
        (0.25, (Ending::Completed, Talk::Short)),
        (0.03, (Ending::Error, Talk::None)),
        (0.02, (Ending::StuckLive, Talk::None)),
    ];
    let (ending, talk) = match (carrier, direction) {
        (Carrier::Web, _) => dice.weighted(&WEB),
        (_, Direction::Inbound) => dice.weighted(&INBOUND),
        _ => dice.weighted(&OUTBOUND),
    };
    (ending, talk.draw_millis(dice, pulse))
}

#[derive(Clone, Copy)]
enum Talk {
    None,
    Machine,
    Short,
    Long,
}

impl Talk {
    /// Milliseconds of conversation, mostly in tenths of a second.
    fn draw_millis(self, dice: &mut Dice, pulse_seconds: i64) -> i64 {
        let tenths = match self {
            Self::None => return 0,
            Self::Machine => ((8.0 + 3.0 * dice.normal()) * 10.0).clamp(5.0, 300.0) as i64,
            Self::Short => dice.between(3, 99),
            // On a boundary of minutes or pulses, or next to it.
            Self::Long if dice.chance(0.06) => {
                let unit = dice.pick(&[60, pulse_seconds.max(1)]);
                (dice.between(1, 5) * unit * 10 + dice.between(-1, 1)).max(1)
            }
            Self::Long => {
                let seconds = (4.3 + 0.9 * dice.normal()).exp();
                (seconds.clamp(10.0, 3_600.0) * 10.0) as i64
            }
        };
        let fine = if dice.chance(0.04) { dice.between(1, 99) } else { 0 };
        tenths * 100 + fine
    }
}

fn truth_of(
    fate: &Fate,
    attempts: &[Attempt],
    direction: Direction,
    cost_cent_100_000ths: i64,
    lead: Option<LeadTruth>,
) -> CallTruth {
    let dialled = attempts.iter().filter_map(|attempt| attempt.initiated_at).min();
    let (outcome, conversation_millis) = attempts.last().map_or((Outcome::InProgress, 0), |last| {
        (last.ending.outcome(last.conversation_millis), last.conversation_millis)
    });
    CallTruth {
        started_at: dialled.unwrap_or(fate.created_at),
        outcome,
        direction,
        is_web: fate.carrier == Carrier::Web,
        conversation_millis,
        cost_cent_100_000ths,
        lead,
        customer: None,
        dials: Dials::default(),
        is_transferred: false,
    }
}

/// The dials that reached nobody; of those that the carrier reports, what it says.
fn dials_of(attempts: &[Attempt], events: &[PlannedEvent]) -> Dials {
    let ended = |outcome| {
        let ends = attempts.iter().map(|attempt| attempt.ending.outcome(attempt.conversation_millis));
        ends.filter(|end| *end == outcome).count() as i64
    };
    let is_refused = |event: &&PlannedEvent| {
        matches!(event.message, Message::Twilio { status: "busy" | "no-answer" | "failed" | "canceled", .. })
    };
    Dials {
        busy: ended(Outcome::Busy),
        no_answer: ended(Outcome::NoAnswer),
        failed: ended(Outcome::Failed),
        not_connected: events.iter().filter(is_refused).count() as i64,
    }
}

/// Analyses of an answered call; gives the one that counts.
fn analyse(script: &mut Script<'_>, target: &Target) -> Option<LeadTruth> {
    let last = script.attempts.last()?;
    let is_answered = last.ending.outcome(last.conversation_millis) == Outcome::Answered;
    if !is_answered {
        return None;
    }
    match target.leads_by {
        LeadsBy::Webhook => say_analyses(script, target),
        LeadsBy::Bolna => extract(script, target),
        LeadsBy::Rules => Some(speak(script, target)),
        LeadsBy::OpenAi => {
            let lead = draw_lead(script.dice, target);
            script.content.modelled = Some(lead);
            Some(lead)
        }
    }
}

/// What the agent extracts itself, in one of the forms that have been seen.
fn extract(script: &mut Script<'_>, target: &Target) -> Option<LeadTruth> {
    if !script.dice.chance(ANALYSED) {
        return None;
    }
    let lead = draw_lead(script.dice, target);
    script.content.extraction = Some((lead, script.dice.pick(&Form::ALL)));
    Some(lead)
}

/// What the customer says in so many words.
fn speak(script: &mut Script<'_>, target: &Target) -> LeadTruth {
    let (levels, scores) = content::draw_levels(script.dice, i64::from(target.dimension_scale));
    let clicks = std::array::from_fn(|_| script.dice.chance(0.2));
    script.content.turns = Some(content::turns(levels, clicks));
    LeadTruth { scores, clicks, has_company: false }
}

fn say_analyses(script: &mut Script<'_>, target: &Target) -> Option<LeadTruth> {
    if target.analysis.is_none() || !script.dice.chance(ANALYSED) {
        return None;
    }
    let has_company = script.dice.chance(0.5);
    let at = script.clock.pass(script.dice, 2_000, 90_000);
    let mut lead = say_analysis(script, target, at, has_company);
    if script.dice.chance(ANALYSED_AGAIN) {
        let at = script.clock.pass(script.dice, 60_000, 1_800_000);
        lead = say_analysis(script, target, at, has_company);
    }
    Some(lead)
}

fn say_analysis(script: &mut Script<'_>, target: &Target, at: DateTime<Utc>, has_company: bool) -> LeadTruth {
    let LeadTruth { scores, clicks, .. } = draw_lead(script.dice, target);
    let message = Message::Analysis { scores, clicks, has_company };
    script.events.push(PlannedEvent { at, message });
    LeadTruth { scores, clicks, has_company }
}

fn draw_lead(dice: &mut Dice, target: &Target) -> LeadTruth {
    let (scale, interest) = (f64::from(target.dimension_scale), dice.unit());
    let scores = std::array::from_fn(|_| {
        let part = (interest + 0.2 * dice.normal()).clamp(0.0, 0.999);
        1 + (part * scale) as i64
    });
    let clicks = std::array::from_fn(|_| dice.chance(0.2));
    LeadTruth { scores, clicks, has_company: dice.chance(0.5) }
}

/// Places of the events in the order in which they are sent.
fn order_of_sending(dice: &mut Dice, events: &[PlannedEvent], is_reordered: bool, duplicates: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    let first_analysis = events.iter().position(|event| matches!(event.message, Message::Analysis { .. }));
    if let Some(place) = first_analysis.filter(|_| dice.chance(ANALYSED_EARLY)) {
        order.remove(place);
        order.insert(0, place);
    }
    if is_reordered && order.len() > 1 {
        let tidy = order.clone();
        while order == tidy {
            dice.shuffle(&mut order);
        }
    }
    let (mut sends, mut at_the_end) = (Vec::with_capacity(order.len()), Vec::new());
    for place in order {
        sends.push(place);
        if dice.chance(duplicates) {
            if dice.chance(0.5) { &mut sends } else { &mut at_the_end }.push(place);
        }
    }
    sends.append(&mut at_the_end);
    sends
}
