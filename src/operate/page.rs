//! What the pages of operators have in common: who may see and change them, how
//! they are turned away, and the parts that they are made of.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;
use sqlx::PgConnection;
use tallyline_jobs::admin_log::{self, Entry};
use tallyline_queue::QueueError;
use uuid::Uuid;

use crate::accounts::guard::Gate;
use crate::accounts::{Principal, Role, Source, Via};
use crate::dashboard::layout::{self, Frame, Place};
use crate::dashboard::{answer_with, data, format};

/// Lines of a page of a list.
pub const LINES: i64 = 50;

/// Why there is no page.
#[derive(Debug)]
pub enum Stop {
    /// There is no such page or thing, or it is nobody's business that there is.
    NotFound,
    /// Seen, but not theirs to change.
    Forbidden(&'static str),
    /// It makes no sense, or not as things stand.
    Refused(String),
    /// The database does not answer as it should.
    Database(String),
}

impl Stop {
    pub fn refused(text: &str) -> Self {
        Stop::Refused(text.to_owned())
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Stop::Database(error.to_string())
    }
}

impl From<QueueError> for Stop {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Database(error) => error.into(),
            QueueError::UnknownSchedule { .. } => Stop::NotFound,
            other => Stop::Refused(other.to_string()),
        }
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Stop::NotFound => (StatusCode::NOT_FOUND, "No such page", "There is nothing here.".to_owned()),
            Stop::Forbidden(text) => (StatusCode::FORBIDDEN, "Not allowed", text.to_owned()),
            Stop::Refused(text) => (StatusCode::UNPROCESSABLE_ENTITY, "Nothing was done", text),
            Stop::Database(error) => {
                tracing::error!(%error, "a page of operators could not use the database");
                let text = "The database does not answer. Try again in a moment.".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "No page at the moment", text)
            }
        };
        answer_with(status, layout::plain(title, &html! { h1 { (title) } p { (text) } }))
    }
}

pub type Answer = Result<Response, Stop>;

/// Somebody who may see the pages of operators; to others there are none.
pub struct Operator(pub Principal);

impl FromRequestParts<Arc<Gate>> for Operator {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Stop> {
        match Principal::from_request_parts(parts, gate).await {
            Ok(principal) if principal.is_operator() => Ok(Operator(principal)),
            _ => Err(Stop::NotFound),
        }
    }
}

/// Somebody who changes something, and from where.
#[derive(Debug, Clone)]
pub struct Actor {
    pub principal: Principal,
    pub source: Source,
}

