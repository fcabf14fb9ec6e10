//! Cases for the tables of lead analyses.

use super::{Case, case};

const SETTINGS: &str = "tally.analysis_settings";
const CALLS: &str = "tally.call_analyses";
const CONTACTS: &str = "tally.contact_analyses";

pub(super) const CASES: &[Case] = &[
    case(
        SETTINGS,
        "analysis_settings_provider_check",
        &["provider = 'magic'"],
        &["provider = 'webhook'", "provider = 'bolna'"],
    ),
    case(
        SETTINGS,
        "analysis_settings_openai_check",
        &["provider = 'openai'", "provider = 'openai', model = 'm'", "provider = 'openai', base_url = 'http://h/v1'"],
        &["provider = 'openai', model = 'm', base_url = 'http://h/v1'"],
    ),
    case(
        SETTINGS,
        "analysis_settings_base_url_check",
        &["base_url = 'ftp://h'", "base_url = 'https://'", "base_url = 'https://h/v1/'", "base_url = ''"],
        &["base_url = 'https://h/v1'", "base_url = NULL"],
    ),
    case(SETTINGS, "analysis_settings_model_check", &["model = ''"], &["model = 'm'", "model = NULL"]),
    case(
        SETTINGS,
        "analysis_settings_tokens_check",
        &["max_output_tokens = 99", "max_output_tokens = 100001"],
        &["max_output_tokens = 100", "max_output_tokens = 100000"],
    ),
    case(
        SETTINGS,
        "analysis_settings_prices_check",
        &["input_price_micros = -1", "output_price_micros = -1"],
        &["input_price_micros = 0, output_price_micros = 0"],
    ),
    case(
        SETTINGS,
        "analysis_settings_cap_check",
        &[
            "daily_cap_micros = 1",
            "daily_cap_micros = 1, input_price_micros = 1",
            "daily_cap_micros = -1, input_price_micros = 1, output_price_micros = 1",
        ],
        &["daily_cap_micros = 0, input_price_micros = 1, output_price_micros = 1"],
    ),
    case(
        SETTINGS,
        "analysis_settings_concurrency_check",
        &["concurrency = 0", "concurrency = 65"],
        &["concurrency = 64"],
    ),
    case("tally.analysis_spend", "analysis_spend_check", &["spent_micros = -1"], &["spent_micros = 0"]),
    case(CALLS, "call_analyses_state_check", &["state = 'done'"], &["state = 'succeeded', finished_at = now()"]),
    case(CALLS, "call_analyses_provider_check", &["provider = 'off'"], &["provider = 'openai'"]),
    case(CALLS, "call_analyses_input_check", &["input_sha256 = 'x'"], &["input_sha256 = sha256('x')"]),
    case(
        CALLS,
        "call_analyses_wait_check",
        &["wait_reason = 'sleep'", "wait_reason = 'retry', state = 'succeeded', finished_at = now()"],
        &["wait_reason = 'retry'", "wait_reason = 'spending_cap'"],
    ),
    case(
        CALLS,
        "call_analyses_claim_check",
        &["state = 'claimed'", "claim = 1, claimed_until = now()", "state = 'claimed', claim = 1"],
        &["state = 'claimed', claim = 1, claimed_until = now()"],
    ),
    case(
        CALLS,
        "call_analyses_error_check",
        &["error_code = 'HTTP 500'", "state = 'failed', finished_at = now()", "state = 'skipped', finished_at = now()"],
        &["error_code = 'server_error'", "state = 'failed', error_code = 'refusal', finished_at = now()"],
    ),
    case(
        CALLS,
        "call_analyses_detail_check",
        &["error_detail = repeat('x', 501)"],
        &["error_detail = repeat('x', 500)"],
    ),
    case(
        CALLS,
        "call_analyses_finished_check",
        &["finished_at = now()", "state = 'succeeded'"],
        &["state = 'succeeded', finished_at = now()"],
    ),
    case(
        CALLS,
        "call_analyses_counts_check",
        &["attempts = -1", "input_tokens = -1", "output_tokens = -1", "cost_micros = -1"],
        &["attempts = 1, input_tokens = 1, output_tokens = 1, cost_micros = 1"],
    ),
    case(
        CONTACTS,
        "contact_analyses_state_check",
        &["state = 'skipped', input_sha256 = sha256('x')"],
        &["state = 'pending', input_sha256 = sha256('x')"],
    ),
    case(
        CONTACTS,
        "contact_analyses_input_check",
        &["state = 'pending'", "input_sha256 = sha256('x')", "state = 'pending', input_sha256 = 'x'"],
        &["state = 'pending', input_sha256 = sha256('x')"],
    ),
    case(
        CONTACTS,
        "contact_analyses_result_check",
        &["result = '{}'", "result_sha256 = sha256('x')", "result = '{}', result_sha256 = 'x'"],
        &["result = '{}', result_sha256 = sha256('x')"],
    ),
    case(
        CONTACTS,
        "contact_analyses_wait_check",
        &["wait_reason = 'retry'", "wait_reason = 'sleep', state = 'pending', input_sha256 = sha256('x')"],
        &["wait_reason = 'retry', state = 'pending', input_sha256 = sha256('x')"],
    ),
    case(
        CONTACTS,
        "contact_analyses_claim_check",
        &["claim = 1, claimed_until = now()", "state = 'claimed', input_sha256 = sha256('x')"],
        &["state = 'claimed', input_sha256 = sha256('x'), claim = 1, claimed_until = now()"],
    ),
    case(
        CONTACTS,
        "contact_analyses_error_check",
        &["error_code = 'x'", "state = 'failed', input_sha256 = sha256('x')"],
        &["state = 'failed', input_sha256 = sha256('x'), error_code = 'refusal'"],
    ),
    case(
        CONTACTS,
        "contact_analyses_detail_check",
        &["error_detail = repeat('x', 501)"],
        &["error_detail = repeat('x', 500)"],
    ),
    case(
        CONTACTS,
        "contact_analyses_counts_check",
        &["attempts = -1", "input_tokens = -1", "output_tokens = -1", "cost_micros = -1"],
        &["attempts = 1, input_tokens = 1, output_tokens = 1, cost_micros = 1"],
    ),
];
