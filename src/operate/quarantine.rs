//! `/operate/quarantine`: what could not be applied, and why; another try for
//! one or for all of a reason; a body only to a super_admin, and not unseen.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use super::page::{
    Actor, Answer, AsAdmin, AsSuperAdmin, LINES, Operator, Said, Stop, address, back, button, card, choice, facts,
    filled, line, moment, more, page, table, tenant, tenant_id,
};
use crate::accounts::guard::Gate;
use crate::accounts::{Principal, Role};
use crate::dashboard::format::{self, integer};
use crate::inbox::{self, Became, Held, HeldFilter, ReasonSum};

const PATH: &str = "/operate/quarantine";

/// Entries of one transaction, and transactions of one request.
const BATCH: i64 = 500;
const BATCHES: usize = 20;

const PROVIDERS: [&str; 3] = ["bolna", "twilio", "analysis"];

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    reason: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    before: Option<i64>,
    /// Highest id when the list was shown: what came later is left alone.
    up_to: Option<i64>,
}

impl Asked {
    fn filter(&self) -> Result<HeldFilter, Stop> {
        Ok(HeldFilter {
            tenant: tenant_id(self.tenant.as_ref())?,
            reason: filled(self.reason.as_ref()).map(str::to_owned),
            provider: filled(self.provider.as_ref()).map(str::to_owned),
            from: DateTime::<Utc>::MIN_UTC,
            until: DateTime::<Utc>::MAX_UTC,
            before: self.before.unwrap_or(i64::MAX),
            limit: LINES,
        })
    }

    fn filters<'a>(&'a self, reason: Option<&'a str>) -> Vec<(&'static str, Option<&'a str>)> {
        let (tenant, provider) = (filled(self.tenant.as_ref()), filled(self.provider.as_ref()));
        vec![("reason", reason), ("tenant", tenant), ("provider", provider)]
    }
}

pub async fn list(
    State(gate): State<Arc<Gate>>,
    Operator(who): Operator,
    Query(asked): Query<Asked>,
    Query(said): Query<Said>,
) -> Answer {
    let filter = asked.filter()?;
    let every_reason = HeldFilter { reason: None, ..filter.clone() };
    let mut db = gate.pool.acquire().await?;
    let top = inbox::top(&mut db).await?;
    let sums = inbox::held_by_reason(&mut db, &every_reason).await?;
    let held = inbox::held(&mut db, &filter).await?;
    drop(db);
    let full = i64::try_from(held.len()).is_ok_and(|lines| lines >= LINES);
    let next = held.last().filter(|_| full).map(|last| {
        let before = last.id.to_string();
        let mut filters = asked.filters(filter.reason.as_deref());
        filters.push(("before", Some(before.as_str())));
        address(PATH, &filters)
    });
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let content = html! {
        (said.note())
        form .filters method="get" action=(PATH) {
            (line("q-reason", "reason", "Reason", &value(&asked.reason)))
            (line("q-tenant", "tenant", "Tenant", &value(&asked.tenant)))
            (choice("q-provider", "provider", "Provider", Some("any"), &PROVIDERS, filter.provider.as_deref()))
            button type="submit" { "Show" }
        }
        (card("reasons-title", "Reasons", &reasons(&sums, &asked, top, who.may_change(Role::Admin))))
        (card("entries-title", "Entries, the newest first", &html! { (lines(&held)) (more(next)) }))
    };
    page(&gate, &who, PATH, "Quarantine", content).await
}

fn reasons(sums: &[ReasonSum], asked: &Asked, top: i64, may: bool) -> Markup {
    let up_to = top.to_string();
    let rows = html! {
        @for sum in sums { tr {
            th scope="row" { a href=(address(PATH, &asked.filters(Some(&sum.reason)))) { (sum.reason) } }
            td .n { (integer(sum.events)) } td .n { (integer(sum.at_the_door)) } td .n { (integer(sum.tenants)) }
            td { (moment(sum.oldest)) }
            td { @if may {
                @let hidden = [("reason", sum.reason.as_str()), ("tenant", asked.tenant.as_deref().unwrap_or_default()),
                    ("provider", asked.provider.as_deref().unwrap_or_default()), ("up_to", up_to.as_str())];
                (button(&format!("{PATH}/replay"), &format!("Replay these {}", integer(sum.events)), &hidden, &html! {}))
            } }
        } }
    };
    html! {
        @if sums.is_empty() { p .empty-state { "Nothing is in quarantine." } }
        @else { (table("Reasons", &["Reason", "#Events", "#At the door", "#Tenants", "Oldest", ""], &rows)) }
    }
}

