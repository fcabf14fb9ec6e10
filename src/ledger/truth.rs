//! One call as its maker knows it, and what must be counted for it. The
//! arithmetic is written out here on purpose: it must share nothing with the
//! code that it is used to check.

use chrono::{DateTime, Utc};

use super::figures::Figures;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    Voicemail,
    NoAnswer,
    Busy,
    Failed,
    Cancelled,
    InProgress,
}

/// Who called whom; `Unknown` where the provider does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    Outbound,
    Unknown,
}

/// What a tenant pays, and when it calls a lead good.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub billing_pulse_seconds: i64,
    pub credits_per_minute_micros: i64,
    /// The full total score; thresholds are percentages of it.
    pub score_scale: i64,
    pub hot_threshold_percent: i64,
    pub warm_threshold_percent: i64,
    pub cold_threshold_percent: i64,
}

/// The analysis that counts: the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadTruth {
    /// Intent, urgency, budget, fit, engagement.
    pub scores: [i64; 5],
    /// Pricing, demo, follow-up, sample, escalated to a person.
    pub clicks: [bool; 5],
    pub has_company: bool,
}

/// The call as it is once all its events are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTruth {
    /// Earliest dial, else creation.
    pub started_at: DateTime<Utc>,
    pub outcome: Outcome,
    pub direction: Direction,
    pub is_web: bool,
    /// Conversation of the final attempt, in milliseconds.
    pub conversation_millis: i64,
    /// The provider's final price in 1/100,000 of a cent.
    pub cost_cent_100_000ths: i64,
    pub lead: Option<LeadTruth>,
    /// The customer's number; none in a browser.
    pub customer: Option<String>,
    pub dials: Dials,
    /// Whether the caller was put through to a person: a leg of its own.
    pub is_transferred: bool,
}

/// Dials of a call that reached nobody, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dials {
    pub busy: i64,
    pub no_answer: i64,
    pub failed: i64,
    /// Those that the carrier itself says were not connected.
    pub not_connected: i64,
}

impl CallTruth {
    /// Whole seconds of conversation, rounded down.
    pub fn talk_seconds(&self) -> i64 {
        self.conversation_millis / 1000
    }

    /// Micro-credits charged: started pulses at the price per minute, half up.
    /// A call that is not over is not charged.
    pub fn credits_micros(&self, terms: &Terms) -> i64 {
        if self.outcome == Outcome::InProgress {
            return 0;
        }
        let pulses = self.talk_seconds().div_ceil_by(terms.billing_pulse_seconds);
        let sixtieths = pulses * terms.billing_pulse_seconds * terms.credits_per_minute_micros;
        (sixtieths + 30) / 60
    }

    /// The price in micro-units: a cent is 10,000 of them; half up.
    pub fn cost_micros(&self) -> i64 {
        (self.cost_cent_100_000ths + 5) / 10
    }

    /// What this one call adds to every bucket that it lies in.
    pub fn figures(&self, terms: &Terms) -> Figures {
        let one_if = i64::from;
        let is = |outcome| one_if(self.outcome == outcome);
        let mut figures = Figures {
            total_calls: 1,
            successful_calls: is(Outcome::Answered),
            voicemail_calls: is(Outcome::Voicemail),
            no_answer_calls: is(Outcome::NoAnswer),
            busy_calls: is(Outcome::Busy),
            failed_outcome_calls: is(Outcome::Failed),
            cancelled_calls: is(Outcome::Cancelled),
            in_progress_calls: is(Outcome::InProgress),
            inbound_calls: one_if(self.direction == Direction::Inbound),
            outbound_calls: one_if(self.direction == Direction::Outbound),
            phone_calls: one_if(!self.is_web),
            internet_calls: one_if(self.is_web),
            total_duration_minutes: self.talk_seconds().div_ceil_by(60),
            talk_seconds: self.talk_seconds(),
            credits_micros: self.credits_micros(terms),
            cost_micros: self.cost_micros(),
            ..Figures::default()
        };
        if let Some(lead) = &self.lead {
            lead.add_to(&mut figures, terms);
        }
        figures
    }
}

