//! Cases for the tables of a tenant.

use super::{Case, case};

/// The row is a day, so everything else must go where the grain changes.
const fn rollup(table: &'static str, names: [&'static str; 4]) -> [Case; 4] {
    let [grain, hour, outcomes, sets] = names;
    [
        case(
            table,
            grain,
            &["grain = 'week', contact_ids = NULL, duration_values = NULL, duration_counts = NULL"],
            &["grain = 'month', contact_ids = NULL, duration_values = NULL, duration_counts = NULL"],
        ),
        case(
            table,
            hour,
            &[
                "hour = 3",
                "grain = 'hour', hour = NULL, contact_ids = NULL, duration_values = NULL, duration_counts = NULL",
                "grain = 'hour', hour = -1, contact_ids = NULL, duration_values = NULL, duration_counts = NULL",
                "grain = 'hour', hour = 24, contact_ids = NULL, duration_values = NULL, duration_counts = NULL",
                "grain = 'month', hour = 0, contact_ids = NULL, duration_values = NULL, duration_counts = NULL",
            ],
            &[
                "grain = 'hour', hour = 0, contact_ids = NULL, duration_values = NULL, duration_counts = NULL",
                "grain = 'hour', hour = 23, contact_ids = NULL, duration_values = NULL, duration_counts = NULL",
            ],
        ),
        case(
            table,
            outcomes,
            &[
                "total_calls = total_calls + 1",
                "successful_calls = successful_calls + 1",
                "voicemail_calls = voicemail_calls + 1",
                "no_answer_calls = no_answer_calls + 1",
                "busy_calls = busy_calls + 1",
                "failed_outcome_calls = failed_outcome_calls + 1",
                "cancelled_calls = cancelled_calls + 1",
                "in_progress_calls = in_progress_calls + 1",
            ],
            &["in_progress_calls = 0, busy_calls = in_progress_calls", "total_calls = 0, in_progress_calls = 0"],
        ),
        case(
            table,
            sets,
            &[
                "contact_ids = NULL",
                "duration_values = NULL",
                "duration_counts = NULL",
                "duration_values = '{5}'",
                "grain = 'month'",
                "grain = 'month', contact_ids = NULL, duration_values = NULL",
                "contact_ids = NULL, duration_values = NULL, duration_counts = NULL",
            ],
            &["duration_values = '{5, 9}', duration_counts = '{1, 2}', contact_ids = ARRAY[gen_random_uuid()]"],
        ),
    ]
}

pub(super) static ROLLUPS: [[Case; 4]; 2] = [
    rollup(
        "public.agent_analytics",
        [
            "agent_analytics_grain_check",
            "agent_analytics_hour_check",
            "agent_analytics_outcomes_check",
            "agent_analytics_sets_check",
        ],
    ),
    rollup(
        "public.user_analytics",
        [
            "user_analytics_grain_check",
            "user_analytics_hour_check",
            "user_analytics_outcomes_check",
            "user_analytics_sets_check",
        ],
    ),
];

