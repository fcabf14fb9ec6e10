//! An HTTP server that speaks the chat-completions API of OpenAI: the documented
//! shapes, the checks that matter here, and whatever trouble a test scripts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What the server says to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The model's answer, as compact JSON.
    Analysis(Value),
    /// The model's answer, verbatim: code fences, half of it, anything.
    Content(String),
    /// The model declines.
    Refusal,
    /// The answer was cut off at the most tokens.
    Length(String),
    /// An error with this status, and `Retry-After` if given.
    Status(u16, Option<String>),
    /// A body that is no completion.
    Raw(String),
    /// Nothing, until the semaphore has a permit; then the other.
    Held(Arc<Semaphore>, Box<Reply>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The header, verbatim.
    pub authorization: Option<String>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// The body as JSON; panics if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the request is not JSON: {error}"))
    }

    /// What the user's message asks about; panics if there is none.
    pub fn asked(&self) -> Value {
        let body = self.json();
        let content = body["messages"][1]["content"].as_str().unwrap_or_default();
        serde_json::from_str(content).unwrap_or_else(|error| panic!("the message is not JSON: {error}"))
    }
}

#[derive(Debug, Default)]
struct Shared {
    requests: Vec<Request>,
    script: VecDeque<Reply>,
    otherwise: Option<Reply>,
    api_key: Option<String>,
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct OpenAi {
    /// For the tenant's settings.
    pub base_url: String,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl Drop for OpenAi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl OpenAi {
    /// Starts on a free port. Requests without this key are refused, if one is given.
    /// Until something is scripted, everybody gets an answer of [`full_answer`].
    pub async fn start(api_key: Option<&str>) -> Self {
        let shared = Arc::new(Mutex::new(Shared { api_key: api_key.map(str::to_owned), ..Shared::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("no port: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { base_url: format!("http://{address}/v1"), shared, task }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next requests get these, in turn.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.lock().script.extend(replies);
    }

    /// What requests get that nothing is scripted for.
    pub fn otherwise(&self, reply: Reply) {
        self.lock().otherwise = Some(reply);
    }

    /// All requests so far, those that were refused too.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }
}

/// A complete answer on a scale of three.
pub fn full_answer() -> Value {
    json!({
        "intent_level": "High", "intent_score": 3, "urgency_level": "Medium", "urgency_score": 2, "budget_constraint": "Maybe",
        "budget_score": 2, "fit_alignment": "High", "fit_score": 3, "engagement_health": "High", "engagement_score": 3,
        "total_score": 13, "lead_status_tag": "Hot", "demo_book_datetime": "2026-03-04T17:00:00+05:30",
        "cta_pricing_clicked": true, "cta_demo_clicked": true, "cta_followup_clicked": false, "cta_sample_clicked": false,
        "cta_escalated_to_human": false,
        "reasoning": { "intent": "Wants it", "urgency": null, "budget": null, "fit": null, "engagement": null, "cta_behavior": null },
        "extraction": { "name": "Asha", "email_address": null, "company_name": "Example Foods", "smartnotification": "Wants pricing",
                        "in_detail_summary": "Asked for prices." },
    })
}

async fn complete(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (reply, model) = {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.requests.push(Request { authorization: authorization.clone(), body: body.to_vec() });
        let wanted = shared.api_key.as_ref().map(|key| format!("Bearer {key}"));
        if wanted.is_some() && authorization != wanted {
            return error(401, None, "Incorrect API key provided");
        }
        let model = match checked(&body) {
            Ok(model) => model,
            Err(reason) => return error(400, None, &reason),
        };
        let scripted = shared.script.pop_front().or_else(|| shared.otherwise.clone());
        (scripted.unwrap_or_else(|| Reply::Analysis(full_answer())), model)
    };
    answer(reply, &model, body.len()).await
}

async fn answer(mut reply: Reply, model: &str, asked_bytes: usize) -> Response {
    while let Reply::Held(until, then) = reply {
        if let Ok(permit) = until.acquire().await {
            permit.forget();
        }
        reply = *then;
    }
    match reply {
        Reply::Analysis(value) => completion(model, asked_bytes, Some(value.to_string()), None, "stop"),
        Reply::Content(text) => completion(model, asked_bytes, Some(text), None, "stop"),
        Reply::Refusal => completion(model, asked_bytes, None, Some("I cannot help with that."), "stop"),
        Reply::Length(text) => completion(model, asked_bytes, Some(text), None, "length"),
        Reply::Status(status, retry_after) => error(status, retry_after, "scripted"),
        Reply::Raw(text) => text.into_response(),
        Reply::Held(..) => error(500, None, "held for ever"),
    }
}

/// The rules of the API that a client can break; gives the model.
fn checked(body: &[u8]) -> Result<String, String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "We could not parse the JSON body of your request.")?;
    let model = body["model"].as_str().ok_or("you must provide a model parameter")?;
    let messages = body["messages"].as_array().filter(|list| !list.is_empty()).ok_or("messages is required")?;
    let is_message = |message: &Value| {
        ["system", "user", "assistant"].contains(&message["role"].as_str().unwrap_or_default())
            && message["content"].is_string()
    };
    if !messages.iter().all(is_message) {
        return Err("a message needs a role and a content".to_owned());
    }
    if let Some(format) = body.get("response_format").filter(|format| format["type"] == "json_schema") {
        let named = &format["json_schema"];
        if !named["name"].is_string() {
            return Err("response_format.json_schema.name is required".to_owned());
        }
        if named["strict"] == true {
            strict(&named["schema"])?;
        }
    }
    Ok(model.to_owned())
}

/// In strict mode every object forbids others than its properties and requires all
/// of them.
fn strict(schema: &Value) -> Result<(), String> {
    let Some(properties) = schema["properties"].as_object() else { return Ok(()) };
    if schema["additionalProperties"] != false {
        return Err("Invalid schema: 'additionalProperties' is required to be supplied and to be false".to_owned());
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if required.len() != properties.len() || !properties.keys().all(|key| required.contains(&key.as_str())) {
        return Err("Invalid schema: 'required' must include every key in properties".to_owned());
    }
    properties.values().try_for_each(strict)
}

fn completion(
    model: &str,
    asked_bytes: usize,
    content: Option<String>,
    refusal: Option<&str>,
    finish_reason: &str,
) -> Response {
    let (prompt, completion) = (asked_bytes / 4, content.as_ref().map_or(8, |text| text.len() / 4));
    axum::Json(json!({
        "id": "chatcmpl-test", "object": "chat.completion", "created": 1_772_532_727, "model": model,
        "choices": [{ "index": 0, "logprobs": null, "finish_reason": finish_reason,
                      "message": { "role": "assistant", "content": content, "refusal": refusal } }],
        "usage": { "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion },
    }))
    .into_response()
}

fn error(status: u16, retry_after: Option<String>, message: &str) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = axum::Json(
        json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } }),
    );
    match retry_after {
        Some(after) => (code, [(header::RETRY_AFTER, after)], body).into_response(),
        None => (code, body).into_response(),
    }
}