fn lines(held: &[Held]) -> Markup {
    let rows = html! {
        @for entry in held { tr {
            th scope="row" { a href={ (PATH) "/" (entry.id) } { (entry.id) } }
            td { (moment(entry.held_since)) } td { (tenant(Some(entry.tenant))) } td { (entry.provider) } td { (entry.reason) }
            td .text { (entry.detail) } td .n { (size(entry.bytes)) }
        } }
    };
    html! {
        @if held.is_empty() { p .empty-state { "Nothing matches." } }
        @else { (table("Entries", &["Entry", "Since", "Tenant", "Provider", "Reason", "Detail", "#Bytes"], &rows)) }
    }
}

fn size(bytes: Option<i32>) -> String {
    bytes.map_or_else(|| format::NONE.to_owned(), |bytes| integer(bytes.into()))
}

fn number(text: &str) -> Result<i64, Stop> {
    text.parse().map_err(|_| Stop::NotFound)
}

/// An entry with what is kept of its webhook, without the body.
struct Entry {
    held: Held,
    sha256: Option<String>,
    headers: Option<serde_json::Value>,
}

async fn entry(db: &mut PgConnection, id: i64) -> Result<Entry, Stop> {
    let mut held = inbox::held_one(db, id, true).await?.ok_or(Stop::NotFound)?;
    let body = held.body.take();
    Ok(match held.inbox_id {
        Some(inbox_id) => {
            let details = inbox::show(db, inbox_id, false).await?;
            let (sha256, headers) = details.map(|details| (details.sha256, details.headers)).unzip();
            Entry { held, sha256, headers }
        }
        None => Entry { sha256: body.map(|body| hex::encode(Sha256::digest(body))), headers: None, held },
    })
}