pub(super) const CASES: &[Case] = &[
    case("public.agents", "agents_agent_type_check", &["agent_type = 'email'"], &["agent_type = 'chat'"]),
    case("public.agents", "agents_bolna_agent_id_check", &["bolna_agent_id = ''"], &["bolna_agent_id = 'x'"]),
    case(
        "public.call_analytics_cache",
        "call_analytics_cache_outcomes_check",
        &["total_calls = 1", "voicemail_calls = 1"],
        &["total_calls = 2, voicemail_calls = 1, busy_calls = 1"],
    ),
    case(
        "public.call_analytics_cache",
        "call_analytics_cache_period_start_check",
        &["period_type = 'weekly', date_period = '2026-01-06'", "period_type = 'monthly', date_period = '2026-01-02'"],
        &["period_type = 'weekly', date_period = '2026-01-05'", "period_type = 'monthly', date_period = '2026-01-01'"],
    ),
    case(
        "public.call_analytics_cache",
        "call_analytics_cache_period_type_check",
        &["period_type = 'yearly'"],
        &["period_type = 'daily'", "period_type = 'weekly'"],
    ),
    case("public.calls", "calls_attempt_check", &["attempt = -1"], &["attempt = 0"]),
    case("public.calls", "calls_cost_check", &["cost_micros = -1"], &["cost_micros = 0"]),
    case("public.calls", "calls_credits_check", &["credits_micros = -1"], &["credits_micros = 0"]),
    case(
        "public.calls",
        "calls_dials_check",
        &["busy_dials = -1", "no_answer_dials = -1", "failed_dials = -1", "unanswered_sids = -1"],
        &["busy_dials = 1, no_answer_dials = 1, failed_dials = 1, unanswered_sids = 1"],
    ),
    case(
        "public.calls",
        "calls_duration_check",
        &["duration_seconds = -1", "duration_minutes = -1"],
        &["duration_seconds = 0, duration_minutes = 0"],
    ),
    case(
        "public.calls",
        "calls_lead_type_check",
        &["lead_type = 'sideways'", "lead_type = ''"],
        &["lead_type = 'inbound'", "lead_type = NULL"],
    ),
    case(
        "public.calls",
        "calls_outcome_check",
        &["outcome = 'ringing', status = 'ringing'"],
        &["outcome = 'cancelled', status = 'cancelled'"],
    ),
    case(
        "public.calls",
        "calls_source_check",
        &["call_source = 'campaign'"],
        &["call_source = 'internet'", "call_source = 'unknown'"],
    ),
    case(
        "public.calls",
        "calls_status_check",
        &[
            "outcome = 'answered', status = 'in_progress'",
            "outcome = 'voicemail', status = 'failed'",
            "outcome = 'no_answer', status = 'completed'",
            "outcome = 'busy', status = 'busy'",
            "outcome = 'failed', status = 'cancelled'",
            "outcome = 'cancelled', status = 'failed'",
            "outcome = 'in_progress', status = 'completed'",
        ],
        &[
            "outcome = 'answered', status = 'completed'",
            "outcome = 'voicemail', status = 'completed'",
            "outcome = 'no_answer', status = 'failed'",
            "outcome = 'busy', status = 'failed'",
            "outcome = 'failed', status = 'failed'",
            "outcome = 'cancelled', status = 'cancelled'",
            "outcome = 'in_progress', status = 'in_progress'",
        ],
    ),
    case(
        "public.contacts",
        "contacts_attempted_check",
        &["call_attempted_busy = -1", "call_attempted_no_answer = -1", "call_attempted_failed = -1"],
        &["call_attempted_busy = 0, call_attempted_no_answer = 0, call_attempted_failed = 0"],
    ),
    case(
        "public.contacts",
        "contacts_auto_creation_source_check",
        &["auto_creation_source = 'garbage'", "auto_creation_source = ''"],
        &["auto_creation_source = 'webhook'", "auto_creation_source = 'manual'", "auto_creation_source = NULL"],
    ),
    case("public.contacts", "contacts_not_connected_check", &["not_connected = -1"], &["not_connected = 0"]),
    case(
        "public.contacts",
        "contacts_phone_e164_check",
        &["phone_e164 = '15550100'", "phone_e164 = '+05550100'", "phone_e164 = '+155501'", "phone_e164 = '+1 5550100'"],
        &["phone_e164 = '+1555010'", "phone_e164 = '+155501001234567'", "phone_e164 = NULL"],
    ),
    case(
        "public.credit_transactions",
        "credit_transactions_charge_check",
        &["call_id = NULL", "charge_no = NULL", "charge_no = -1"],
        &["call_id = NULL, charge_no = NULL", "charge_no = 1"],
    ),
    case(
        "public.credit_transactions",
        "credit_transactions_idempotency_key_check",
        &["idempotency_key = ''", "stripe_payment_id = ''"],
        &["idempotency_key = 'key', stripe_payment_id = 'pi_1'"],
    ),
    case(
        "public.credit_transactions",
        "credit_transactions_sign_check",
        &[
            "amount_micros = 1",
            "amount_micros = 0",
            "type = 'purchase'",
            "type = 'bonus', amount_micros = 0",
            "type = 'refund'",
            "type = 'admin_adjustment', amount_micros = 0",
        ],
        &[
            "type = 'usage', amount_micros = -2",
            "type = 'purchase', amount_micros = 1",
            "type = 'bonus', amount_micros = 1",
            "type = 'refund', amount_micros = 1",
            "type = 'admin_adjustment', amount_micros = -1",
            "type = 'admin_adjustment', amount_micros = 1",
        ],
    ),
    case(
        "public.credit_transactions",
        "credit_transactions_type_check",
        &["type = 'gift', amount_micros = 1"],
        &["type = 'bonus', amount_micros = 1"],
    ),
    case(
        "public.customers",
        "customers_status_check",
        &["status = 'active'"],
        &["status = 'Inactive'", "status = 'Churned'", "status = 'On Hold'"],
    ),
    case(
        "public.follow_ups",
        "follow_ups_completed_check",
        &[
            "follow_up_status = 'completed'",
            "completed_at = now()",
            "follow_up_status = 'cancelled', completed_at = now()",
        ],
        &["follow_up_status = 'completed', completed_at = now()"],
    ),
    case(
        "public.follow_ups",
        "follow_ups_status_check",
        &["follow_up_status = 'done'"],
        &["follow_up_status = 'cancelled'"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_budget_score_check",
        &["budget_score = -1", "budget_score = 101"],
        &["budget_score = 0", "budget_score = 100", "budget_score = NULL"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_engagement_score_check",
        &["engagement_score = -1", "engagement_score = 101"],
        &["engagement_score = 0", "engagement_score = 100", "engagement_score = NULL"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_fit_score_check",
        &["fit_score = -1", "fit_score = 101"],
        &["fit_score = 0", "fit_score = 100", "fit_score = NULL"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_intent_score_check",
        &["intent_score = -1", "intent_score = 101"],
        &["intent_score = 0", "intent_score = 100", "intent_score = NULL"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_quality_check",
        &["quality = 'lukewarm'", "quality = ''"],
        &["quality = 'warm'", "quality = 'cold'", "quality = 'unqualified'"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_quality_total_check",
        &["quality = NULL", "total_score = NULL"],
        &["quality = NULL, total_score = NULL"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_total_score_check",
        &["total_score = -1", "total_score = 101"],
        &["total_score = 0", "total_score = 100"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_type_check",
        &["analysis_type = 'human_edit'"],
        &["analysis_type = 'complete', contact_id = (SELECT id FROM public.contacts)"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_contact_check",
        &["analysis_type = 'complete'", "contact_id = (SELECT id FROM public.contacts)"],
        &["analysis_type = 'complete', contact_id = (SELECT id FROM public.contacts)"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_previous_calls_check",
        &["previous_calls_analyzed = -1"],
        &["previous_calls_analyzed = 7"],
    ),
    case(
        "public.lead_analytics",
        "lead_analytics_urgency_score_check",
        &["urgency_score = -1", "urgency_score = 101"],
        &["urgency_score = 0", "urgency_score = 100", "urgency_score = NULL"],
    ),
    case(
        "public.transcripts",
        "transcripts_analysis_status_check",
        &["analysis_status = 'done'"],
        &[
            "analysis_status = 'completed'",
            "analysis_status = 'failed'",
            "analysis_status = 'skipped'",
            "analysis_status = 'off'",
        ],
    ),
    case(
        "public.twilio_processed_calls",
        "twilio_processed_calls_sid_check",
        &[
            "twilio_call_sid = 'CA12'",
            "twilio_call_sid = 'CA' || repeat('A', 32)",
            "twilio_call_sid = 'SM' || repeat('0', 32)",
        ],
        &["twilio_call_sid = 'CA' || repeat('a', 32)"],
    ),
    case(
        "public.twilio_processed_calls",
        "twilio_processed_calls_status_check",
        &["call_status = 'completed'", "call_status = 'cancelled'"],
        &["call_status = 'no-answer'", "call_status = 'failed'", "call_status = 'canceled'"],
    ),
    case(
        "public.user_sessions",
        "user_sessions_refresh_check",
        &["refresh_token_hash = 'refresh-1'", "refresh_expires_at = now()"],
        &["refresh_token_hash = 'refresh-1', refresh_expires_at = now()"],
    ),
];
