//! The figures that are compared, by the names of their columns.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Declares the figures once: as a sum that can grow, and as a row that the
/// database gives back. `query_file_as!` checks the names and types of the latter.
macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Exact sums over calls: counts, seconds, minutes, and money in micro-units.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Figures { $($(#[$doc])* pub $name: i64),+ }

        impl Figures {
            /// Every figure with its name, in the order of declaration.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, i64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }

            /// Adds `other` to each figure.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }
        }

        /// A row of `user_analytics` or `agent_analytics`.
        pub(super) struct StoredRow {
            pub(super) user_id: Uuid,
            pub(super) agent_id: Option<Uuid>,
            pub(super) grain: String,
            pub(super) bucket_start: DateTime<Utc>,
            $(pub(super) $name: i64),+
        }

        impl StoredRow {
            pub(super) fn figures(&self) -> Figures {
                Figures { $($name: self.$name),+ }
            }
        }
    };
}

figures! {
    total_calls,
    /// Answered by a person.
    successful_calls,
    voicemail_calls,
    no_answer_calls,
    busy_calls,
    failed_outcome_calls,
    cancelled_calls,
    in_progress_calls,
    /// Calls of which it was said that the customer called.
    inbound_calls,
    /// Calls of which it was said that the agent called.
    outbound_calls,
    phone_calls,
    internet_calls,
    /// Started minutes, rounded up call by call.
    total_duration_minutes,
    /// Whole seconds of conversation, rounded down call by call.
    talk_seconds,
    /// Micro-credits charged.
    credits_micros,
    /// The provider's price in micro-units of the account's currency.
    cost_micros,
    leads_generated,
    hot_leads,
    warm_leads,
    cold_leads,
    unqualified_leads,
    leads_with_company,
    intent_score_sum,
    urgency_score_sum,
    budget_score_sum,
    fit_score_sum,
    engagement_score_sum,
    total_score_sum,
    cta_pricing_clicks,
    cta_demo_clicks,
    cta_followup_clicks,
    cta_sample_clicks,
    cta_human_escalations,
    leads_with_cta,
}
