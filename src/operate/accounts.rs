//! `/operate/accounts`: who may sign in; for super_admins.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::page::{
    Actor, Answer, AsSuperAdmin, LINES, Operator, Said, Stop, address, back, button, card, choice, facts, filled, line,
    moment, moment_or, more, page, table,
};
use crate::accounts::guard::Gate;
use crate::accounts::people::{self, AccountRow, PeopleError};
use crate::accounts::{self, Principal, Role};

const PATH: &str = "/operate/accounts";
/// The entry of the pages' list under which it stands.
const UNDER: &str = "/operate/tenants";

const ROLES: [&str; 3] = [Role::User.as_str(), Role::Admin.as_str(), Role::SuperAdmin.as_str()];

impl From<PeopleError> for Stop {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Database(error) => error.into(),
            PeopleError::Unknown => Stop::NotFound,
            other => Stop::Refused(other.to_string()),
        }
    }
}

/// To an admin who makes no accounts, the list is not there.
fn only_super_admins(who: &Principal) -> Result<(), Stop> {
    if who.account.role == Role::SuperAdmin { Ok(()) } else { Err(Stop::NotFound) }
}

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    after: Option<String>,
}

pub async fn list(State(gate): State<Arc<Gate>>, Operator(who): Operator, Query(asked): Query<Asked>) -> Answer {
    only_super_admins(&who)?;
    let all = people::list(&gate.pool, asked.after.as_deref().unwrap_or_default(), LINES).await?;
    let full = i64::try_from(all.len()).is_ok_and(|lines| lines >= LINES);
    let next = all.last().filter(|_| full).map(|last| address(PATH, &[("after", Some(&last.email))]));
    let rows = html! {
        @for account in &all { tr {
            th scope="row" { a href={ (PATH) "/" (account.user_id) } { (account.email) } @if !account.is_active { " (closed)" } }
            td { (account.name) } td { (account.role) }
            td { @if account.has_password { "yes" } @else { "no" } }
            td { (moment_or(account.last_login, "never")) }
            td .n { (account.sessions) } td .n { (account.tokens) }
        } }
    };
    let fields = html! {
        (line("n-email", "email", "E-mail", "")) (line("n-name", "name", "Name", ""))
        (choice("n-role", "role", "Role", None, &ROLES, None))
    };
    let content = html! {
        (table("Accounts", &["Account", "Name", "Role", "Password", "Last sign-in", "#Sessions", "#Tokens"], &rows))
        (more(next))
        @if who.may_change(Role::SuperAdmin) {
            (card("add-title", "Add an account", &html! { div .actions { (button(PATH, "Add", &[], &fields)) } }))
        }
    };
    page(&gate, &who, UNDER, "Accounts", content).await
}

/// The account, by its row in the list.
async fn row(gate: &Gate, id: Uuid) -> Result<AccountRow, Stop> {
    let found = sqlx::query_file_as!(AccountRow, "sql/operate/account.sql", id).fetch_optional(&gate.pool).await?;
    found.ok_or(Stop::NotFound)
}

