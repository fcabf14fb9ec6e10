//! Legs beside the call's own dials: transfers to a person, and what else the
//! carrier connects. They have seconds and a price of their own, and add nothing
//! to the call's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::event::{Direction, Event};
use crate::ordered::{Ordered, live_rank};
use crate::serde_text::decimal_text;
use crate::status::{Family, Outcome, StatusClass, named};
use crate::voicemail::note_names_a_machine;

/// What stands before the attempt in the key of a leg that nobody has given an id.
const UNNAMED: &str = "transfer:";

/// How a leg came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegKind {
    /// The agent handed the caller over.
    Transfer,
    /// The carrier says that it belongs to the call, and nobody says why.
    Child,
}

named!(LegKind, "leg kind", { Transfer => "transfer", Child => "child" });

/// A transfer as a record of its call tells it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transfer {
    /// The carrier's id of the leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// The leg's own status, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Seconds of the leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// Its price as reported; nobody says in what unit, so it is no money.
    #[serde(with = "decimal_text", skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// Who was called, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_number: Option<String>,
    /// By which number, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_number: Option<String>,
    /// Where its recording is said to lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_url: Option<String>,
    /// Who hung up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_reason: Option<String>,
    /// The carrier's code for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_provider_code: Option<i64>,
    /// The same in one vocabulary for all carriers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_reason: Option<String>,
}

impl Transfer {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A leg as far as its call's events tell.
#[derive(Debug, Clone, PartialEq)]
pub struct LegState {
    /// The carrier's id; `transfer:` and the attempt for one without.
    pub key: String,
    /// How it came to be.
    pub kind: LegKind,
    /// The leg's winning status, verbatim; `unknown` if none was given.
    pub lifecycle: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Its seconds; `None` if nobody said.
    pub duration_seconds: Option<i64>,
    /// Its price as reported, in a unit that is not documented.
    pub cost_reported: Option<Decimal>,
    /// Who was called, as given.
    pub to_number: Option<String>,
    /// By which number, as given.
    pub from_number: Option<String>,
    /// Where its recording is said to lie.
    pub recording_url: Option<String>,
    /// Who hung up.
    pub hangup_by: Option<String>,
    /// Why.
    pub hangup_reason: Option<String>,
    /// The carrier's code for it.
    pub hangup_provider_code: Option<i64>,
    /// The same in one vocabulary for all carriers.
    pub termination_reason: Option<String>,
    /// First word of the carrier about it; `None` where only the call's own
    /// record tells of the leg, which gives no times.
    pub started_at: Option<DateTime<Utc>>,
    /// The carrier's last word, if that ends the leg.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What one event says about a leg.
struct Word<'a> {
    event: &'a Event,
    /// `None` for a callback of the carrier about the leg itself.
    transfer: Option<&'a Transfer>,
}

/// What orders the words about a leg; as for calls, the last one wins.
type Place<'a> = (StatusClass, bool, DateTime<Utc>, bool, u8, Option<i64>, &'a [u8; 32]);

impl<'a> Word<'a> {
    fn status(&self) -> &'a str {
        match self.transfer {
            Some(transfer) => transfer.status.as_deref().unwrap_or(crate::event::UNKNOWN_STATUS),
            None => &self.event.status,
        }
    }

    fn seconds(&self) -> Option<i64> {
        self.transfer.map_or(self.event.facts.telephony_seconds, |transfer| transfer.seconds)
    }

    /// From and to.
    fn numbers(&self) -> (Option<&'a String>, Option<&'a String>) {
        let facts = &self.event.facts;
        match (self.transfer, facts.direction) {
            (Some(transfer), _) => (transfer.from_number.as_ref(), transfer.to_number.as_ref()),
            (None, Some(Direction::Inbound)) => (facts.customer_number.as_ref(), facts.agent_number.as_ref()),
            (None, _) => (facts.agent_number.as_ref(), facts.customer_number.as_ref()),
        }
    }

    fn recording_url(&self) -> Option<&'a String> {
        match self.transfer {
            Some(transfer) => transfer.recording_url.as_ref(),
            None => self.event.facts.recording_url.as_ref(),
        }
    }

    fn place(&self) -> Place<'a> {
        let status = self.status();
        (
            StatusClass::of(status),
            self.seconds().is_some_and(|seconds| seconds > 0),
            self.event.order_time(),
            Family::of(status) == Some(Family::Completed),
            live_rank(status),
            self.event.facts.sequence_number,
            &self.event.body_sha256,
        )
    }
}