impl LeadTruth {
    fn add_to(&self, figures: &mut Figures, terms: &Terms) {
        let [intent, urgency, budget, fit, engagement] = self.scores;
        let [pricing, demo, followup, sample, human] = self.clicks.map(i64::from);
        let total = intent + urgency + budget + fit + engagement;
        let reaches = |percent: i64| total * 100 >= percent * terms.score_scale;
        let band = if reaches(terms.hot_threshold_percent) {
            &mut figures.hot_leads
        } else if reaches(terms.warm_threshold_percent) {
            &mut figures.warm_leads
        } else if reaches(terms.cold_threshold_percent) {
            &mut figures.cold_leads
        } else {
            &mut figures.unqualified_leads
        };
        *band = 1;
        figures.leads_generated = 1;
        figures.leads_with_company = i64::from(self.has_company);
        figures.intent_score_sum = intent;
        figures.urgency_score_sum = urgency;
        figures.budget_score_sum = budget;
        figures.fit_score_sum = fit;
        figures.engagement_score_sum = engagement;
        figures.total_score_sum = total;
        figures.cta_pricing_clicks = pricing;
        figures.cta_demo_clicks = demo;
        figures.cta_followup_clicks = followup;
        figures.cta_sample_clicks = sample;
        figures.cta_human_escalations = human;
        figures.leads_with_cta = i64::from(self.clicks.contains(&true));
    }
}

/// Division of what is not negative, rounded up.
trait DivCeilBy {
    fn div_ceil_by(self, divisor: i64) -> i64;
}

impl DivCeilBy for i64 {
    fn div_ceil_by(self, divisor: i64) -> i64 {
        (self + divisor - 1) / divisor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(pulse: i64, price: i64) -> Terms {
        Terms {
            billing_pulse_seconds: pulse,
            credits_per_minute_micros: price,
            score_scale: 15,
            hot_threshold_percent: 80,
            warm_threshold_percent: 60,
            cold_threshold_percent: 40,
        }
    }

    fn call(outcome: Outcome, conversation_millis: i64) -> CallTruth {
        CallTruth {
            started_at: DateTime::UNIX_EPOCH,
            outcome,
            direction: Direction::Outbound,
            is_web: false,
            conversation_millis,
            cost_cent_100_000ths: 354_225,
            lead: None,
            customer: None,
            dials: Dials::default(),
            is_transferred: false,
        }
    }

    #[test]
    fn pulses_are_charged_as_documented() {
        for (millis, pulse, credits) in [
            (200_000, 30, 3_500_000),
            (135_000, 20, 2_333_333),
            (133_900, 60, 3_000_000),
            (60_900, 60, 1_000_000),
            (61_000, 60, 2_000_000),
            (900, 60, 0),
        ] {
            let call = call(Outcome::Answered, millis);
            assert_eq!(call.credits_micros(&terms(pulse, 1_000_000)), credits, "{millis} {pulse}");
        }
        let stopped = call(Outcome::Cancelled, 7_000);
        assert_eq!(stopped.credits_micros(&terms(60, 1_000_000)), 1_000_000);
        let running = call(Outcome::InProgress, 7_000);
        assert_eq!(running.credits_micros(&terms(60, 1_000_000)), 0);
        // 1 pulse of 1 s at 30 micros a minute is half a micro.
        assert_eq!(call(Outcome::Answered, 1_000).credits_micros(&terms(1, 30)), 1);
        assert_eq!(call(Outcome::Answered, 1_000).credits_micros(&terms(1, 29)), 0);
    }

    #[test]
    fn prices_round_half_up() {
        assert_eq!(call(Outcome::Answered, 1).cost_micros(), 35_423);
    }

    #[test]
    fn leads_fall_into_bands_by_percentage() {
        for (scores, hot, warm, cold, unqualified) in [
            ([3, 3, 2, 2, 2], 1, 0, 0, 0),
            ([3, 3, 2, 2, 1], 0, 1, 0, 0),
            ([2, 2, 2, 2, 1], 0, 1, 0, 0),
            ([2, 2, 2, 1, 1], 0, 0, 1, 0),
            ([1, 1, 1, 1, 1], 0, 0, 0, 1),
        ] {
            let mut call = call(Outcome::Answered, 1);
            call.lead = Some(LeadTruth { scores, clicks: [false; 5], has_company: false });
            let f = call.figures(&terms(60, 1));
            let bands = (f.hot_leads, f.warm_leads, f.cold_leads, f.unqualified_leads);
            assert_eq!(bands, (hot, warm, cold, unqualified), "{scores:?}");
        }
    }
}