impl Actor {
    async fn of(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Stop> {
        let principal = Principal::from_request_parts(parts, gate).await.map_err(|_| Stop::NotFound)?;
        let source = Source::from_request_parts(parts, gate).await.map_err(|_| Stop::NotFound)?;
        Ok(Actor { principal, source })
    }

    fn who_may(self, least: Role) -> Result<Self, Stop> {
        match (self.principal.is_operator(), self.principal.may_change(least)) {
            (false, _) => Err(Stop::NotFound),
            (true, true) => Ok(self),
            (true, false) if self.principal.account.role < least => {
                Err(Stop::Forbidden("Only a super_admin may do this."))
            }
            (true, false) => Err(Stop::Forbidden("This API token may read, not change.")),
        }
    }

    /// Enters what is changed into the trail, in the transaction that changes it.
    pub async fn record(
        &self,
        db: &mut PgConnection,
        action: &str,
        (resource_type, resource_id): (&str, String),
        tenant: Option<Uuid>,
        details: Value,
    ) -> Result<(), sqlx::Error> {
        let entry = Entry {
            admin_user_id: self.principal.account.user_id,
            action,
            resource_type,
            resource_id: Some(resource_id),
            target_user_id: tenant,
            details,
            address: Some(self.source.address_text()),
            user_agent: self.source.agent_text(),
        };
        admin_log::record(db, &entry).await
    }
}

/// Who may run the pipeline.
pub struct AsAdmin(pub Actor);

impl FromRequestParts<Arc<Gate>> for AsAdmin {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Stop> {
        Actor::of(parts, gate).await?.who_may(Role::Admin).map(AsAdmin)
    }
}

/// Who may make accounts and see what senders sent.
pub struct AsSuperAdmin(pub Actor);

impl FromRequestParts<Arc<Gate>> for AsSuperAdmin {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Stop> {
        Actor::of(parts, gate).await?.who_may(Role::SuperAdmin).map(AsSuperAdmin)
    }
}

/// Somebody signed in who changes what is their own. Programs may not: a token
/// that leaked would make itself others.
pub struct AsThemselves(pub Actor, pub Uuid);

impl FromRequestParts<Arc<Gate>> for AsThemselves {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Stop> {
        let actor = Actor::of(parts, gate).await?;
        match actor.principal.via {
            Via::Session(session) => Ok(AsThemselves(actor, session)),
            _ => Err(Stop::Forbidden("Sign in to change your account.")),
        }
    }
}

/// A page of operators. `here` is its entry in [`layout::OPERATOR_PAGES`].
pub async fn page(gate: &Gate, who: &Principal, here: &'static str, title: &str, content: Markup) -> Answer {
    framed(gate, who, Place::Operate(here), title, false, &content).await
}

/// A page that renews itself.
pub async fn live_page(gate: &Gate, who: &Principal, here: &'static str, title: &str, content: Markup) -> Answer {
    framed(gate, who, Place::Operate(here), title, true, &content).await
}

/// A page that is no operator's.
pub async fn page_apart(gate: &Gate, who: &Principal, title: &str, content: Markup) -> Answer {
    framed(gate, who, Place::Apart, title, false, &content).await
}

async fn framed(
    gate: &Gate,
    principal: &Principal,
    place: Place<'_>,
    title: &str,
    live: bool,
    content: &Markup,
) -> Answer {
    let tenants = if principal.sees_all_tenants() { data::tenants(&gate.pool).await? } else { Vec::new() };
    let frame = Frame { principal, tenants: &tenants, place, keep: &[], live };
    let content = html! { div .heading { h1 { (title) } } (content) };
    Ok(answer_with(StatusCode::OK, frame.page(&format!("{title} – Tallyline"), &html! {}, &content)))
}

/// Leads to a page after a change; `said` names a sentence of [`said`].
pub fn back(path: &str, code: &str) -> Response {
    let separator = if path.contains('?') { '&' } else { '?' };
    let to = if code.is_empty() { path.to_owned() } else { format!("{path}{separator}said={code}") };
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// `?said=…`: what came of the change that led here.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Said {
    said: Option<String>,
}

/// What may be said, by its code: nothing that a link brings is repeated.
const SENTENCES: [(&str, &str); 23] = [
    ("done", "Done."),
    ("replayed", "Replayed: due now, with all its attempts."),
    ("joined", "A job lives under its key already, and does its work."),
    ("due-now", "Due now."),
    ("is-due", "It is due as it is; nothing was done."),
    ("runs", "It runs; nothing was done."),
    ("removed", "Cancelled: it is gone."),
    ("requested", "Its process has been asked to end it."),
    ("discarded", "Discarded."),
    ("is-dead", "It is a dead letter; nothing was done. Replay or discard it."),
    ("lives", "It lives; nothing was done. Cancel it instead."),
    ("ended", "It had ended before; nothing was done."),
    ("busy", "Somebody else holds it at the moment; nothing was done. Try again."),
    ("paused", "Paused; what runs goes on."),
    ("resumed", "Goes on."),
    ("was-not", "It was so already; nothing was done."),
    ("enqueued", "Its job was enqueued."),
    ("still-lives", "An earlier job of it lives; nothing was done."),
    ("pending", "Its event is to be applied."),
    ("known", "It is in the inbox by now."),
    ("body-gone", "It stays: its body is past its retention."),
    ("body-cut", "It stays: only the beginning of its body was kept."),
    ("still-refused", "It stays: still refused."),
];

impl Said {
    /// The sentence, if one was named.
    pub fn note(&self) -> Markup {
        let sentence = SENTENCES.iter().find(|(code, _)| Some(*code) == self.said.as_deref());
        html! { @if let Some((_, sentence)) = sentence { p .done role="status" { (sentence) } } }
    }
}

/// A field of a form or filter, `None` when it was left empty.
pub fn filled(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// A tenant's id in a filter.
pub fn tenant_id(text: Option<&String>) -> Result<Option<Uuid>, Stop> {
    let parse = |text: &str| text.parse().map_err(|_| Stop::refused("A tenant is named by its id."));
    filled(text).map(parse).transpose()
}

/// Address of a list with those of its filters that are set.
pub fn address(path: &str, filters: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filters.iter().filter_map(|(name, value)| value.map(|value| (*name, value))));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// One part of a path, as it may stand in an address.
pub fn part(text: &str) -> String {
    // A plus is a plus in a path.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The way to the next page of a list.
pub fn more(next: Option<String>) -> Markup {
    html! { @if let Some(next) = next { p .more { a href=(next) rel="next" { "Further on" } } } }
}

/// A time in UTC.
pub fn moment(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.format("%FT%TZ")) { (at.format("%F %T UTC")) } }
}

/// A time in UTC, or a word where there is none.
pub fn moment_or(at: Option<DateTime<Utc>>, none: &str) -> Markup {
    html! { @match at { Some(at) => (moment(at)), None => (none) } }
}

/// Seconds as text, `–` where there are none.
pub fn span(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| format::NONE.to_owned(), |seconds| format::duration(seconds as i64))
}

