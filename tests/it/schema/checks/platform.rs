//! Cases for the tables that belong to no tenant, and for the tenant itself.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "public.login_attempts",
        "login_attempts_reason_check",
        &["success = true, failure_reason = 'locked'"],
        &["success = true, failure_reason = NULL", "success = false, failure_reason = 'locked'"],
    ),
    case(
        "public.phone_numbers",
        "phone_numbers_assignment_check",
        &["assigned_to_agent_id = gen_random_uuid()"],
        &["assigned_to_agent_id = gen_random_uuid(), assigned_to_user_id = gen_random_uuid()"],
    ),
    case(
        "public.phone_numbers",
        "phone_numbers_phone_e164_check",
        &["phone_e164 = '15550199'", "phone_e164 = '+05550199'", "phone_e164 = '+1 5550199'"],
        &["phone_e164 = '+15550199'", "phone_e164 = NULL"],
    ),
    case(
        "public.users",
        "users_auth_provider_check",
        &["auth_provider = 'facebook'", "auth_provider = ''"],
        &["auth_provider = 'google'", "auth_provider = 'linkedin'", "auth_provider = 'github'"],
    ),
    case(
        "public.users",
        "users_billing_pulse_check",
        &["billing_pulse_seconds = 0", "billing_pulse_seconds = 3601"],
        &["billing_pulse_seconds = 1", "billing_pulse_seconds = 3600"],
    ),
    case("public.users", "users_bio_length_check", &["bio = repeat('x', 1001)"], &["bio = repeat('x', 1000)"]),
    case(
        "public.users",
        "users_credits_per_minute_check",
        &["credits_per_minute_micros = -1", "credits_per_minute_micros = 1000000001"],
        &["credits_per_minute_micros = 0", "credits_per_minute_micros = 1000000000"],
    ),
    case("public.users", "users_currency_check", &["currency = 'usd'", "currency = 'US'"], &["currency = 'INR'"]),
    case(
        "public.users",
        "users_default_country_code_check",
        &["default_country_code = '0'", "default_country_code = '091'", "default_country_code = '+91'"],
        &["default_country_code = '91'", "default_country_code = '1684'", "default_country_code = NULL"],
    ),
    case(
        "public.users",
        "users_email_check",
        &["email = ' b@example.com'", "email = 'b@example.com '", "email = '@example.com'", "email = 'nobody'"],
        &["email = 'B@example.com'"],
    ),
    case(
        "public.users",
        "users_low_credit_level_check",
        &["low_credit_level = -1", "low_credit_level = 4"],
        &["low_credit_level = 0", "low_credit_level = 3"],
    ),
    case(
        "public.users",
        "users_phone_format_check",
        &["phone = '123456'", "phone = '+1 (555) 010-CALL'"],
        &["phone = '+1 (555) 010-0199'", "phone = '1234567'", "phone = NULL"],
    ),
    case("public.users", "users_role_check", &["role = 'root'"], &["role = 'admin'", "role = 'super_admin'"]),
    case(
        "public.users",
        "users_score_scale_check",
        &["score_scale = 4", "score_scale = 101", "dimension_scale = 0", "dimension_scale = 101"],
        &["score_scale = 5, dimension_scale = 1", "score_scale = 100, dimension_scale = 100"],
    ),
    case(
        "public.users",
        "users_thresholds_check",
        &[
            "hot_threshold_percent = 101",
            "warm_threshold_percent = hot_threshold_percent",
            "cold_threshold_percent = warm_threshold_percent",
            "cold_threshold_percent = -1",
        ],
        &["hot_threshold_percent = 100, warm_threshold_percent = 1, cold_threshold_percent = 0"],
    ),
    case(
        "public.users",
        "users_website_format_check",
        &["website = 'example.com'", "website = 'ftp://example.com'"],
        &["website = 'https://example.com'", "website = NULL"],
    ),
];
