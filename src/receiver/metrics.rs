//! Names of the receiver's metrics, and what each counts.

/// Requests to a webhook route by `provider` and `outcome`.
pub const REQUESTS: &str = "tallyline_webhook_requests_total";
/// Requests to a webhook route that were refused, by `provider` and `reason`.
pub const REFUSALS: &str = "tallyline_webhook_refusals_total";
/// Connections that ended without an answer of a handler, by `reason`.
pub const CONNECTIONS_CUT: &str = "tallyline_http_connections_cut_total";
/// Authentic requests proved by the secret before the last rotation, by `provider`.
pub const PREVIOUS_SECRET: &str = "tallyline_webhook_previous_secret_total";
/// Seconds from the headers of a webhook to its answer, by `provider`.
pub const REQUEST_DURATION: &str = "tallyline_webhook_request_duration_seconds";
/// Bytes of the bodies that were read whole, by `provider`.
pub const BODY_BYTES: &str = "tallyline_webhook_body_bytes";
/// Events that are new and durable, by `provider`.
pub const EVENTS_STORED: &str = "tallyline_events_stored_total";
/// Events that had been stored before, by `provider`.
pub const EVENTS_DUPLICATE: &str = "tallyline_events_duplicate_total";
/// Events put into quarantine by `reason`.
pub const EVENTS_QUARANTINED: &str = "tallyline_events_quarantined_total";
/// Events that shared one COMMIT.
pub const GROUP_EVENTS: &str = "tallyline_group_commit_events";
/// Events of the spool by `outcome`.
pub const SPOOL_OUTCOMES: &str = "tallyline_spool_events_total";
/// Events that wait in the spool.
pub const SPOOL_EVENTS: &str = "tallyline_spool_events";
/// Size of the spool's files.
pub const SPOOL_BYTES: &str = "tallyline_spool_bytes";
/// Size that the spool may have.
pub const SPOOL_MAX: &str = "tallyline_spool_max_bytes";
/// When the oldest event of the spool was received, 0 when there is none.
pub const SPOOL_OLDEST: &str = "tallyline_spool_oldest_timestamp_seconds";
/// Files of the spool that did not end whole.
pub const SPOOL_DAMAGED: &str = "tallyline_spool_damaged_segments_total";

/// Tells the installed recorder what each metric means.
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!(REQUESTS, "Webhook requests by provider and outcome");
    describe_counter!(REFUSALS, "Webhook requests that were refused, by provider and reason");
    describe_counter!(CONNECTIONS_CUT, "Connections that ended without an answer of ours, by reason");
    describe_counter!(PREVIOUS_SECRET, "Authentic webhooks proved by the secret before the last rotation");
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Time from the headers of a webhook to its answer");
    describe_histogram!(BODY_BYTES, Unit::Bytes, "Size of webhook bodies");
    describe_counter!(EVENTS_STORED, "New events that are durable");
    describe_counter!(EVENTS_DUPLICATE, "Events that had been stored before");
    describe_counter!(EVENTS_QUARANTINED, "Events put into quarantine, by reason");
    describe_histogram!(GROUP_EVENTS, "Events that shared one COMMIT");
}
