//! Analyses by an OpenAI-compatible endpoint: one `POST {base_url}/chat/completions`
//! with a strict JSON schema.
//!
//! The request is a function of the call and the tenant's settings alone. It holds
//! the time of the call in the tenant's zone, never the present time: "tomorrow" is
//! the day after the call, whenever the call is analysed.

use std::fmt;
use std::time::Duration;

use chrono::SecondsFormat;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};

use super::input::{CallInput, Input, cut_middle};
use super::openai_answer::{self, Answer};
use super::openai_schema::{INSTRUCTIONS, INSTRUCTIONS_FOR_ALL_CALLS, schema};
use super::provider::{Failure, Outcome, Provider, Usage, Verdict};
use super::retry::After;

/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;
const MILLION: i128 = 1_000_000;

pub(super) struct OpenAi {
    pub(super) http: reqwest::Client,
    pub(super) url: String,
    pub(super) api_key: Option<String>,
    pub(super) model: String,
    pub(super) max_output_tokens: i64,
    /// Of a million tokens.
    pub(super) input_price_micros: i64,
    pub(super) output_price_micros: i64,
    pub(super) timeout: Duration,
    pub(super) max_transcript_bytes: usize,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("url", &self.url).field("model", &self.model).finish_non_exhaustive()
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    /// A token is a byte at least, so the request's length bounds its tokens.
    fn most_micros(&self, input: &Input) -> i64 {
        let bytes = i64::try_from(self.body(input).len()).unwrap_or(i64::MAX);
        self.cost_micros(bytes, self.max_output_tokens)
    }

    fn analyse<'a>(&'a self, input: &'a Input) -> BoxFuture<'a, Outcome> {
        self.ask(input).boxed()
    }
}

impl OpenAi {
    fn cost_micros(&self, input_tokens: i64, output_tokens: i64) -> i64 {
        let part = |tokens: i64, price: i64| i128::from(tokens) * i128::from(price);
        let micros = part(input_tokens, self.input_price_micros) + part(output_tokens, self.output_price_micros);
        i64::try_from((micros + MILLION - 1) / MILLION).unwrap_or(i64::MAX)
    }

    async fn ask(&self, input: &Input) -> Outcome {
        let answer = match self.send(input).await {
            Ok(answer) => answer,
            Err(error) => return self.unanswered(input, &error),
        };
        let parsed = openai_answer::read(&answer, input.scales);
        let usage = parsed
            .usage
            .map(|usage| Usage { cost_micros: self.cost_micros(usage.input_tokens, usage.output_tokens), ..usage });
        Outcome { result: parsed.result, usage }
    }

    /// No answer came. Of a request that may have reached the endpoint nobody knows
    /// what it cost: it counts with the most.
    fn unanswered(&self, input: &Input, error: &reqwest::Error) -> Outcome {
        let (code, detail) = match error {
            error if error.is_timeout() => ("timed_out", "no answer in time"),
            error if error.is_connect() => ("unreachable", "no connection"),
            _ => ("unreachable", "the connection broke"),
        };
        let usage = (!error.is_connect()).then(|| Usage { cost_micros: self.most_micros(input), ..Usage::default() });
        Outcome { result: Err(Failure::new(Verdict::Unreachable(None), code, detail)), usage }
    }

    async fn send(&self, input: &Input) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.post(&self.url).timeout(self.timeout).header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key);
        }
        let mut response = request.body(self.body(input)).send().await?;
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(After::parse);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                break;
            }
        }
        Ok(Answer { status, retry_after, body })
    }

    /// The request's bytes.
    fn body(&self, input: &Input) -> Vec<u8> {
        let system = if input.is_complete { INSTRUCTIONS_FOR_ALL_CALLS } else { INSTRUCTIONS };
        let calls: Vec<Value> = input.calls.iter().map(|call| self.call(call, input)).collect();
        let asked = json!({ "scale_of_each_score": input.scales.dimension, "scale_of_total_score": input.scales.total, "calls": calls });
        let body = json!({
            "model": self.model,
            "temperature": 0,
            "max_tokens": self.max_output_tokens,
            "messages": [
                { "role": "system", "content": system },
                { "role": "user", "content": asked.to_string() },
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": { "name": "lead_analysis", "strict": true, "schema": schema(input.scales) },
            },
        });
        body.to_string().into_bytes()
    }

    fn call(&self, call: &CallInput, input: &Input) -> Value {
        let local = call.started_at.with_timezone(&input.zone);
        let mut shown = json!({
            "started_at": local.to_rfc3339_opts(SecondsFormat::Secs, false).get(..16),
            "weekday": local.format("%A").to_string(),
            "time_zone": input.zone.name(),
            "utc_offset": local.format("%:z").to_string(),
            "direction": call.direction,
            "transcript": call.transcript.as_deref().map(|text| cut_middle(text, self.max_transcript_bytes)),
        });
        if let (Some(members), Some(analysis)) = (shown.as_object_mut(), &call.analysis) {
            members.insert("analysis_of_this_call".to_owned(), analysis.clone());
        }
        shown
    }
}
