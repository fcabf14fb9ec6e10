//! `/account`: what somebody signed in may see and change of their own account.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::page::{
    Answer, AsThemselves, Said, Stop, back, button, card, choice, facts, filled, line, moment, moment_or, page_apart,
    table,
};
use crate::accounts::api_tokens::{self, ApiTokenRow};
use crate::accounts::guard::Gate;
use crate::accounts::{self, ChangeError, Principal, SessionRow, Via};

const PATH: &str = "/account";

/// Days that an API token may be good for, beside until it is revoked.
const DAYS: [&str; 4] = ["7", "30", "90", "365"];

/// API tokens in use that an account may have.
const MOST_TOKENS: usize = 50;

pub async fn show(State(gate): State<Arc<Gate>>, who: Principal, Query(said): Query<Said>) -> Answer {
    let Via::Session(session) = who.via else {
        let text = html! { p { "Nobody has signed in here: there is no account to show." } };
        return page_apart(&gate, &who, "Your account", text).await;
    };
    let id = who.account.user_id;
    let sessions = accounts::list_sessions(&gate.pool, id).await?;
    let tokens = api_tokens::list(&gate.pool, id).await?;
    let lines = [
        ("E-mail", html! { (who.account.email) }),
        ("Name", html! { (who.account.name) }),
        ("Role", html! { (who.account.role) }),
    ];
    let content = html! {
        (said.note())
        (card("who-title", "You", &facts(&lines)))
        (card("sessions-title", "Sessions", &session_table(&sessions, session)))
        (card("tokens-title", "API tokens", &token_table(&tokens)))
        (card("password-title", "Password", &password_form(&who.account.email)))
    };
    page_apart(&gate, &who, "Your account", content).await
}

fn session_table(sessions: &[SessionRow], own: Uuid) -> Markup {
    let rows = html! {
        @for session in sessions { tr {
            th scope="row" { (moment(session.last_used_at)) @if session.id == own { " (this one)" } }
            td { (moment(session.created_at)) } td { (moment(session.ends_at)) }
            td { (session.address.as_deref().unwrap_or_default()) }
            td .text { (session.user_agent.as_deref().unwrap_or_default()) }
            td { @if session.id != own { (button(&format!("{PATH}/sessions/{}/end", session.id), "End", &[], &html! {})) } }
        } }
    };
    html! {
        (table("Sessions", &["Last used", "Begun", "Ends", "From", "Program", ""], &rows))
        @if sessions.len() > 1 { div .actions { (button("/account/sessions/end-others", "End all others", &[], &html! {})) } }
    }
}

fn token_table(tokens: &[ApiTokenRow]) -> Markup {
    let rows = html! {
        @for token in tokens { tr {
            th scope="row" { (token.name) }
            td { @if token.may_change { "reads and changes" } @else { "reads" } }
            td { (moment(token.created_at)) }
            td { @match token.revoked_at { Some(at) => { "revoked " (moment(at)) }, None => (moment_or(token.expires_at, "until it is revoked")) } }
            td { (moment_or(token.last_used_at, "never")) }
            td { @if token.revoked_at.is_none() { (button(&format!("{PATH}/tokens/{}/revoke", token.id), "Revoke", &[], &html! {})) } }
        } }
    };
    let fields = html! {
        (line("token-name", "name", "What it is for", ""))
        (choice("token-days", "days", "Days", Some("until it is revoked"), &DAYS, Some("90")))
        label { input type="checkbox" name="may_change" value="yes"; " may change what you may change" }
    };
    html! {
        @if tokens.is_empty() { p .empty-state { "You have none." } }
        @else { (table("API tokens", &["Token", "May", "Made", "Good", "Last used", ""], &rows)) }
        div .actions { (button("/account/tokens", "Make a token", &[], &fields)) }
    }
}

fn password_form(email: &str) -> Markup {
    html! {
        form .account method="post" action="/account/password" {
            // For password managers; without a name, so it is not sent.
            input hidden type="text" autocomplete="username" value=(email) readonly;
            label for="old" { "Present password" }
            input id="old" type="password" name="old" required autocomplete="current-password";
            label for="new" { "New password" }
            input id="new" type="password" name="new" required autocomplete="new-password";
            label for="again" { "The new one again" }
            input id="again" type="password" name="again" required autocomplete="new-password";
            button type="submit" { "Change it" }
            p .hint { "All other sessions end." }
        }
    }
}

