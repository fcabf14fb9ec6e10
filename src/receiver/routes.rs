//! The way of a webhook request: limits, then who it is from, then whether it
//! can be an event, then one COMMIT; only then the answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, OriginalUri, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, post};
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tallyline_model::{Provider, Reject, usable_id};
use tallyline_queue::{Span, TraceContext, span};
use tallyline_secrets::signature::MatchedKey;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::answer::Answer;
use super::authenticate::{Claim, authenticate, unauthenticated};
use super::endpoints::{Endpoint, Endpoints, LookupError};
use super::group_commit::{GroupCommit, NewEvent, StoreError, Stored};
use super::limits::{self, Kind};
use super::metrics::{BODY_BYTES, PREVIOUS_SECRET, REFUSALS, REQUEST_DURATION, REQUESTS};
use super::networks::Networks;
use super::shares::Shares;
use super::spool::Spool;
use super::{client, form, quarantine};
use crate::config::Live;

/// W3C trace context, as a header and in the inbox.
const TRACEPARENT: &str = "traceparent";

/// What the handlers share.
pub struct Door {
    pub pool: PgPool,
    pub endpoints: Endpoints,
    pub commits: GroupCommit,
    pub public_origin: String,
    pub trusted_proxies: Networks,
    pub shares: Arc<Shares>,
    /// Limits of requests that were reloaded since; they go before those here.
    pub live: Live,
    pub max_body_bytes: usize,
    /// Bytes of bodies that may be in memory, of all requests together.
    pub body_room: Arc<Semaphore>,
    pub max_json_depth: usize,
    pub acknowledge_deadline: Duration,
    /// Where events wait while the database is away, if anywhere.
    pub spool: Option<Spool>,
}

/// The three webhook routes. Every other method than POST is answered 405.
pub fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route("/webhooks/bolna/{endpoint}", route(Provider::Bolna))
        .route("/webhooks/twilio/{endpoint}", route(Provider::Twilio))
        .route("/webhooks/analysis/{endpoint}", route(Provider::Analysis))
        .route("/webhooks/{*rest}", any(|| async { refused("none", Answer::NotFound) }))
        .layer(DefaultBodyLimit::disable())
        .with_state(door)
}

fn route(provider: Provider) -> MethodRouter<Arc<Door>> {
    post(move |State(door): State<Arc<Door>>, request: Request| handle(door, provider, request))
        .fallback(move || async move { refused(provider.as_str(), Answer::Method) })
}

/// Counts and answers what came to no endpoint.
fn refused(provider: &'static str, answer: Answer) -> Response {
    count(provider, answer);
    answer.into_response()
}

fn count(provider: &'static str, answer: Answer) {
    metrics::counter!(REQUESTS, "provider" => provider, "outcome" => answer.outcome()).increment(1);
    if let Some(reason) = answer.reason() {
        metrics::counter!(REFUSALS, "provider" => provider, "reason" => reason).increment(1);
    }
}

async fn handle(door: Arc<Door>, provider: Provider, request: Request) -> Response {
    let began = Instant::now();
    let answer = door.receive(provider, request).await.unwrap_or_else(|refusal| refusal);
    let provider = provider.as_str();
    count(provider, answer);
    metrics::histogram!(REQUEST_DURATION, "provider" => provider).record(began.elapsed().as_secs_f64());
    answer.into_response()
}

impl Door {
    async fn receive(&self, provider: Provider, request: Request) -> Result<Answer, Answer> {
        let (parts, body) = request.into_parts();
        let kind = limits::kind(provider, &parts.headers)?;
        let most = self.live.current().map_or(self.max_body_bytes, |live| live.max_body_bytes);
        let body = limits::read(&parts.headers, body, most, &self.body_room).await?;
        metrics::histogram!(BODY_BYTES, "provider" => provider.as_str()).record(body.len() as f64);
        timeout(self.acknowledge_deadline, self.decide(provider, &parts, kind, body))
            .await
            .unwrap_or(Err(Answer::Unavailable))
    }

