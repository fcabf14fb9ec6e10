//! Cases for the tables of schema tally.

use super::{Case, case};

/// What a claimed job has, all or nothing.
const CLAIMED: &str = "state = 'claimed', lease_id = gen_random_uuid(), claimed_generation = 1, deadline_at = now()";

pub(super) const CASES: &[Case] = &[
    case(
        "tally.audit_differences",
        "audit_differences_bucket_check",
        &["tier = NULL", "bucket_start = NULL"],
        &["tier = NULL, bucket_start = NULL"],
    ),
    case(
        "tally.audit_differences",
        "audit_differences_call_ids_check",
        &["call_ids = array_fill(user_id, ARRAY[21])"],
        &["call_ids = array_fill(user_id, ARRAY[20])"],
    ),
    case(
        "tally.audit_differences",
        "audit_differences_compared_with_check",
        &["compared_with = 'guess'"],
        &["compared_with = 'children'", "compared_with = 'agents'", "compared_with = 'ledger'"],
    ),
    case(
        "tally.audit_differences",
        "audit_differences_explanation_check",
        &["explanation = 'fate'"],
        &[
            "explanation = 'missing'",
            "explanation = 'counted_twice'",
            "explanation = 'changed_last'",
            "explanation = NULL",
        ],
    ),
    case(
        "tally.audit_differences",
        "audit_differences_found_by_check",
        &["found_by = 'chance'"],
        &["found_by = 'full'"],
    ),
    case(
        "tally.audit_differences",
        "audit_differences_tier_check",
        &["tier = -1", "tier = 4"],
        &["tier = 1", "tier = 3"],
    ),
    case(
        "tally.audit_differences",
        "audit_differences_values_check",
        &["expected = found", "expected = NULL, found = NULL"],
        &["found = NULL", "expected = NULL"],
    ),
    case(
        "tally.calendar",
        "calendar_check",
        &["bucket_end = bucket_start"],
        &["bucket_end = bucket_start + interval '1 second'"],
    ),
    case("tally.calendar", "calendar_grain_check", &["grain = 'week'", "grain = 'hour'"], &["grain = 'day'"]),
    case("tally.call_attempts", "call_attempts_attempt_check", &["attempt = -1"], &["attempt = 1"]),
    case(
        "tally.call_attempts",
        "call_attempts_duration_seconds_check",
        &["duration_seconds = -1"],
        &["duration_seconds = 1"],
    ),
    case(
        "tally.endpoints",
        "endpoints_account_sid_check",
        &["account_sid = 'AC12'", "account_sid = 'CA' || repeat('0', 32)"],
        &["account_sid = 'AC' || repeat('0', 32)"],
    ),
    case(
        "tally.endpoints",
        "endpoints_check",
        &["secret_sha256 = NULL", "provider = 'twilio'", "provider = 'analysis'"],
        &[
            r"provider = 'twilio', secret_sha256 = NULL, sealed_key = '\x01'",
            r"provider = 'analysis', secret_sha256 = NULL, sealed_key = '\x01'",
        ],
    ),
    case(
        "tally.endpoints",
        "endpoints_endpoint_check",
        &["endpoint = 'seven77'", "endpoint = 'UPPER-CASE'", "endpoint = 'with space'", "endpoint = repeat('x', 65)"],
        &["endpoint = 'eight888'", "endpoint = repeat('x', 64)"],
    ),
    case(
        "tally.endpoints",
        "endpoints_previous_secret_sha256_check",
        &[r"previous_secret_sha256 = '\x00'"],
        &["previous_secret_sha256 = secret_sha256", "previous_secret_sha256 = NULL"],
    ),
    case(
        "tally.endpoints",
        "endpoints_provider_check",
        &[r"provider = 'vapi', sealed_key = '\x01'"],
        &[r"provider = 'twilio', sealed_key = '\x01'"],
    ),
    case(
        "tally.endpoints",
        "endpoints_secret_sha256_check",
        &[r"secret_sha256 = '\x00'"],
        &["secret_sha256 = sha256(secret_sha256)"],
    ),
    case("tally.inbox", "inbox_body_sha256_check", &[r"body_sha256 = '\x00'"], &["body_sha256 = sha256(body_sha256)"]),
    case(
        "tally.inbox",
        "inbox_provider_check",
        &["provider = 'vapi'"],
        &["provider = 'twilio'", "provider = 'analysis'"],
    ),
    case(
        "tally.inbox_pending",
        "inbox_pending_check",
        &["state = 'waiting'", "wait_key = 'CA1'"],
        &["state = 'waiting', wait_key = 'CA1'"],
    ),
    case(
        "tally.inbox_pending",
        "inbox_pending_state_check",
        &["state = 'done'"],
        &["state = 'waiting', wait_key = 'CA1'"],
    ),
    case(
        "tally.job_history",
        "job_history_outcome_check",
        &["outcome = 'cancelled'"],
        &["outcome = 'failed'", "outcome = 'interrupted'", "outcome = 'lost'", "outcome = 'dead'"],
    ),
    case("tally.jobs", "jobs_attempt_check", &["attempt = -1"], &["attempt = 1"]),
    case(
        "tally.jobs",
        "jobs_check",
        &["lease_id = gen_random_uuid()", "state = 'claimed', claimed_generation = 1, deadline_at = now()"],
        &[CLAIMED],
    ),
    case(
        "tally.jobs",
        "jobs_check1",
        &["claimed_generation = 1", "state = 'claimed', lease_id = gen_random_uuid(), deadline_at = now()"],
        &[CLAIMED],
    ),
    case(
        "tally.jobs",
        "jobs_check2",
        &["deadline_at = now()", "state = 'claimed', lease_id = gen_random_uuid(), claimed_generation = 1"],
        &[CLAIMED],
    ),
    case("tally.jobs", "jobs_kind_check", &["kind = ''"], &["kind = 'other'"]),
    case("tally.jobs", "jobs_max_attempts_check", &["max_attempts = 0"], &["max_attempts = 1"]),
    case("tally.jobs", "jobs_priority_check", &["priority = -1", "priority = 4"], &["priority = 0", "priority = 3"]),
    case("tally.jobs", "jobs_queue_check", &["queue = ''"], &["queue = 'other'"]),
    case("tally.jobs", "jobs_state_check", &["state = 'done'"], &[CLAIMED]),
    case(
        "tally.quarantine",
        "quarantine_body_check",
        &["inbox_id = NULL, body = decode(repeat('00', 65537), 'hex')"],
        &["inbox_id = NULL, body = decode(repeat('00', 65536), 'hex')"],
    ),
    case(
        "tally.quarantine",
        "quarantine_check",
        &["inbox_id = NULL", r"body = '\x00'"],
        &[r"inbox_id = NULL, body = '\x00'"],
    ),
    case(
        "tally.quarantine",
        "quarantine_reason_check",
        &["reason = 'No agent'", "reason = 'no'", "reason = repeat('x', 41)"],
        &["reason = 'no_call'"],
    ),
    case(
        "tally.quarter_rollups",
        "quarter_rollups_bucket_start_check",
        &[
            "bucket_start = bucket_start + interval '1 minute'",
            "bucket_start = bucket_start + interval '1 microsecond'",
        ],
        &["bucket_start = bucket_start + interval '15 minutes'"],
    ),
    case("tally.rollup_marks", "rollup_marks_tier_check", &["tier = -1", "tier = 4"], &["tier = 0", "tier = 3"]),
    case(
        "tally.schedule_fires",
        "schedule_fires_check",
        &["job_id = NULL", "outcome = 'skipped_missed'"],
        &["outcome = 'skipped_missed', job_id = NULL"],
    ),
    case(
        "tally.schedule_fires",
        "schedule_fires_outcome_check",
        &["outcome = 'missed', job_id = NULL"],
        &["outcome = 'skipped_overlap', job_id = NULL"],
    ),
    case("tally.schedules", "schedules_max_attempts_check", &["max_attempts = 0"], &["max_attempts = 2"]),
    case(
        "tally.schedules",
        "schedules_missed_check",
        &["missed = 'queue'"],
        &["missed = 'coalesce'", "missed = 'catch_up'"],
    ),
    case(
        "tally.schedules",
        "schedules_overlap_check",
        &["overlap = 'coalesce'"],
        &["overlap = 'allow'", "overlap = 'queue'"],
    ),
    case(
        "tally.schedules",
        "schedules_priority_check",
        &["priority = -1", "priority = 4"],
        &["priority = 0", "priority = 3"],
    ),
    case(
        "tally.user_emails",
        "user_emails_email_lower_check",
        &["email_lower = 'A@example.com'"],
        &["email_lower = 'b@example.com'"],
    ),
    case(
        "tally.zone_offsets",
        "zone_offsets_check",
        &["period_end = period_start"],
        &["period_end = period_start + interval '1 second'"],
    ),
];