pub async fn show(
    State(gate): State<Arc<Gate>>,
    Operator(who): Operator,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Answer {
    let id = number(&id)?;
    let entry = entry(&mut *gate.pool.acquire().await?, id).await?;
    let content = html! {
        (said.note())
        (card("entry-title", "Entry", &entry_facts(&entry)))
        @if let Some(headers) = &entry.headers { (card("headers-title", "Headers kept", &html! { pre { (format!("{headers:#}")) } })) }
        (actions(&who, id))
    };
    page(&gate, &who, PATH, &format!("Entry {id} of the quarantine"), content).await
}

fn entry_facts(entry: &Entry) -> Markup {
    let held = &entry.held;
    facts(&[
        ("Reason", html! { (held.reason) }),
        ("Detail", html! { (held.detail) }),
        ("Waits for", html! { (held.waits_for.as_deref().unwrap_or(format::NONE)) }),
        ("Tenant", tenant(Some(held.tenant))),
        ("Provider", html! { (held.provider) ", endpoint " code { (held.endpoint) } }),
        ("Webhook", html! { @match held.inbox_id { Some(id) => (id), None => "refused at the door" } }),
        ("Received", moment(held.received_at)),
        ("Held since", moment(held.held_since)),
        ("Size", html! { (size(held.bytes)) " bytes" }),
        ("SHA-256", html! { code { (entry.sha256.as_deref().unwrap_or(format::NONE)) } }),
    ])
}

fn actions(who: &Principal, id: i64) -> Markup {
    html! {
        div .actions {
            @if who.may_change(Role::Admin) { (button(&format!("{PATH}/{id}/replay"), "Replay", &[], &html! {})) }
            @if who.may_change(Role::SuperAdmin) { (button(&format!("{PATH}/{id}/body"), "Show the body", &[], &html! {})) }
        }
        @if who.may_change(Role::SuperAdmin) { p .hint { "That you looked at the body is entered into the audit log." } }
    }
}

/// Shows a body. That somebody looked is committed before anything is shown.
pub async fn body(State(gate): State<Arc<Gate>>, AsSuperAdmin(actor): AsSuperAdmin, Path(id): Path<String>) -> Answer {
    let id = number(&id)?;
    let mut tx = gate.pool.begin().await?;
    let held = inbox::held_one(&mut tx, id, true).await?.ok_or(Stop::NotFound)?;
    let details = json!({ "reason": held.reason, "webhook": held.inbox_id });
    actor.record(&mut tx, "inbox.show_body", ("quarantine", id.to_string()), Some(held.tenant), details).await?;
    tx.commit().await?;
    let content = html! {
        @match &held.body {
            Some(body) => pre .secret { (String::from_utf8_lossy(body)) },
            None => p { "The body is past its retention." },
        }
        p .more { a href={ (PATH) "/" (id) } { "Back to the entry" } }
    };
    page(&gate, &actor.principal, PATH, &format!("Body of entry {id}"), content).await
}

pub async fn replay(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Path(id): Path<String>) -> Answer {
    let id = number(&id)?;
    let mut tx = gate.pool.begin().await?;
    let places = inbox::find(&mut tx, &[id]).await?;
    let fate = inbox::replay(&mut tx, &places).await?.pop().ok_or(Stop::NotFound)?;
    if fate.became.is_out() {
        let details = json!({ "reason": fate.reason, "became": fate.became });
        actor.record(&mut tx, "inbox.replay", ("quarantine", id.to_string()), fate.tenant, details).await?;
    }
    tx.commit().await?;
    // What is out has no page of its own any more.
    let to = if fate.became.is_out() { PATH.to_owned() } else { format!("{PATH}/{id}") };
    Ok(match fate.became {
        Became::Pending => back(&to, "pending"),
        Became::Known => back(&to, "known"),
        Became::BodyGone => back(&to, "body-gone"),
        Became::BodyCut => back(&to, "body-cut"),
        Became::StillRefused => back(&to, "still-refused"),
        Became::NotThere => return Err(Stop::NotFound),
    })
}

/// Replays all of a reason that were there when the list was shown.
pub async fn replay_many(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Form(asked): Form<Asked>) -> Answer {
    let filter = asked.filter()?;
    let reason = filter.reason.as_deref().ok_or(Stop::refused("Name a reason."))?;
    let up_to = asked.up_to.ok_or(Stop::refused("Look at the list first."))?;
    let mut db = gate.pool.acquire().await?;
    let (mut after, mut out, mut stay, mut is_over) = (0, 0, 0, false);
    for _ in 0..BATCHES {
        let which = (filter.tenant, Some(reason), filter.provider.as_deref());
        let places = inbox::next(&mut db, (after, up_to), BATCH, which).await?;
        let Some((_, last)) = places.last() else {
            is_over = true;
            break;
        };
        after = *last;
        let (left, stayed) = one_batch(&mut db, &actor, &filter, &places).await?;
        (out, stay) = (out + left, stay + stayed);
    }
    drop(db);
    let content = html! {
        p .done role="status" { strong { (out) } " events of reason " (reason) " are to be applied." }
        @if stay > 0 { p { (stay) " stay: their bodies are past their retention, were cut, or are refused still." } }
        @if !is_over { p { "There are more." } }
        p .more { a href=(PATH) { "Back to the quarantine" } }
    };
    page(&gate, &actor.principal, PATH, "Replay", content).await
}

async fn one_batch(
    db: &mut PgConnection,
    actor: &Actor,
    filter: &HeldFilter,
    places: &[(Uuid, i64)],
) -> Result<(usize, usize), Stop> {
    use sqlx::Acquire as _;
    let mut tx = db.begin().await?;
    let fates = inbox::replay(&mut tx, places).await?;
    let out = fates.iter().filter(|fate| fate.became.is_out()).count();
    let details = json!({ "reason": filter.reason, "provider": filter.provider, "events": out });
    actor.record(&mut tx, "inbox.replay", ("quarantine", "many".to_owned()), filter.tenant, details).await?;
    tx.commit().await?;
    Ok((out, fates.len() - out))
}
