//! Every value that a label of a metric may have: what the bounds of `/metrics` are counted with.

use std::collections::BTreeSet;

use tallyline::telemetry::http;

const CALL_PROVIDERS: &[&str] = &["bolna", "twilio"];
const PROVIDERS: &[&str] = &["bolna", "twilio", "analysis"];
const TIERS: &[&str] = &["quarter", "hour", "day", "month"];
const AT_THE_DOOR: &[&str] = &[
    "not_json",
    "not_an_object",
    "no_id",
    "bad_id",
    "id_mismatch",
    "duplicate_key",
    "bad_sid",
    "not_a_call_status",
    "not_individual",
    "no_analysis",
    "no_account",
    "not_storable",
];
const ONLY_TWILIO: &[&str] = &["bad_sid", "not_a_call_status", "no_account"];
const ONLY_ANALYSIS: &[&str] = &["not_individual", "no_analysis"];
const FROM_THE_INBOX: &[&str] = &[
    "unknown_agent",
    "no_agent",
    "no_call",
    "account_mismatch",
    "data_error",
    "frozen",
    "never_ended",
    "body_stripped",
    "bad_hash",
    "unknown_provider",
];
const REFUSALS: &[&str] = &[
    "no_credential",
    "wrong_credential",
    "address",
    "broken_body",
    "slow_body",
    "too_large",
    "tenant_rate",
    "tenant_in_flight",
    "method",
    "path",
    "buffers_full",
    "not_durable",
    "failed",
    "content_type",
    "content_encoding",
];
const ASKED: &[&str] = &[
    "ok",
    "timeout",
    "connect",
    "transport",
    "database",
    "not_found",
    "rate_limited",
    "too_large",
    "unstable_list",
    "key_not_opened",
    "unreadable",
    "http_401",
    "http_403",
    "http_500",
    "http_502",
    "http_503",
];

/// The values of one label of one metric; empty when nothing is known of it.
pub(crate) fn of(metric: &str, label: &str) -> Vec<String> {
    match label {
        "route" => routes(),
        "kind" if metric.starts_with("tallyline_verify_") => owned(&["sample", "full"]),
        "kind" if metric == "tallyline_analysis_tokens_total" => owned(&["input", "output"]),
        "kind" if metric.starts_with("tallyline_cron_") => scheduled_kinds(),
        "kind" => tallyline_jobs::registry().unwrap().kinds().map(str::to_owned).collect(),
        "schedule" => schedules(),
        "version" => owned(&[env!("CARGO_PKG_VERSION")]),
        "code" => owned(&["2xx", "3xx", "4xx", "5xx"]),
        "level" => owned(&["error", "warn", "info", "debug", "trace"]),
        "pool" => owned(&["main", "receiver"]),
        "queue" => owned(&["default", "reconcile"]),
        "source" => owned(&["cache", "disk"]),
        "tier" if metric.starts_with("tallyline_verify_") => [owned(TIERS), owned(&["money"])].concat(),
        "tier" => owned(TIERS),
        "table" => owned(&["jobs", "job_leases", "job_permits", "job_keys", "dead_jobs", "schedules"]),
        "drain" => owned(&[
            "process_call_events",
            "roll_up",
            "analyze_leads",
            "complete_leads",
            "backfill",
            "deliver_notifications",
        ]),
        "task" => owned(&[
            "announce",
            "cancel",
            "claim",
            "complete",
            "expire_keys",
            "keep_history",
            "lease",
            "listen",
            "look_at_bloat",
            "rescue",
            "schedule",
        ]),
        "what" => owned(&[
            "login_attempts",
            "password_reset_attempts",
            "user_sessions",
            "dashboard_cache",
            "inbox_bodies",
            "quarantine",
            "notifications",
            "job_history",
            "schedule_fires",
            "dead_jobs",
            "backfill_units",
            "backfills",
            "provider_checks",
            "audit_differences",
            "twilio_processed_calls",
            "calls",
        ]),
        "provider" => provider(metric),
        "state" => state(metric),
        "outcome" => outcome(metric),
        "reason" => reason(metric),
        "result" => result(metric),
        _ => Vec::new(),
    }
}