    async fn decide(&self, provider: Provider, parts: &Parts, kind: Kind, body: Bytes) -> Result<Answer, Answer> {
        let (endpoint, matched) = self.identify(provider, parts, kind, &body).await?;
        if matched == MatchedKey::Previous {
            metrics::counter!(PREVIOUS_SECRET, "provider" => provider.as_str()).increment(1);
        }
        adopt_trace(&parts.headers, endpoint.user_id);
        // Only who is authentic takes of the tenant's share.
        let _place = self.shares.admit(endpoint.user_id).map_err(Answer::Limited)?;
        let (query, account_known) = (parts.uri.query().unwrap_or_default(), endpoint.account_sid.is_some());
        let max_json_depth = self.live.current().map_or(self.max_json_depth, |live| live.max_json_depth);
        if let Err(unusable) = usable(provider, account_known, query, &body, max_json_depth) {
            return self.refuse(&endpoint, unusable.reason, &unusable.detail, &body).await;
        }
        let event = NewEvent {
            user_id: endpoint.user_id,
            provider,
            endpoint: Arc::clone(&endpoint.name),
            body_sha256: Sha256::digest(&body).into(),
            headers: kept_headers(&parts.headers, matched),
            received_at: None,
            body,
        };
        self.store(&endpoint, event).await
    }

    /// The endpoint and the key that matched. An endpoint that does not exist is
    /// checked against a decoy: it takes the same way to the same answer.
    async fn identify(
        &self,
        provider: Provider,
        parts: &Parts,
        kind: Kind,
        body: &[u8],
    ) -> Result<(Arc<Endpoint>, MatchedKey), Answer> {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let name = uri.path().rsplit('/').next().unwrap_or_default();
        let found = self.find(provider, name).await?;
        let known = found.is_some();
        let endpoint = found.unwrap_or_else(|| self.endpoints.decoy(provider));
        let path_and_query = uri.path_and_query().map_or(uri.path(), |whole| whole.as_str());
        let url = format!("{}{path_and_query}", self.public_origin);
        let matched = authenticate(&endpoint, Claim { headers: &parts.headers, url: &url, kind, body });
        match matched {
            Some(matched) if known && endpoint.allows(self.client(parts)) => Ok((endpoint, matched)),
            Some(_) if known => Err(Answer::Forbidden),
            _ => Err(unauthenticated(provider, &parts.headers)),
        }
    }

    /// Where the request comes from. `None`, and then an allow-list allows nobody,
    /// when the server or a trusted proxy does not say.
    fn client(&self, parts: &Parts) -> Option<IpAddr> {
        let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
        client::address(peer.ip(), &parts.headers, &self.trusted_proxies)
    }

