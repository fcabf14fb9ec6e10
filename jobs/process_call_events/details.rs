//! What the provider says of a call beyond the columns, as the JSON columns hold it.

use serde_json::{Map, Value, json};
use tallyline_model::{CallState, Usage};

/// Schedule, batch, campaign and retries.
pub(super) fn call_config(state: &CallState) -> Value {
    let setup = &state.setup;
    let retry = setup.retry.as_ref().map(|retry| {
        filled([
            ("enabled", json!(retry.enabled)),
            ("max_retries", json!(retry.max_retries)),
            ("on_statuses", json!(retry.on_statuses)),
            ("on_voicemail", json!(retry.on_voicemail)),
            ("intervals_minutes", json!(retry.intervals_minutes)),
        ])
    });
    filled([
        ("scheduled_at", json!(setup.scheduled_at)),
        ("rescheduled_at", json!(setup.rescheduled_at)),
        ("batch_id", json!(setup.batch_id)),
        ("campaign_id", json!(setup.campaign_id)),
        ("retry", retry.unwrap_or(Value::Null)),
    ])
}

/// Models and who runs them.
pub(super) fn voice_settings(usage: &Usage) -> Value {
    let models: Vec<&String> = usage.llm_models.keys().collect();
    filled([
        ("llm", filled([("models", json!(models)), ("providers", json!(usage.llm_providers))])),
        ("synthesizer", model(&usage.synthesizer_model, &usage.synthesizer_provider)),
        ("transcriber", model(&usage.transcriber_model, &usage.transcriber_provider)),
    ])
}

fn model(name: &Option<String>, provider: &Option<String>) -> Value {
    filled([("model", json!(name)), ("provider", json!(provider))])
}

/// The rest, among it the parts of the price and what the call used.
pub(super) fn metadata(state: &CallState) -> Value {
    let usage = &state.usage;
    let usage = filled([
        ("llm_tokens", json!(usage.llm_tokens)),
        ("llm_tokens_by_model", json!(usage.llm_models)),
        ("synthesizer_characters", json!(usage.synthesizer_characters)),
        ("transcriber_seconds", json!(usage.transcriber_seconds.map(|seconds| seconds.to_string()))),
    ]);
    let mut map = Map::new();
    for (key, value) in [
        ("cost_legs_micros", json!(state.cost_legs)),
        ("extracted_data", json!(state.extracted_data)),
        ("agent_extraction", json!(state.agent_extraction)),
        ("custom_extractions", json!(state.custom_extractions)),
        ("termination_reason", json!(state.termination_reason)),
        ("error_message", json!(state.error_message)),
        ("smart_status", json!(state.smart_status)),
        ("answered_by_voice_mail", json!(state.answered_by_voice_mail)),
        ("agent_number", json!(state.agent_number)),
        ("conversation_seconds", json!(state.conversation_seconds.map(|seconds| seconds.to_string()))),
        ("event_count", json!(state.event_count)),
        ("usage", if is_empty(&usage) { Value::Null } else { usage }),
    ] {
        if !value.is_null() {
            map.insert(key.to_owned(), value);
        }
    }
    Value::Object(map)
}

/// An object of what is there.
fn filled<const N: usize>(members: [(&str, Value); N]) -> Value {
    let present = members.into_iter().filter(|(_, value)| !is_empty(value));
    Value::Object(present.map(|(key, value)| (key.to_owned(), value)).collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