pub async fn end(
    State(gate): State<Arc<Gate>>,
    AsThemselves(actor, _): AsThemselves,
    Path(id): Path<String>,
) -> Answer {
    let (own, id) = (actor.principal.account.user_id, id.parse().map_err(|_| Stop::NotFound)?);
    let mut tx = gate.pool.begin().await?;
    if !accounts::close(&mut tx, own, id).await? {
        return Err(Stop::NotFound);
    }
    actor.record(&mut tx, "session.end", ("session", id.to_string()), Some(own), json!({})).await?;
    tx.commit().await?;
    Ok(back(PATH, "done"))
}

pub async fn end_others(State(gate): State<Arc<Gate>>, AsThemselves(actor, session): AsThemselves) -> Answer {
    let own = actor.principal.account.user_id;
    let mut tx = gate.pool.begin().await?;
    let ended = accounts::close_others(&mut tx, own, session).await?;
    actor
        .record(&mut tx, "session.end_others", ("account", own.to_string()), Some(own), json!({ "ended": ended }))
        .await?;
    tx.commit().await?;
    Ok(back(PATH, "done"))
}

#[derive(Debug, Deserialize)]
pub struct NewToken {
    name: String,
    days: Option<String>,
    may_change: Option<String>,
}

/// Makes a token and shows it, this once.
pub async fn add_token(
    State(gate): State<Arc<Gate>>,
    AsThemselves(actor, _): AsThemselves,
    Form(form): Form<NewToken>,
) -> Answer {
    let own = actor.principal.account.user_id;
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.contains('\0') {
        return Err(Stop::refused("A token has a name of at most 100 characters."));
    }
    let days = filled(form.days.as_ref()).map(|text| {
        text.parse()
            .ok()
            .filter(|days| (1..=3650).contains(days))
            .ok_or(Stop::refused("A token is good for 1 to 3650 days."))
    });
    let (days, may_change) = (days.transpose()?, form.may_change.is_some());
    let in_use = api_tokens::list(&gate.pool, own).await?.iter().filter(|token| token.revoked_at.is_none()).count();
    if in_use >= MOST_TOKENS {
        return Err(Stop::Refused(format!("You have {in_use} tokens in use; revoke some.")));
    }
    let mut tx = gate.pool.begin().await?;
    let (id, token) = api_tokens::create(&mut tx, own, name, may_change, days).await?;
    let details = json!({ "name": name, "may_change": may_change, "days": days });
    actor.record(&mut tx, "api_token.add", ("api_token", id.to_string()), Some(own), details).await?;
    tx.commit().await?;
    let content = html! {
        p .done role="status" { "The token is made. It is shown this once." }
        pre .secret { (token) }
        p { "Send it as " code { "Authorization: Bearer …" } "." }
        p .more { a href=(PATH) { "Your account" } }
    };
    page_apart(&gate, &actor.principal, "New API token", content).await
}

pub async fn revoke_token(
    State(gate): State<Arc<Gate>>,
    AsThemselves(actor, _): AsThemselves,
    Path(id): Path<String>,
) -> Answer {
    let (own, id) = (actor.principal.account.user_id, id.parse().map_err(|_| Stop::NotFound)?);
    let mut tx = gate.pool.begin().await?;
    if !api_tokens::revoke(&mut tx, own, id).await? {
        return Err(Stop::NotFound);
    }
    actor.record(&mut tx, "api_token.revoke", ("api_token", id.to_string()), Some(own), json!({})).await?;
    tx.commit().await?;
    Ok(back(PATH, "done"))
}

#[derive(Deserialize)]
pub struct NewPassword {
    old: String,
    new: String,
    again: String,
}

pub async fn password(
    State(gate): State<Arc<Gate>>,
    AsThemselves(actor, session): AsThemselves,
    Form(form): Form<NewPassword>,
) -> Answer {
    if form.new != form.again {
        return Err(Stop::refused("The new password was not typed twice the same."));
    }
    let account = &actor.principal.account;
    let settings = gate.settings.current();
    let hash = accounts::check_password(&gate.pool, &settings, account, form.old, form.new, &actor.source).await?;
    let own = account.user_id;
    let mut tx = gate.pool.begin().await?;
    accounts::set_password(&mut tx, own, &hash).await?;
    let ended = accounts::close_others(&mut tx, own, session).await?;
    let details = json!({ "sessions_ended": ended });
    actor.record(&mut tx, "account.password", ("account", own.to_string()), Some(own), details).await?;
    tx.commit().await?;
    Ok(back(PATH, "done"))
}

impl From<ChangeError> for Stop {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Database(error) => error.into(),
            other => Stop::Refused(other.to_string()),
        }
    }
}