pub async fn show(
    State(gate): State<Arc<Gate>>,
    Operator(who): Operator,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Answer {
    only_super_admins(&who)?;
    let account = row(&gate, id.parse().map_err(|_| Stop::NotFound)?).await?;
    let lines = [
        ("E-mail", html! { (account.email) }),
        ("Name", html! { (account.name) }),
        ("Role", html! { (account.role) }),
        ("State", html! { @if account.is_active { "open" } @else { "closed" } }),
        ("Password", html! { @if account.has_password { "set" } @else { "not set yet" } }),
        ("Last sign-in", moment_or(account.last_login, "never")),
        ("Since", moment(account.created_at)),
        ("Sessions", html! { (account.sessions) }),
        ("API tokens", html! { (account.tokens) }),
        ("Tenant", html! { a href={ (UNDER) "/" (account.user_id) } { "its page" } }),
    ];
    let content = html! {
        (said.note())
        (card("account-title", "Account", &facts(&lines)))
        @if who.may_change(Role::SuperAdmin) { (actions(&account)) }
    };
    page(&gate, &who, UNDER, &account.email, content).await
}

fn actions(account: &AccountRow) -> Markup {
    let to = |action: &str| format!("{PATH}/{}/{action}", account.user_id);
    html! {
        div .actions {
            (button(&to("role"), "Change the role", &[], &choice("role", "role", "Role", None, &ROLES, Some(&account.role))))
            @if account.is_active {
                (button(&to("link"), "Make a link that sets the password", &[], &html! {}))
                (button(&to("close"), "Close", &[], &html! {}))
            } @else { (button(&to("open"), "Open", &[], &html! {})) }
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct New {
    email: String,
    name: String,
    role: String,
}

pub async fn add(State(gate): State<Arc<Gate>>, AsSuperAdmin(actor): AsSuperAdmin, Form(form): Form<New>) -> Answer {
    let role = named_role(&form.role)?;
    let mut tx = gate.pool.begin().await?;
    let id = people::add(&mut tx, &form.email, &form.name, role).await?;
    let link = new_link(&gate, &mut tx, id).await?;
    let details = json!({ "role": role.as_str() });
    actor.record(&mut tx, "account.add", ("account", id.to_string()), Some(id), details).await?;
    tx.commit().await?;
    show_link(&gate, &actor, id, &link).await
}

fn named_role(text: &str) -> Result<Role, Stop> {
    text.parse().map_err(|error: accounts::NoRole| Stop::Refused(error.to_string()))
}

async fn new_link(gate: &Gate, db: &mut PgConnection, id: Uuid) -> Result<String, Stop> {
    match accounts::make_link(db, &gate.settings.current(), id).await {
        Ok(token) => Ok(format!("{}/password/{token}", gate.means.public_origin)),
        Err(sqlx::Error::RowNotFound) => Err(Stop::refused("There is no such account that is open.")),
        Err(error) => Err(error.into()),
    }
}

/// Shows a link, this once.
async fn show_link(gate: &Gate, actor: &Actor, id: Uuid, link: &str) -> Answer {
    let hours = gate.settings.current().password_reset_token_expiry_hours;
    let content = html! {
        p .done role="status" { "Whoever opens this link sets the password of the account. It is shown this once, good once and for " (hours) " h." }
        pre .secret { (link) }
        p .more { a href={ (PATH) "/" (id) } { "The account" } }
    };
    page(gate, &actor.principal, UNDER, "Link of an account", content).await
}

pub async fn link(State(gate): State<Arc<Gate>>, AsSuperAdmin(actor): AsSuperAdmin, Path(id): Path<String>) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Stop::NotFound)?;
    row(&gate, id).await?;
    let mut tx = gate.pool.begin().await?;
    let link = new_link(&gate, &mut tx, id).await?;
    actor.record(&mut tx, "account.link", ("account", id.to_string()), Some(id), json!({})).await?;
    tx.commit().await?;
    show_link(&gate, &actor, id, &link).await
}

#[derive(Debug, Deserialize)]
pub struct NewRole {
    role: Option<String>,
}

pub async fn role(
    State(gate): State<Arc<Gate>>,
    AsSuperAdmin(actor): AsSuperAdmin,
    Path(id): Path<String>,
    Form(form): Form<NewRole>,
) -> Answer {
    let role = named_role(filled(form.role.as_ref()).unwrap_or_default())?;
    change(&gate, &actor, &id, Some(role), None).await
}

pub async fn close(State(gate): State<Arc<Gate>>, AsSuperAdmin(actor): AsSuperAdmin, Path(id): Path<String>) -> Answer {
    change(&gate, &actor, &id, None, Some(false)).await
}

pub async fn open(State(gate): State<Arc<Gate>>, AsSuperAdmin(actor): AsSuperAdmin, Path(id): Path<String>) -> Answer {
    change(&gate, &actor, &id, None, Some(true)).await
}

async fn change(gate: &Gate, actor: &Actor, id: &str, role: Option<Role>, is_active: Option<bool>) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Stop::NotFound)?;
    let mut tx = gate.pool.begin().await?;
    let (role_before, was_active) = people::change(&mut tx, id, role, is_active).await?;
    let details = json!({
        "before": { "role": role_before.as_str(), "is_active": was_active },
        "after": { "role": role.unwrap_or(role_before).as_str(), "is_active": is_active.unwrap_or(was_active) },
    });
    actor.record(&mut tx, "account.change", ("account", id.to_string()), Some(id), details).await?;
    tx.commit().await?;
    Ok(back(&format!("{PATH}/{id}"), "done"))
}
