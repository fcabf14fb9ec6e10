//! An analysis of one call, posted as a Standard Webhook.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use super::call::{Message, PlannedCall, PlannedEvent};

const NAMES: [&str; 8] = ["Asha", "Bruno", "Chidi", "Dana", "Emil", "Farah", "Goran", "Hana"];
const COMPANIES: [&str; 5] = ["Example Ltd", "Acme", "Globex", "Initech", "Umbrella Foods"];

/// The body of an analysis; empty for messages of others.
pub(super) fn body(call: &PlannedCall, event: &PlannedEvent) -> String {
    let Message::Analysis { scores, clicks, has_company } = event.message else {
        return String::new();
    };
    let [intent, urgency, budget, fit, engagement] = scores;
    let clicked = clicks.map(|is_clicked| if is_clicked { "Yes" } else { "No" });
    let [pricing, demo, followup, sample, human] = clicked;
    let total: i64 = scores.iter().sum();
    let chance = call.execution_id.as_bytes();
    let company = has_company.then(|| COMPANIES[usize::from(chance[2]) % COMPANIES.len()]);
    let tag = ["Hot", "Warm", "Cold", "Hot Lead", "Follow-Up Later", "Raw"][usize::from(chance[3]) % 6];
    json!({
        "execution_id": call.execution_id,
        "analysis_type": "individual",
        "analyzed_at": call.time_form.write(event.at),
        "analysis": {
            "intent_level": level(intent), "intent_score": intent,
            "urgency_level": level(urgency), "urgency_score": urgency,
            "budget_constraint": "Maybe", "budget_score": budget,
            "fit_alignment": level(fit), "fit_score": fit,
            "engagement_health": level(engagement), "engagement_score": engagement,
            "total_score": total, "lead_status_tag": tag, "demo_book_datetime": null,
            "cta_pricing_clicked": pricing, "cta_demo_clicked": demo, "cta_followup_clicked": followup,
            "cta_sample_clicked": sample, "cta_escalated_to_human": human,
            "reasoning": {"intent": "Asked for prices.", "urgency": "Wants it soon."},
            "extraction": {
                "name": NAMES[usize::from(chance[4]) % NAMES.len()], "email_address": null,
                "company_name": company, "smartnotification": "Wants prices, call on Friday",
                "requirements": "Prices", "custom_cta": null, "in_detail_summary": "Asked for prices.",
                "custom_fields": {},
            },
        },
    })
    .to_string()
}

fn level(score: i64) -> &'static str {
    match score {
        ..=1 => "Low",
        2 => "Medium",
        _ => "High",
    }
}

/// The key behind a secret, with or without `whsec_` and padding.
pub(super) fn key(secret: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, lenient);
    let key = engine.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    (!key.is_empty()).then_some(key)
}

/// The same id however often an event is sent.
pub(super) fn message_id(call: &PlannedCall, event: &PlannedEvent) -> String {
    let name = format!("{}/{}", call.execution_id, event.at.timestamp_micros());
    format!("msg_{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).simple())
}

/// The value of `webhook-signature`.
pub(super) fn sign(key: &[u8], id: &str, unix_seconds: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{unix_seconds}.").as_bytes());
    mac.update(body.as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of the standard's own libraries.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = sign(&key, id, 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_ne!(sign(&key, id, 1_614_265_331, "{\"test\": 2432232314}"), signature);
    }
}
