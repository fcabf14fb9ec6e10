//! What an endpoint's answer comes to.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use tallyline_model::loose::unfenced;
use tallyline_model::{LeadAnalysis, Scales, parse_instant};

use super::openai_schema::{EXTRACTIONS, FLAGS, LEVELS, REASONS, SCORES};
use super::provider::{Failure, Usage, Verdict};
use super::retry::After;

/// An HTTP answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<After>,
    pub(super) body: Vec<u8>,
}

/// What it says, and what it used; the cost is not filled in.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) result: Result<LeadAnalysis, Failure>,
    pub(super) usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<TokenUsage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Debug, Deserialize)]
struct TokenUsage {
    #[serde(default)]
    prompt_tokens: i64,
    #[serde(default)]
    completion_tokens: i64,
}

/// Reads an answer against the tenant's scales.
pub(super) fn read(answer: &Answer, scales: Scales) -> Parsed {
    if answer.status != 200 {
        return Parsed { result: Err(refused(answer)), usage: None };
    }
    let completion: Completion = match serde_json::from_slice(&answer.body) {
        Ok(completion) => completion,
        Err(_) => return Parsed { result: Err(again("invalid_json", "the answer is not JSON")), usage: None },
    };
    let usage = completion.usage.as_ref().map(|used| Usage {
        model: completion.model.clone(),
        input_tokens: used.prompt_tokens.max(0),
        output_tokens: used.completion_tokens.max(0),
        cost_micros: 0,
    });
    let result = completion.choices.first().ok_or_else(|| again("schema_violation", "no choice")).and_then(|choice| {
        let text = content(choice)?;
        analysis(text, scales)
    });
    Parsed { result, usage }
}

/// A status other than 200. What the endpoint writes beside it is not kept: it may
/// repeat the request.
fn refused(answer: &Answer) -> Failure {
    let after = answer.retry_after;
    let (verdict, code) = match answer.status {
        400 => (Verdict::Fail, "bad_request"),
        401 => (Verdict::Fail, "unauthorised"),
        403 => (Verdict::Fail, "forbidden"),
        404 => (Verdict::Fail, "not_found"),
        408 => (Verdict::Unreachable(after), "timed_out"),
        409 => (Verdict::Retry(after), "conflict"),
        429 => (Verdict::Retry(after), "rate_limited"),
        500.. => (Verdict::Unreachable(after), "server_error"),
        _ => (Verdict::Fail, "refused"),
    };
    Failure::new(verdict, code, format!("HTTP {}", answer.status))
}

/// Models differ from one time to the next: another attempt may do.
fn again(code: &'static str, detail: impl Into<String>) -> Failure {
    Failure::new(Verdict::Retry(None), code, detail)
}

fn content(choice: &Choice) -> Result<&str, Failure> {
    if choice.message.refusal.as_deref().is_some_and(|refusal| !refusal.is_empty()) {
        return Err(again("refusal", "the model refused"));
    }
    match choice.finish_reason.as_deref() {
        Some("length") => return Err(again("length", "the answer was cut off at max_output_tokens")),
        Some("content_filter") => return Err(again("refusal", "the answer was filtered")),
        _ => {}
    }
    choice.message.content.as_deref().ok_or_else(|| again("schema_violation", "no content"))
}

fn analysis(text: &str, scales: Scales) -> Result<LeadAnalysis, Failure> {
    let value: Value =
        serde_json::from_str(unfenced(text)).map_err(|_| again("invalid_json", "the content is not JSON"))?;
    let given = Members::of(&value, "the answer")?;
    let [intent_level, urgency_level, budget_constraint, fit_alignment, engagement_health] =
        all(LEVELS, |key| given.text(key))?;
    let [intent_score, urgency_score, budget_score, fit_score, engagement_score] =
        all(SCORES, |key| given.score(key, scales.dimension))?;
    let total_score = given.score("total_score", scales.total)?;
    let [cta_pricing_clicked, cta_demo_clicked, cta_followup_clicked, cta_sample_clicked, cta_escalated_to_human] =
        all(FLAGS, |key| given.flag(key))?;
    let reasons = Members::of(given.0.get("reasoning").unwrap_or(&Value::Null), "reasoning")?;
    let reasoning: Map<String, Value> = all(REASONS, |key| Ok((key, reasons.text(key)?)))?
        .into_iter()
        .filter_map(|(key, reason)| Some((key.to_owned(), Value::String(reason?))))
        .collect();
    let person = Members::of(given.0.get("extraction").unwrap_or(&Value::Null), "extraction")?;
    let [extracted_name, extracted_email, company_name, smart_notification, transcript_summary] =
        all(EXTRACTIONS, |key| person.text(key))?;
    if [intent_score, urgency_score, budget_score, fit_score, engagement_score, total_score].iter().all(Option::is_none)
    {
        return Err(again("schema_violation", "no score at all"));
    }
    let demo_book_datetime = given.instant("demo_book_datetime", "demo_book_datetime is no time")?;
    let follow_up_at = given.instant("follow_up_at", "follow_up_at is no time")?;
    Ok(LeadAnalysis {
        intent_score,
        urgency_score,
        budget_score,
        fit_score,
        engagement_score,
        intent_level,
        urgency_level,
        budget_constraint,
        fit_alignment,
        engagement_health,
        total_score,
        lead_status_tag: given.text("lead_status_tag")?,
        reasoning: Value::Object(reasoning),
        company_name,
        extracted_name,
        extracted_email,
        smart_notification,
        transcript_summary,
        demo_book_datetime,
        follow_up_at,
        follow_up_date: None,
        cta_pricing_clicked,
        cta_demo_clicked,
        cta_followup_clicked,
        cta_sample_clicked,
        cta_escalated_to_human,
    })
}

fn all<T, const N: usize>(
    keys: [&'static str; N],
    read: impl Fn(&'static str) -> Result<T, Failure>,
) -> Result<[T; N], Failure> {
    let values = keys.into_iter().map(read).collect::<Result<Vec<T>, Failure>>()?;
    values.try_into().map_err(|_| again("schema_violation", "members are missing"))
}

/// The members of an object that the schema describes.
struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn of(value: &'a Value, name: &str) -> Result<Self, Failure> {
        value.as_object().map(Members).ok_or_else(|| again("schema_violation", format!("{name} is no object")))
    }

    /// Endpoints that ignore the schema leave out what is null.
    fn get(&self, key: &str) -> &'a Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        match self.get(key) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            _ => Err(again("schema_violation", format!("{key} is no text"))),
        }
    }

    fn instant(&self, key: &str, refused: &'static str) -> Result<Option<DateTime<Utc>>, Failure> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        parse_instant(&text).map(Some).ok_or_else(|| again("schema_violation", refused))
    }

    fn flag(&self, key: &str) -> Result<bool, Failure> {
        match self.get(key) {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(again("schema_violation", format!("{key} is neither true nor false"))),
        }
    }

    fn score(&self, key: &str, full: i32) -> Result<Option<i32>, Failure> {
        let value = self.get(key);
        if value.is_null() {
            return Ok(None);
        }
        let score = value.as_i64().ok_or_else(|| again("schema_violation", format!("{key} is no whole number")))?;
        let score = i32::try_from(score).ok().filter(|score| (0..=full).contains(score));
        score.map(Some).ok_or_else(|| again("out_of_range", format!("{key} lies beyond 0 to {full}")))
    }
}
