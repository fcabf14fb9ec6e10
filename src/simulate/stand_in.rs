//! Stands in for the services that a daemon asks by itself while made-up traffic is
//! counted: the model that analyses transcripts, and the voice agent platform's own
//! list of executions, which knows what its webhooks failed to tell.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::call::{Message, PlannedCall, Stage};
use super::target::Target;
use super::{SimulateError, bolna, content};
use crate::ledger::LeadTruth;

/// What every request must bring: the services are for this run only.
pub const KEY: &str = "key-of-the-stand-in";
const PAGE: usize = 50;

/// What is said of a transcript by which the model's stand-in knows its call.
const REFERENCE: &str = "Your reference is ";

/// The services, listening on a port of this machine until they are dropped.
pub struct StandIn {
    pub address: SocketAddr,
    known: Arc<Mutex<Known>>,
    server: AbortHandle,
}

#[derive(Default)]
struct Known {
    leads: HashMap<Uuid, LeadTruth>,
    /// By tenant, then by execution.
    executions: HashMap<Uuid, BTreeMap<String, Execution>>,
    /// What the webhooks do not tell to the end.
    withheld: HashSet<String>,
}

struct Execution {
    created_at: DateTime<Utc>,
    record: Value,
}

impl StandIn {
    /// Starts them without any knowledge.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self, SimulateError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(SimulateError::Listen)?;
        let address = listener.local_addr().map_err(SimulateError::Listen)?;
        let known = Arc::<Mutex<Known>>::default();
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/bolna/{tenant}/executions", get(list))
            .route("/bolna/{tenant}/executions/{id}", get(one))
            .with_state(Arc::clone(&known));
        let server = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Ok(Self { address, known, server })
    }

    /// Base address of the model's API.
    pub fn model_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Base address of the platform's API for one tenant.
    pub fn bolna_url(&self, tenant: Uuid) -> String {
        format!("http://{}/bolna/{tenant}", self.address)
    }

    /// Learns a plan: what the model will find, and the last record of each execution.
    pub(super) fn learn(&self, targets: &[Target], calls: &[PlannedCall]) {
        let mut known = lock(&self.known);
        for call in calls {
            if let Some(lead) = call.content.modelled {
                known.leads.insert(call.execution_id, lead);
            }
            let target = &targets[call.target];
            let last = call.events.iter().rev().find(|event| matches!(event.message, Message::Bolna { .. }));
            let Some(record) = last.and_then(|event| serde_json::from_str(&bolna::body(target, call, event)).ok())
            else {
                continue;
            };
            let id = call.execution_id.to_string();
            if call.is_withheld {
                known.withheld.insert(id.clone());
            }
            let executions = known.executions.entry(target.user_id).or_default();
            executions.insert(id, Execution { created_at: call.created_at, record });
        }
    }

    /// Executions that were withheld and have not been asked for.
    pub fn unasked(&self) -> usize {
        lock(&self.known).withheld.len()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Whether the call's webhooks stop before its end.
pub(super) fn is_end(call_attempts: usize, message: &Message) -> bool {
    matches!(message, Message::Bolna { attempt, stage: Stage::End, .. } if attempt + 1 == call_attempts)
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

type Shared = State<Arc<Mutex<Known>>>;

/// Answers with what was planned for the last call that the question names, in the
/// shape that the question asks for.
async fn complete(State(known): Shared, body: Bytes) -> Response {
    let Ok(question) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let said = question["messages"].to_string();
    let named = said.rsplit(REFERENCE).next().and_then(|rest| rest.get(..36)).and_then(|id| id.parse().ok());
    let lead = named.and_then(|id: Uuid| lock(&known).leads.get(&id).copied());
    let Some(lead) = lead else {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": {"message": "no call is named"}}))).into_response();
    };
    let answer = fill(&question["response_format"]["json_schema"]["schema"], &lead);
    let message = json!({"role": "assistant", "content": answer.to_string(), "refusal": null});
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": question["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }))
    .into_response()
}

/// An object of the schema: what the lead says under its name, null elsewhere.
fn fill(schema: &Value, lead: &LeadTruth) -> Value {
    let Some(properties) = schema["properties"].as_object() else { return Value::Null };
    let told = content::told(lead);
    let members = properties.iter().map(|(name, schema)| {
        let value = match told.get(name.as_str()) {
            Some(value) => value.clone(),
            None if schema["type"] == "object" => fill(schema, lead),
            None if schema["type"] == "boolean" => json!(false),
            None => Value::Null,
        };
        (name.clone(), value)
    });
    Value::Object(members.collect::<Map<_, _>>())
}

async fn one(State(known): Shared, Path((tenant, id)): Path<(Uuid, String)>) -> Response {
    let mut known = lock(&known);
    let record = known.executions.get(&tenant).and_then(|executions| executions.get(&id)).map(|e| e.record.clone());
    let Some(record) = record else { return StatusCode::NOT_FOUND.into_response() };
    known.withheld.remove(&id);
    Json(record).into_response()
}

/// The trimmed list, newest first, fifty at a time.
async fn list(
    State(known): Shared,
    Path(tenant): Path<Uuid>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let instant = |key: &str| query.get(key).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let (Some(from), Some(to)) = (instant("from"), instant("to")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let page: usize = query.get("page_number").and_then(|text| text.parse().ok()).unwrap_or(1);
    let known = lock(&known);
    let mut inside: Vec<&Execution> = known
        .executions
        .get(&tenant)
        .into_iter()
        .flat_map(BTreeMap::values)
        .filter(|execution| execution.created_at >= from && execution.created_at <= to)
        .collect();
    inside.sort_by_key(|execution| std::cmp::Reverse(execution.created_at));
    let skipped = page.saturating_sub(1) * PAGE;
    let data: Vec<Value> = inside
        .iter()
        .skip(skipped)
        .take(PAGE)
        .map(|execution| {
            let record = &execution.record;
            json!({"id": record["id"], "status": record["status"], "created_at": record["created_at"],
                "conversation_duration": record["conversation_duration"]})
        })
        .collect();
    let has_more = skipped + data.len() < inside.len();
    Json(json!({"page_number": page, "page_size": PAGE, "total": inside.len(), "has_more": has_more, "data": data}))
        .into_response()
}