/// Whether these values, in the order of the metric's labels, can come together.
pub(crate) fn can_be(metric: &str, values: &[String]) -> bool {
    let among = |list: &[&str], value: &str| list.contains(&value);
    match (metric, values) {
        // Redirects belong to forms and signing in.
        ("tallyline_http_requests_total", [route, code]) => {
            let no_page =
                ["/api", "/webhooks", "/livez", "/readyz", "/metrics"].iter().any(|area| route.starts_with(area));
            code != "3xx" || !no_page
        }
        ("tallyline_webhook_requests_total", [provider, outcome]) => provider != "none" || outcome == "not_found",
        ("tallyline_webhook_refusals_total", [provider, reason]) => match provider.as_str() {
            "none" => reason == "path",
            "twilio" => !among(ONLY_ANALYSIS, reason),
            "analysis" => !among(ONLY_TWILIO, reason),
            _ => !among(ONLY_TWILIO, reason) && !among(ONLY_ANALYSIS, reason),
        },
        _ => true,
    }
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// Of the templates that the sources name and the description of the API lists.
fn routes() -> Vec<String> {
    let mut found: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
    let openapi: serde_json::Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    found.extend(openapi["paths"].as_object().unwrap().keys().map(|path| http::label(path)));
    for text in crate::telemetry::sources_of_routes() {
        for opening in ["route(", ".get(", ".post("] {
            let called = text.split(opening).skip(1).map(str::trim_start).filter_map(|rest| rest.strip_prefix("\"/"));
            found.extend(called.map(|rest| http::label(&format!("/{}", rest.split('"').next().unwrap()))));
        }
    }
    assert!(found.len() > 40, "{found:?}");
    found.into_iter().collect()
}

fn configured() -> Vec<tallyline::config::Schedule> {
    let overrides = tallyline::config::Overrides { file: Some("/dev/null".into()), ..Default::default() };
    tallyline::config::load(&overrides, []).unwrap().schedule
}

fn schedules() -> Vec<String> {
    configured().into_iter().map(|schedule| schedule.name).collect()
}

fn scheduled_kinds() -> Vec<String> {
    configured().into_iter().map(|schedule| schedule.job).collect()
}

fn provider(metric: &str) -> Vec<String> {
    match metric {
        "tallyline_analysis_requests_total"
        | "tallyline_analysis_request_seconds"
        | "tallyline_analysis_claims_lost_total" => owned(&["bolna", "openai", "rules"]),
        _ if metric.starts_with("tallyline_reconcile_") => owned(CALL_PROVIDERS),
        // Of a path that is none there is no provider.
        "tallyline_webhook_requests_total" | "tallyline_webhook_refusals_total" => {
            [owned(PROVIDERS), owned(&["none"])].concat()
        }
        _ => owned(PROVIDERS),
    }
}

fn state(metric: &str) -> Vec<String> {
    owned(match metric {
        "tallyline_inbox_waiting" => &["ready", "waiting"],
        "tallyline_db_pool_connections" => &["idle", "used", "max"],
        "tallyline_db_sessions" => &["active", "idle", "idle_in_transaction", "other"],
        "tallyline_notification_deliveries" => &["pending", "failed"],
        "tallyline_backfill_units" => &["ready", "done", "failed"],
        "tallyline_reconcile_accounts" => &["in_use", "failing", "disabled"],
        _ => &[],
    })
}

fn outcome(metric: &str) -> Vec<String> {
    owned(match metric {
        "tallyline_webhook_requests_total" => &[
            "accepted",
            "duplicate",
            "spooled",
            "unauthenticated",
            "forbidden",
            "rejected",
            "broken_body",
            "slow_body",
            "too_large",
            "unsupported",
            "limited",
            "not_found",
            "unavailable",
            "failed",
        ],
        "tallyline_sign_ins_total" => &["succeeded", "refused", "locked", "stolen"],
        "tallyline_spool_events_total" => &["spooled", "refused", "replayed", "unreplayable"],
        "tallyline_backfill_buckets_total" => &["written", "discarded"],
        "tallyline_notification_attempts_total" => &["delivered", "retried", "failed", "gone", "fenced"],
        "tallyline_jobs_finished_total" => {
            &["succeeded", "failed", "interrupted", "snoozed", "lost", "dead", "cancelled"]
        }
        "tallyline_trace_spans_total" => &["exported", "failed", "lost"],
        "tallyline_drain_units_total" => &["worked", "idle", "failed"],
        "tallyline_cron_fires_total" => &["enqueued", "skipped_missed", "skipped_overlap"],
        "tallyline_db_transactions_total" => &["committed", "rolled_back"],
        _ => &[],
    })
}

fn reason(metric: &str) -> Vec<String> {
    match metric {
        "tallyline_webhook_refusals_total" => [owned(REFUSALS), owned(AT_THE_DOOR)].concat(),
        "tallyline_events_quarantined_total"
        | "tallyline_quarantine_events"
        | "tallyline_quarantine_oldest_seconds" => [owned(AT_THE_DOOR), owned(FROM_THE_INBOX)].concat(),
        "tallyline_http_connections_cut_total" => {
            owned(&["malformed", "headers_too_large", "silent", "unread", "per_address"])
        }
        "tallyline_history_months_refused_total" => owned(&["marked", "changed", "error"]),
        "tallyline_job_rescues_total" => owned(&["lease", "deadline"]),
        "tallyline_analyses_waiting" => owned(&["due", "claimed", "retry", "spending_cap"]),
        _ => Vec::new(),
    }
}

fn result(metric: &str) -> Vec<String> {
    owned(match metric {
        "tallyline_reconcile_requests_total" => ASKED,
        "tallyline_reconcile_unresolved_calls" => &["unknown", "refused"],
        "tallyline_analysis_requests_total" => &[
            "succeeded",
            "timeout",
            "connect",
            "rate_limited",
            "http_4xx",
            "http_5xx",
            "unreadable",
            "too_large",
            "refused",
            "key_not_opened",
        ],
        _ => &[],
    })
}
