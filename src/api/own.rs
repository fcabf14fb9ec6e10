//! What belongs to an account: itself, its sessions, its API tokens.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::extract::{Change, Given, Item, Sent, record};
use super::follow_ups::MadeOne;
use super::page::{Answer, Done, Found, Made};
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;
use crate::accounts::{self, Opened, Principal, Refreshed, Role, SignInError, Via, api_tokens};

const GROUP: &str = "Account";
/// Tenants that an account is told of; the list of tenants has all.
const MOST_TENANTS: i64 = 500;
/// Longest life of a token in days.
const MOST_DAYS: i32 = 3_650;

/// Routes behind the door.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/me", me, about(GROUP, "Who you are, and whose figures you see").answers::<Me>())
        .get("/api/v1/sessions", list_sessions, about(GROUP, "Your sessions that can be used").answers::<Sessions>())
        .delete("/api/v1/sessions/current", sign_out, about(GROUP, "Sign out").problem(409))
        .get("/api/v1/api-tokens", list_tokens, about(GROUP, "Your API tokens, revoked ones too").answers::<Tokens>())
        .post(
            "/api/v1/api-tokens",
            create,
            about(GROUP, "Make an API token; it is shown this once")
                .given::<NewToken>()
                .makes::<MadeToken>()
                .changes()
                .problem(409),
        )
        .delete("/api/v1/api-tokens/{item}", revoke, about(GROUP, "Take an API token out of use").changes())
}

/// Routes that nobody has to be signed in for.
pub(super) fn public_routes() -> Routes {
    Routes::new()
        .post(
            "/api/v1/sessions",
            sign_in,
            about(GROUP, "Sign in").given::<SignIn>().makes::<Session>().problem(401).problem(429).public(),
        )
        .post(
            "/api/v1/sessions/refresh",
            refresh,
            about(GROUP, "Exchange a refresh token, once; using an old one ends its session")
                .given::<Refresh>()
                .answers::<Session>()
                .problem(401)
                .problem(409)
                .public(),
        )
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
struct AccountShown {
    id: Uuid,
    email: String,
    name: String,
    /// user, admin or super_admin
    role: &'static str,
}

/// A tenant whose figures one sees.
#[derive(Debug, Serialize, ToSchema)]
struct Seen {
    id: Uuid,
    name: String,
    is_active: bool,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    account: AccountShown,
    /// session, api_token or this_machine
    via: &'static str,
    /// False: a token that may only read.
    may_change: bool,
    /// By name, the first 500.
    tenants: Vec<Seen>,
}

fn shown(account: accounts::Account) -> AccountShown {
    AccountShown { id: account.user_id, email: account.email, name: account.name, role: account.role.as_str() }
}

async fn me(State(gate): State<Arc<Gate>>, principal: Principal) -> Answer<Me> {
    let via = match principal.via {
        Via::Session(_) => "session",
        Via::ApiToken { .. } => "api_token",
        Via::ThisMachine => "this_machine",
    };
    let tenants = if principal.sees_all_tenants() {
        sqlx::query_file_as!(Seen, "sql/dashboard/tenants.sql", MOST_TENANTS).fetch_all(&gate.pool).await?
    } else {
        vec![Seen { id: principal.account.user_id, name: principal.account.name.clone(), is_active: true }]
    };
    Ok(Found(Me { via, may_change: principal.may_change(Role::User), tenants, account: shown(principal.account) }))
}

/// Address and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    email: String,
    password: String,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    refresh_token: String,
}

/// Tokens of a session.
#[derive(Serialize, ToSchema)]
struct Session {
    token: String,
    /// Its life.
    token_seconds: u64,
    /// Good for one exchange.
    refresh_token: String,
    /// Life of the session.
    refresh_seconds: u64,
    account: AccountShown,
}

fn session(opened: Opened, account: accounts::Account) -> Session {
    Session {
        token: opened.token,
        token_seconds: opened.token_seconds,
        refresh_token: opened.refresh_token,
        refresh_seconds: opened.refresh_seconds,
        account: shown(account),
    }
}

async fn sign_in(
    State(gate): State<Arc<Gate>>,
    Sent(source): Sent,
    Given(given): Given<SignIn>,
) -> Result<Made<Session>, Fault> {
    let settings = gate.settings.current();
    match accounts::sign_in(&gate.pool, &settings, &given.email, given.password, &source).await {
        Ok((account, opened)) => Ok(Made(session(opened, account))),
        Err(SignInError::Locked(minutes)) => Err(Fault::TooMany(minutes)),
        Err(SignInError::Database(error)) => Err(Fault::Database(error)),
        Err(error @ SignInError::Refused) => Err(unauthorized(error.to_string())),
    }
}

