//! Cases for follow-ups and notifications.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "public.follow_ups",
        "follow_ups_lead_check",
        &["lead_phone = NULL"],
        &["lead_phone = NULL, lead_email = 'lead@example.com'", "lead_phone = NULL, source = 'analysis'"],
    ),
    case(
        "public.follow_ups",
        "follow_ups_phone_e164_check",
        &["phone_e164 = '15550100'", "phone_e164 = '+0555010000'", "phone_e164 = '+155501'"],
        &["phone_e164 = '+15550100'", "phone_e164 = NULL"],
    ),
    case("public.follow_ups", "follow_ups_source_check", &["source = 'webhook'"], &["source = 'analysis'"]),
    case(
        "tally.notification_deliveries",
        "notification_deliveries_attempts_check",
        &["attempts = -1"],
        &["attempts = 1"],
    ),
    case(
        "tally.notification_deliveries",
        "notification_deliveries_claimed_check",
        &["state = 'failed', finished_at = now(), claimed_until = now()"],
        &["claimed_until = now()", "state = 'failed', finished_at = now()"],
    ),
    case(
        "tally.notification_deliveries",
        "notification_deliveries_error_check",
        &["last_error = repeat('x', 201)"],
        &["last_error = repeat('x', 200)"],
    ),
    case(
        "tally.notification_deliveries",
        "notification_deliveries_finished_check",
        &["state = 'delivered'", "finished_at = now()"],
        &["state = 'delivered', finished_at = now()", "state = 'cancelled', finished_at = now()"],
    ),
    case(
        "tally.notification_deliveries",
        "notification_deliveries_state_check",
        &["state = 'sent', finished_at = now()"],
        &["state = 'cancelled', finished_at = now()"],
    ),
    case(
        "tally.notification_deliveries",
        "notification_deliveries_status_check",
        &["last_status = 99", "last_status = 1000"],
        &["last_status = 100", "last_status = 999", "last_status = NULL"],
    ),
    case(
        "tally.notification_endpoints",
        "notification_endpoints_disabled_check",
        &["disabled_at = now()", "disabled_reason = 'gone'"],
        &["disabled_at = now(), disabled_reason = 'gone'"],
    ),
    case(
        "tally.notification_endpoints",
        "notification_endpoints_failures_check",
        &["failures = -1"],
        &["failures = 1"],
    ),
    case("tally.notification_endpoints", "notification_endpoints_kinds_check", &["kinds = '{}'"], &["kinds = '{x}'"]),
    case(
        "tally.notification_endpoints",
        "notification_endpoints_previous_check",
        &[r"previous_sealed_key = '\x00'", "previous_expires_at = now()"],
        &[r"previous_sealed_key = '\x00', previous_expires_at = now()"],
    ),
    case(
        "tally.notification_endpoints",
        "notification_endpoints_url_check",
        &["url = 'example.com'", "url = 'https://example.com/a b'", "url = 'https://' || repeat('x', 1993)"],
        &["url = 'http://127.0.0.1/'", "url = 'https://' || repeat('x', 1992)"],
    ),
    case(
        "tally.notifications",
        "notifications_kind_check",
        &["kind = 'low'", "kind = ''"],
        &["kind = 'follow_up.due'"],
    ),
    case("tally.notifications", "notifications_payload_check", &["payload = '[]'"], &[r#"payload = '{"a": 1}'"#]),
];