/// All legs, in order of their keys.
pub(crate) fn legs(events: &Ordered<'_>) -> Vec<LegState> {
    let mut words: BTreeMap<String, Vec<Word<'_>>> = BTreeMap::new();
    for (key, word) in transfers(events) {
        words.entry(key).or_default().push(word);
    }
    for event in &events.legs {
        if let Some(sid) = &event.call_sid {
            words.entry(sid.clone()).or_default().push(Word { event, transfer: None });
        }
    }
    words.into_iter().filter_map(|(key, words)| leg_state(key, words)).collect()
}

/// What records tell of transfers, each by the key of its leg.
fn transfers<'a>(events: &Ordered<'a>) -> Vec<(String, Word<'a>)> {
    let told: Vec<(i32, &'a Event, &'a Transfer)> = events
        .calls
        .iter()
        .filter_map(|placed| Some((placed.attempt, placed.event, placed.event.facts.transfer.as_ref()?)))
        .collect();
    let sid_of = |at: usize, attempt: i32| {
        let (attempt_at, _, transfer) = told[at];
        transfer.call_sid.as_deref().filter(|_| attempt_at == attempt)
    };
    let key_of = |at: usize, attempt: i32| {
        // A record that does not name the leg speaks of the one that was named
        // last on this dial, or of the one that will be.
        let named = (0..=at).rev().chain(at + 1..told.len()).find_map(|at| sid_of(at, attempt));
        named.map_or_else(|| format!("{UNNAMED}{attempt}"), str::to_owned)
    };
    told.iter()
        .enumerate()
        .map(|(at, &(attempt, event, transfer))| (key_of(at, attempt), Word { event, transfer: Some(transfer) }))
        .collect()
}

fn leg_state(key: String, mut words: Vec<Word<'_>>) -> Option<LegState> {
    words.sort_by(|a, b| a.place().cmp(&b.place()));
    let winner = words.last()?;
    let duration_seconds = last(&words, Word::seconds);
    let told = |field: fn(&Transfer) -> &Option<String>| last(&words, |word| field(word.transfer?).clone());
    let (hangup_reason, termination_reason) = (told(|t| &t.hangup_reason), told(|t| &t.termination_reason));
    let machine = last(&words, |word| word.event.facts.answered_by_voice_mail.filter(|_| word.transfer.is_none()));
    let notes = [&hangup_reason, &termination_reason];
    let is_voicemail = machine == Some(true) || notes.into_iter().flatten().any(|note| note_names_a_machine(note));
    let talked = duration_seconds.is_some_and(|seconds| seconds > 0);
    let by_carrier = || words.iter().filter(|word| word.transfer.is_none());
    let is_end = |word: &&Word<'_>| StatusClass::of(word.status()) == StatusClass::Terminal;
    Some(LegState {
        kind: if words.iter().any(|word| word.transfer.is_some()) { LegKind::Transfer } else { LegKind::Child },
        lifecycle: winner.status().to_owned(),
        outcome: Outcome::decide(winner.status(), is_voicemail, talked),
        duration_seconds,
        cost_reported: last(&words, |word| word.transfer?.cost),
        to_number: last(&words, |word| word.numbers().1.cloned()),
        from_number: last(&words, |word| word.numbers().0.cloned()),
        recording_url: last(&words, |word| word.recording_url().cloned()),
        hangup_by: told(|transfer| &transfer.hangup_by),
        hangup_provider_code: last(&words, |word| word.transfer?.hangup_provider_code),
        started_at: by_carrier().map(|word| word.event.order_time()).min(),
        ended_at: by_carrier().filter(is_end).map(|word| word.event.order_time()).max(),
        hangup_reason,
        termination_reason,
        key,
    })
}

/// The value in the last of `words` that has one.
fn last<'a, T>(words: &[Word<'a>], field: impl Fn(&Word<'a>) -> Option<T>) -> Option<T> {
    words.iter().rev().find_map(field)
}