fn unauthorized(detail: String) -> Fault {
    Fault::Other(axum::http::StatusCode::UNAUTHORIZED, detail)
}

async fn refresh(State(gate): State<Arc<Gate>>, Given(given): Given<Refresh>) -> Answer<Session> {
    match accounts::refresh(&gate.pool, &given.refresh_token).await? {
        Refreshed::New(opened, principal) => Ok(Found(session(opened, principal.account))),
        Refreshed::Twin(_) => Err(Fault::Conflict("it was exchanged a moment ago: use what that brought".to_owned())),
        Refreshed::No => Err(unauthorized("the refresh token is not good; sign in".to_owned())),
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
struct SessionLine {
    id: Uuid,
    /// The one that asks.
    is_current: bool,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    address: Option<String>,
    user_agent: Option<String>,
    ends_at: DateTime<Utc>,
}

/// Sessions.
#[derive(Debug, Serialize, ToSchema)]
struct Sessions {
    sessions: Vec<SessionLine>,
}

async fn list_sessions(State(gate): State<Arc<Gate>>, principal: Principal) -> Answer<Sessions> {
    let rows = accounts::list_sessions(&gate.pool, principal.account.user_id).await?;
    let line = |row: accounts::SessionRow| SessionLine {
        is_current: principal.via == Via::Session(row.id),
        id: row.id,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        address: row.address,
        user_agent: row.user_agent,
        ends_at: row.ends_at,
    };
    Ok(Found(Sessions { sessions: rows.into_iter().map(line).collect() }))
}

async fn sign_out(State(gate): State<Arc<Gate>>, principal: Principal) -> Result<Done, Fault> {
    let Via::Session(id) = principal.via else {
        return Err(Fault::Conflict("this is no session".to_owned()));
    };
    accounts::close(&mut *gate.pool.acquire().await?, principal.account.user_id, id).await?;
    Ok(Done)
}

/// An API token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct TokenLine {
    id: Uuid,
    name: String,
    may_change: bool,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// API tokens, the newest first, up to 500.
#[derive(Debug, Serialize, ToSchema)]
struct Tokens {
    api_tokens: Vec<TokenLine>,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// 1 to 100 characters.
    name: String,
    /// False: it may only read.
    #[serde(default)]
    may_change: bool,
    /// 1 to 3650; without: it does not expire.
    days: Option<i32>,
}

/// A new token.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    #[serde(flatten)]
    made: MadeOne,
    /// Stored nowhere.
    token: String,
}

async fn list_tokens(State(gate): State<Arc<Gate>>, principal: Principal) -> Answer<Tokens> {
    let rows = api_tokens::list(&gate.pool, principal.account.user_id).await?;
    let line = |row: api_tokens::ApiTokenRow| TokenLine {
        id: row.id,
        name: row.name,
        may_change: row.may_change,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
    };
    Ok(Found(Tokens { api_tokens: rows.into_iter().map(line).collect() }))
}

async fn create(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Sent(source): Sent,
    Given(given): Given<NewToken>,
) -> Result<Made<MadeToken>, Fault> {
    if !principal.may_change(Role::User) {
        return Err(Fault::Forbidden);
    }
    if principal.via == Via::ThisMachine {
        return Err(Fault::Conflict("nobody is signed in whose token it would be".to_owned()));
    }
    let name = given.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.contains('\0') {
        return Err(Fault::bad("name has 1 to 100 characters"));
    }
    if given.days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        return Err(Fault::bad("days is 1 to 3650"));
    }
    let user_id = principal.account.user_id;
    let mut tx = gate.pool.begin().await?;
    let (id, token) = api_tokens::create(&mut tx, user_id, name, given.may_change, given.days).await?;
    let change = Change {
        action: "api_token.create",
        of: ("api_token", id.to_string()),
        tenant: Some(user_id),
        details: json!({ "name": name, "may_change": given.may_change, "days": given.days }),
    };
    record(&mut tx, &principal, &source, change).await?;
    tx.commit().await?;
    Ok(Made(MadeToken { made: MadeOne { id }, token }))
}

async fn revoke(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Item(id): Item<Uuid>,
    Sent(source): Sent,
) -> Result<Done, Fault> {
    if !principal.may_change(Role::User) {
        return Err(Fault::Forbidden);
    }
    let user_id = principal.account.user_id;
    let mut tx = gate.pool.begin().await?;
    if !api_tokens::revoke(&mut tx, user_id, id).await? {
        return Err(Fault::NotFound("no such token in use"));
    }
    let change = Change {
        action: "api_token.revoke",
        of: ("api_token", id.to_string()),
        tenant: Some(user_id),
        details: json!({}),
    };
    record(&mut tx, &principal, &source, change).await?;
    tx.commit().await?;
    Ok(Done)
}
