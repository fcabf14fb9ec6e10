//! Rows as statements take them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallyline_model::complete::Complete;
use tallyline_model::{Scales, Thresholds};
use uuid::Uuid;

use super::ContactKey;
use crate::lead_columns::LeadColumns;

/// A fold that was made, and what a provider is to be asked.
#[derive(Debug, Serialize)]
pub(super) struct FoldRow {
    pub(super) user_id: Uuid,
    pub(super) contact_id: Uuid,
    pub(super) input_sha256: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct CompleteRow {
    user_id: Uuid,
    contact_id: Uuid,
    call_id: Uuid,
    previous_calls_analyzed: usize,
    #[serde(flatten)]
    columns: LeadColumns,
    demo_book_datetime: Option<DateTime<Utc>>,
    phone_number: String,
    analysis_timestamp: Option<DateTime<Utc>>,
    transcript_summary: Option<String>,
}

impl CompleteRow {
    pub(super) fn new(
        (user_id, contact_id): ContactKey,
        phone_number: &str,
        complete: Complete,
        scales: Scales,
        thresholds: Thresholds,
    ) -> Self {
        let found = complete.analysis;
        CompleteRow {
            user_id,
            contact_id,
            call_id: complete.latest_call_id,
            previous_calls_analyzed: complete.previous_calls,
            columns: LeadColumns::new(&found, scales, thresholds),
            demo_book_datetime: found.demo_book_datetime,
            phone_number: phone_number.to_owned(),
            analysis_timestamp: complete.analysed_at,
            transcript_summary: found.transcript_summary,
        }
    }

    /// Tenant and contact that the row is of.
    pub(super) fn contact(&self) -> ContactKey {
        (self.user_id, self.contact_id)
    }

    /// Tenant and call that the row points at.
    pub(super) fn call(&self) -> (Uuid, Uuid) {
        (self.user_id, self.call_id)
    }
}