    /// The endpoint; with a spool, from memory while the database is away.
    async fn find(&self, provider: Provider, name: &str) -> Result<Option<Arc<Endpoint>>, Answer> {
        let Some(spool) = &self.spool else {
            return self.endpoints.find(provider, name).await.map_err(|error| lookup_failed(&error));
        };
        if !spool.is_database_away() {
            match timeout(self.acknowledge_deadline / 4, self.endpoints.find(provider, name)).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error @ LookupError::Sealing(_))) => return Err(lookup_failed(&error)),
                Ok(Err(LookupError::Database(_))) | Err(_) => spool.database_is_away(),
            }
        }
        self.endpoints.recall(provider, name).map(Some).ok_or(Answer::Unavailable)
    }

    async fn store(&self, endpoint: &Endpoint, event: NewEvent) -> Result<Answer, Answer> {
        let body = event.body.clone();
        let stored = match &self.spool {
            None => self.commits.store(event).await.map(Answer::from),
            Some(spool) => self.store_or_spool(spool, endpoint, event).await,
        };
        match stored {
            Ok(answer) => Ok(answer),
            Err(StoreError::Unavailable | StoreError::Overloaded) => Err(Answer::Unavailable),
            Err(StoreError::Refused) => self.refuse(endpoint, quarantine::NOT_STORABLE, "", &body).await,
        }
    }

    async fn store_or_spool(&self, spool: &Spool, endpoint: &Endpoint, event: NewEvent) -> Result<Answer, StoreError> {
        let spooled = NewEvent { received_at: Some(endpoint.now()), ..event.clone() };
        if !spool.is_database_away() {
            match timeout(self.acknowledge_deadline / 2, self.commits.store(event)).await {
                Ok(Err(StoreError::Unavailable)) | Err(_) => spool.database_is_away(),
                Ok(stored) => return stored.map(Answer::from),
            }
        }
        spool.append(spooled).await.map(|()| Answer::Spooled).map_err(|_| StoreError::Unavailable)
    }

    async fn refuse(
        &self,
        endpoint: &Endpoint,
        reason: &'static str,
        detail: &str,
        body: &[u8],
    ) -> Result<Answer, Answer> {
        match quarantine::keep_refused(&self.pool, endpoint, reason, detail, body).await {
            Ok(()) => Err(Answer::Rejected(reason)),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

/// Whether an event can be made of an authentic body, as far as the door looks.
/// `account_known`: whether the endpoint's account at Twilio is; `query`: of the
/// address that was signed.
///
/// # Errors
/// Why not.
pub fn usable(
    provider: Provider,
    account_known: bool,
    query: &str,
    body: &[u8],
    max_json_depth: usize,
) -> Result<(), Unusable> {
    if provider == Provider::Twilio {
        usable_id(provider, body).map_err(Unusable::from)?;
        if account_known && !form::names_one_account(body) {
            return Err(Unusable::new("no_account", "the form names no AccountSid, or two"));
        }
        if let Some(lost) = (form::Sent { query, form: body }).lost_field() {
            return Err(Unusable::new("recut", &format!("what was signed speaks of {lost}, the form does not")));
        }
        return Ok(());
    }
    if limits::is_deeper_than(body, max_json_depth) {
        return Err(Reject::NotJson.into());
    }
    usable_id(provider, body).map_err(Unusable::from)
}

/// Why no event can be made of a body.
#[derive(Debug)]
pub struct Unusable {
    pub reason: &'static str,
    /// A sentence without anything of the body.
    pub detail: String,
}

impl Unusable {
    fn new(reason: &'static str, detail: &str) -> Self {
        Self { reason, detail: detail.to_owned() }
    }
}

impl From<Reject> for Unusable {
    fn from(reject: Reject) -> Self {
        Self { reason: reject.reason(), detail: reject.to_string() }
    }
}

impl From<Stored> for Answer {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::New => Self::Accepted,
            Stored::Duplicate => Self::Duplicate,
        }
    }
}

fn lookup_failed(error: &LookupError) -> Answer {
    match error {
        LookupError::Database(error) => unavailable(error),
        LookupError::Sealing(error) => {
            tracing::error!(%error, "a webhook endpoint cannot be used");
            Answer::Failed
        }
    }
}

fn unavailable(error: &sqlx::Error) -> Answer {
    // Only the kind: the text of a database error may quote what was sent.
    let sqlstate = error.as_database_error().and_then(|error| error.code());
    tracing::warn!(sqlstate = sqlstate.as_deref().unwrap_or("none"), "the database could not be asked for a webhook");
    Answer::Unavailable
}

/// The trace of a sender that has proved who it is goes on here.
fn adopt_trace(headers: &HeaderMap, user_id: Uuid) {
    let Some(span) = Span::current() else { return };
    span.set("tallyline.tenant", user_id.to_string());
    let offered = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(TraceContext::parse);
    if let Some(offered) = offered {
        span.adopt(offered);
    }
}

/// Headers that help to explain an event later; none that holds a secret. While
/// spans are exported, also where the request is in its trace.
pub fn kept_headers(headers: &HeaderMap, matched: MatchedKey) -> String {
    const NAMES: [&str; 4] = ["content-type", "user-agent", "i-twilio-idempotency-token", "webhook-id"];
    let mut kept = serde_json::Map::new();
    for name in NAMES {
        if let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) {
            kept.insert(name.to_owned(), text.chars().take(256).collect::<String>().into());
        }
    }
    kept.insert("key".to_owned(), matched.as_str().into());
    if let Some(context) = span::carried() {
        kept.insert(TRACEPARENT.to_owned(), context.to_string().into());
    }
    serde_json::Value::Object(kept).to_string()
}