/// A tenant by its id, linked.
pub fn tenant(id: Option<Uuid>) -> Markup {
    html! { @match id { Some(id) => a href={ "/operate/tenants/" (id) } { code { (short(id)) } }, None => (format::NONE) } }
}

/// The beginning of an id, enough to tell it from others.
pub fn short(id: Uuid) -> String {
    id.to_string().chars().take(8).collect()
}

/// A card with a heading.
pub fn card(id: &str, title: &str, content: &Markup) -> Markup {
    html! { section .card aria-labelledby=(id) { h2 id=(id) { (title) } (content) } }
}

/// A table that scrolls by itself; a head beginning with `#` is one of figures.
pub fn table(label: &str, heads: &[&str], rows: &Markup) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(label) {
            table .figures {
                thead { tr { @for head in heads {
                    @match head.strip_prefix('#') {
                        Some(head) => th scope="col" .n { (head) },
                        None => th scope="col" { (head) },
                    }
                } } }
                tbody { (rows) }
            }
        }
    }
}

/// Names and values.
pub fn facts(lines: &[(&str, Markup)]) -> Markup {
    html! { dl .pairs { @for (name, value) in lines { dt { (name) } dd { (value) } } } }
}

/// A figure with its definition.
pub fn tile(title: &str, value: &str, note: &str, definition: &str) -> Markup {
    html! {
        article .tile title=(definition) { h2 { (title) } p .value { (value) } p .note { (note) } }
    }
}

/// A button that changes something, with the fields that go with it.
pub fn button(action: &str, label: &str, hidden: &[(&str, &str)], fields: &Markup) -> Markup {
    html! {
        form .act method="post" action=(action) {
            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
            (fields)
            button type="submit" { (label) }
        }
    }
}

/// A labelled line of text in a form.
pub fn line(id: &str, name: &str, label: &str, value: &str) -> Markup {
    html! { div { label for=(id) { (label) } input id=(id) name=(name) value=(value); } }
}

/// Why, for whoever wonders.
pub fn reason(id: &str) -> Markup {
    html! { div { label for=(id) { "Reason" } input id=(id) name="reason" required maxlength="500"; } }
}

/// A choice in a form; the empty one is `any`, where there is one.
pub fn choice(id: &str, name: &str, label: &str, any: Option<&str>, words: &[&str], chosen: Option<&str>) -> Markup {
    html! {
        div {
            label for=(id) { (label) }
            select id=(id) name=(name) {
                @if let Some(any) = any { option value="" { (any) } }
                @for word in words { option value=(word) selected[chosen == Some(*word)] { (word) } }
            }
        }
    }
}

/// `{"reason": …}` of a form.
#[derive(Debug, serde::Deserialize)]
pub struct Reason {
    reason: Option<String>,
}

impl Reason {
    /// The reason, which has to be given.
    pub fn given(&self) -> Result<&str, Stop> {
        let reason = filled(self.reason.as_ref()).ok_or(Stop::refused("Say why."))?;
        if reason.len() > 500 { Err(Stop::refused("A reason has at most 500 bytes.")) } else { Ok(reason) }
    }
}
