//! Lead analyses made elsewhere and posted to us.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use crate::decimal;
use crate::event::{Event, Facts, LeadAnalysis, Provider};
use crate::json::{Flags, Object};
use crate::reject::Reject;
use crate::time::{self, Moment};

/// The only type that makes a lead; the per-contact one is never counted.
const INDIVIDUAL: &str = "individual";

/// Scores lie between 0 and this.
const MAX_SCORE: i64 = 100;

/// Given by an earlier analyser for people without an address.
pub(crate) const PLACEHOLDER_EMAIL: &str = "unknown@example.com";

/// Longest levels, tags and names kept, in characters, as the tables hold them.
const MAX_LEVEL_CHARS: usize = 50;
const MAX_TAG_CHARS: usize = 100;
const MAX_TEXT_CHARS: usize = 255;
const MAX_SUMMARY_CHARS: usize = 4_000;

/// Reads `{"execution_id", "analysis_type": "individual", "analyzed_at"?, "analysis": {…}}`.
///
/// # Errors
/// The body is not one JSON object that names exactly one execution, is not of
/// type `individual`, or holds no analysis.
pub fn parse_analysis(body: &[u8], received_at: DateTime<Utc>, body_sha256: [u8; 32]) -> Result<Event, Reject> {
    let (top, execution_id) = identified(body)?;
    if top.embedded("analysis_type").as_deref() != Some(INDIVIDUAL) {
        return Err(Reject::NotIndividual);
    }
    let mut flags = Flags::default();
    let given = top.object("analysis", "analysis", &mut flags);
    let given = given.filter(|given| !given.is_empty()).ok_or(Reject::NoAnalysis)?;
    let analysis = read_lead(&given, &mut flags);
    Ok(Event {
        provider: Provider::Analysis,
        body_sha256,
        received_at,
        execution_id: Some(execution_id),
        call_sid: None,
        agent_ref: top.lenient_id("agent_id", &mut flags),
        account_sid: None,
        parent_call_sid: None,
        attempt: 0,
        status: "analysis".to_owned(),
        updated_at: top.recent_instant("analyzed_at", &mut flags),
        created_at: None,
        initiated_at: None,
        facts: Facts { analysis: Some(analysis), ..Facts::default() },
        flags: flags.into_sorted(),
    })
}

/// The body's members and the one execution that it names.
pub(crate) fn identified(body: &[u8]) -> Result<(Object<'_>, String), Reject> {
    crate::bolna::identified(body)
}

fn read_lead(given: &Object<'_>, flags: &mut Flags) -> LeadAnalysis {
    let person = given.object("extraction", "analysis.extraction", flags).unwrap_or_default();
    let scores = ["intent_score", "urgency_score", "budget_score", "fit_score", "engagement_score"]
        .map(|key| read_score(given, key, flags));
    let [intent_score, urgency_score, budget_score, fit_score, engagement_score] = scores;
    let total_score = read_score(given, "total_score", flags);
    let (follow_up_at, follow_up_date) = read_follow_up(given, flags);
    let mut level = |key| word(given, key, MAX_LEVEL_CHARS, flags);
    LeadAnalysis {
        intent_score,
        urgency_score,
        budget_score,
        fit_score,
        engagement_score,
        intent_level: level("intent_level"),
        urgency_level: level("urgency_level"),
        budget_constraint: level("budget_constraint"),
        fit_alignment: level("fit_alignment"),
        engagement_health: level("engagement_health"),
        total_score,
        lead_status_tag: word(given, "lead_status_tag", MAX_TAG_CHARS, flags),
        reasoning: given.free_value("reasoning", flags).unwrap_or(Value::Null),
        company_name: word(&person, "company_name", MAX_TEXT_CHARS, flags),
        extracted_name: word(&person, "name", MAX_TEXT_CHARS, flags),
        extracted_email: word(&person, "email_address", MAX_TEXT_CHARS, flags)
            .filter(|email| !email.eq_ignore_ascii_case(PLACEHOLDER_EMAIL)),
        smart_notification: person.text("smartnotification", flags).filter(|text| !is_null_word(Some(text))),
        transcript_summary: word(&person, "in_detail_summary", MAX_SUMMARY_CHARS, flags),
        demo_book_datetime: read_demo_time(given, flags),
        follow_up_at,
        follow_up_date,
        cta_pricing_clicked: clicked(given, "cta_pricing_clicked", flags),
        cta_demo_clicked: clicked(given, "cta_demo_clicked", flags),
        cta_followup_clicked: clicked(given, "cta_followup_clicked", flags),
        cta_sample_clicked: clicked(given, "cta_sample_clicked", flags),
        cta_escalated_to_human: clicked(given, "cta_escalated_to_human", flags),
    }
}

fn read_score(given: &Object<'_>, key: &str, flags: &mut Flags) -> Option<i32> {
    if is_null_word(given.embedded(key).as_deref()) {
        return None;
    }
    let read = |text: &str| {
        let score = decimal::whole_number(text, MAX_SCORE)?;
        i32::try_from(score).ok()
    };
    given.number(key, flags, read)
}

fn read_demo_time(given: &Object<'_>, flags: &mut Flags) -> Option<DateTime<Utc>> {
    if is_null_word(given.embedded("demo_book_datetime").as_deref()) {
        return None;
    }
    given.instant("demo_book_datetime", flags)
}

/// When to speak to the customer again: `follow_up_at` and `follow_up_date`, each
/// an instant with its zone, or a day or time of the tenant's zone, of which the
/// day is kept.
fn read_follow_up(given: &Object<'_>, flags: &mut Flags) -> (Option<DateTime<Utc>>, Option<NaiveDate>) {
    let moments = ["follow_up_at", "follow_up_date"].map(|key| {
        if is_null_word(given.embedded(key).as_deref()) {
            return None;
        }
        let text = given.text(key, flags)?;
        let moment = time::parse_moment(text.trim());
        if moment.is_none() {
            flags.bad_field(&format!("analysis.{key}"));
        }
        moment
    });
    let days = moments.into_iter().rev().flatten();
    let date = days.filter_map(Moment::day).next();
    let at = moments.into_iter().flatten().find_map(Moment::instant);
    (at, date)
}

fn word(from: &Object<'_>, key: &str, max_chars: usize, flags: &mut Flags) -> Option<String> {
    let text = from.short_text(key, max_chars, flags)?;
    (!is_null_word(Some(&text))).then_some(text)
}

/// Analysers write the word where they mean the value.
fn is_null_word(text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        let text = text.trim();
        text.eq_ignore_ascii_case("null") || text == "None"
    })
}

fn clicked(given: &Object<'_>, key: &str, flags: &mut Flags) -> bool {
    given.boolean(key, flags).unwrap_or(false)
}
