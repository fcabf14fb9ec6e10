//! What each phrase means. A change here changes analyses: say so in the release notes.

use super::heard;
use super::words::Sentence;

/// The dimensions that are read from phrases; engagement is counted.
#[derive(Clone, Copy)]
pub(super) enum Dimension {
    Intent,
    Urgency,
    Budget,
    Fit,
}

/// Whoever says one of these has the lowest intent, and is cold.
pub(super) const REFUSALS: &[&str] = &[
    "not interested",
    "no interest",
    "stop calling",
    "do not call",
    "dont call",
    "remove me",
    "remove my number",
    "take me off",
    "wrong number",
];

/// Levels 1, 2 and 3.
type Levels = [&'static [&'static str]; 3];

const INTENT: Levels = [
    &["just looking", "maybe later", "not now", "not sure", "no thanks", "no thank you"],
    &[
        "interested",
        "tell me more",
        "more information",
        "more details",
        "how does it work",
        "considering",
        "comparing",
        "curious",
    ],
    &[
        "i want",
        "we want",
        "i need",
        "we need",
        "sign up",
        "sign me up",
        "want to buy",
        "like to buy",
        "place an order",
        "book a demo",
        "schedule a demo",
        "lets do it",
        "lets go ahead",
        "go ahead",
        "send me the contract",
        "ready to start",
        "when can we start",
    ],
];
const URGENCY: Levels = [
    &["no hurry", "no rush", "not urgent", "next year", "some day", "not now"],
    &["this month", "next month", "next week", "this quarter", "in a few weeks", "in two weeks"],
    &[
        "urgent",
        "urgently",
        "asap",
        "as soon as possible",
        "immediately",
        "right away",
        "today",
        "tomorrow",
        "this week",
        "right now",
    ],
];
const BUDGET: Levels = [
    &["too expensive", "cant afford", "cannot afford", "no budget", "no money", "not in the budget", "out of budget"],
    &[
        "how much",
        "price",
        "prices",
        "pricing",
        "cost",
        "costs",
        "discount",
        "rates",
        "cheaper",
        "depends on the price",
    ],
    &[
        "budget is",
        "have a budget",
        "have the budget",
        "within budget",
        "in our budget",
        "price is fine",
        "price works",
        "can pay",
        "can afford",
    ],
];
const FIT: Levels = [
    &["wrong number", "not for us", "not for me", "dont need", "do not need", "already have", "not relevant"],
    &[
        "looking for",
        "we use",
        "we are using",
        "our business",
        "our company",
        "our team",
        "my business",
        "our customers",
        "my company",
    ],
    &[
        "exactly what",
        "just what we need",
        "what we need",
        "perfect for",
        "fits our",
        "good fit",
        "we need",
        "need this",
        "need something like",
    ],
];

/// Pricing, demonstration, call back, sample, a person.
pub(super) const FLAGS: [&[&str]; 5] = [
    &["price", "prices", "pricing", "cost", "costs", "how much", "quote", "quotation", "rates"],
    &["demo", "demonstration", "show me how", "walk me through"],
    &[
        "call me back",
        "call back",
        "call me later",
        "call me tomorrow",
        "call me again",
        "follow up",
        "get back to me",
        "call later",
    ],
    &["sample", "samples", "free trial", "trial", "try it"],
    &[
        "real person",
        "a human",
        "speak to someone",
        "talk to someone",
        "speak to a person",
        "talk to a person",
        "your manager",
        "an agent",
    ],
];

impl Dimension {
    pub(super) const ALL: [Dimension; 4] = [Dimension::Intent, Dimension::Urgency, Dimension::Budget, Dimension::Fit];

    pub(super) fn name(self) -> &'static str {
        match self {
            Dimension::Intent => "intent",
            Dimension::Urgency => "urgency",
            Dimension::Budget => "budget",
            Dimension::Fit => "fit",
        }
    }

    fn levels(self) -> Levels {
        match self {
            Dimension::Intent => INTENT,
            Dimension::Urgency => URGENCY,
            Dimension::Budget => BUDGET,
            Dimension::Fit => FIT,
        }
    }

    /// The highest level of which a phrase was said, with those phrases; none if
    /// nothing was said. What is denied in so many words (`too expensive`) wins over
    /// a mere question (`how much`), so level 1 beats level 2.
    pub(super) fn level(self, sentences: &[Sentence], refused: bool) -> (Option<i32>, Vec<&'static str>) {
        if refused && matches!(self, Dimension::Intent) {
            return (Some(1), heard(sentences, REFUSALS));
        }
        let [low, middle, high] = self.levels().map(|phrases| heard(sentences, phrases));
        for (level, said) in [(3, high), (1, low), (2, middle)] {
            if !said.is_empty() {
                return (Some(level), said);
            }
        }
        (None, Vec::new())
    }
}
