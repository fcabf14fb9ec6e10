//! The pages of a tenant: lists that drill down to single calls, contacts and
//! ledger entries.
//!
//! Each shows how fresh it is, in the tenant's zone, with its filter in the address.
//! Tables in `public` are read inside the tenant's own transaction; what lies in
//! schema `tally` by the pool's own role, after the row in `public` was found.

mod agents;
mod call;
mod calls;
mod credits;
mod customers;
mod download;
pub(super) mod filter;
mod follow_ups;
mod lead;
mod leads;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use self::filter::{Asked, Filter};
use super::data::{self, Freshness, TenantName};
use super::layout::{Frame, Place, tenant_page};
use super::routes::Pages;
use super::{format, view};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;

/// Lines of a list on one page.
const PAGE_ROWS: usize = 50;

/// The pages of tenants.
pub(super) fn routes() -> Pages {
    Pages::default()
        .get("/tenants/{id}/calls", calls::list)
        .get("/tenants/{id}/calls/{call_id}", call::page)
        .get("/tenants/{id}/agents", agents::list)
        .get("/tenants/{id}/agents/{agent_id}", agents::page)
        .get("/tenants/{id}/leads", leads::list)
        .get("/tenants/{id}/leads/{contact_id}", lead::page)
        .get("/tenants/{id}/customers", customers::list)
        .get("/tenants/{id}/follow-ups", follow_ups::list)
        .post("/tenants/{id}/follow-ups", follow_ups::add)
        .post("/tenants/{id}/follow-ups/{follow_up_id}", follow_ups::change)
        .get("/tenants/{id}/credits", credits::page)
}

/// Why there is no page.
#[derive(Debug)]
pub enum Refused {
    /// No such tenant, call, agent or contact, or somebody else's.
    Unknown,
    /// The address asks for what cannot be.
    Bad(&'static str),
    /// The visitor may read and not change.
    MayNotChange,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Refused::Database(error)
    }
}

/// The answer, or the page that says why there is none.
fn answered(principal: &Principal, result: Result<Response, Refused>) -> Response {
    let (status, title, text) = match result {
        Ok(response) => return response,
        Err(Refused::Unknown) => {
            (StatusCode::NOT_FOUND, "Not found", html! { p { "There is nothing of this id here." } })
        }
        Err(Refused::Bad(why)) => (StatusCode::BAD_REQUEST, "Not possible", html! { p { "Sorry: " (why) "." } }),
        Err(Refused::MayNotChange) => {
            (StatusCode::FORBIDDEN, "Not allowed", html! { p { "You may read this and not change it." } })
        }
        Err(Refused::Database(error)) => {
            tracing::error!(%error, "a page of a tenant could not read the database");
            let text =
                html! { p { "The database does not answer. Webhooks may still be accepted; try again in a moment." } };
            (StatusCode::SERVICE_UNAVAILABLE, "No figures at the moment", text)
        }
    };
    (status, Html(view::message(title, &text, principal, &[]).into_string())).into_response()
}

/// The tenant and the period that a page is about.
#[derive(Debug)]
pub struct Period {
    pub name: String,
    pub zone: String,
    /// ISO 4217.
    pub currency: String,
    /// Balance in micro-credits.
    pub credits_micros: i64,
    /// The tenant's day.
    pub today: NaiveDate,
    pub from_date: NaiveDate,
    /// Included.
    pub to_date: NaiveDate,
    from_time: Option<DateTime<Utc>>,
    to_time: Option<DateTime<Utc>>,
    previous_from_time: Option<DateTime<Utc>>,
    /// Calls before this are in history files and in no list.
    pub frozen_before: Option<DateTime<Utc>>,
}

/// A page that its visitor may see, and what all such pages need.
pub struct Open {
    pool: PgPool,
    pub principal: Principal,
    tenants: Vec<TenantName>,
    pub tenant: Uuid,
    pub filter: Filter,
    pub period: Period,
    pub from: DateTime<Utc>,
    /// Excluded.
    pub to: DateTime<Utc>,
    /// Begin of the period before, which has as many days.
    pub previous_from: DateTime<Utc>,
    freshness: Freshness,
}

impl Open {
    /// # Errors
    /// When the visitor may not read this tenant, it does not exist, or the filter is wrong.
    async fn new(gate: &Gate, principal: Principal, id: &str, asked: &Asked) -> Result<Open, Refused> {
        let tenant = id.parse::<Uuid>().ok().filter(|id| principal.may_read(*id)).ok_or(Refused::Unknown)?;
        let filter = asked.filter()?;
        let pool = gate.pool.clone();
        let (from_date, to_date) = filter.dates.unzip();
        let period = sqlx::query_file_as!(Period, "sql/dashboard/period.sql", tenant, from_date, to_date, filter.days)
            .fetch_optional(&pool)
            .await?
            .ok_or(Refused::Unknown)?;
        let tenants = if principal.sees_all_tenants() { data::tenants(&pool).await? } else { Vec::new() };
        // Before the figures: what was complete then is still complete in them.
        let freshness = data::freshness(&pool, tenant).await?;
        let from = period.from_time.unwrap_or_default();
        let to = period.to_time.unwrap_or(from);
        let previous_from = period.previous_from_time.unwrap_or(from);
        Ok(Open { pool, principal, tenants, tenant, filter, period, from, to, previous_from, freshness })
    }

    async fn tx(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        tallyline_db::pool::tenant_tx(&self.pool, self.tenant).await
    }

    /// The address of a page of this tenant, such as `/calls`.
    pub fn path(&self, page: &str) -> String {
        tenant_page(self.tenant, page)
    }

    /// The address of the calls of the period that `narrow` leaves.
    pub fn calls(&self, narrow: &[(&str, &str)]) -> String {
        let whole = Filter { days: self.filter.days, dates: self.filter.dates, ..Filter::default() };
        whole.address(&self.path("/calls"), narrow)
    }

    /// The whole document: freshness, heading, content.
    fn page(&self, place: &'static str, title: &str, content: &Markup) -> Response {
        let name = self.period.name.as_str();
        let keep = [("days", self.filter.days.to_string())];
        let frame = Frame {
            principal: &self.principal,
            tenants: &self.tenants,
            place: Place::Tenant(self.tenant, name, place),
            keep: &keep,
            live: false,
        };
        let content = html! {
            (view::freshness(&self.freshness, &self.period.zone))
            div .heading { h1 { (title) } p { (name) } }
            (content)
        };
        Html(frame.page(&format!("{title} – {name} – Tallyline"), &html! {}, &content).into_string()).into_response()
    }

    /// The period in words.
    pub fn period_words(&self) -> String {
        view::date_range(self.period.from_date, self.period.to_date)
    }

    /// An instant in the tenant's zone.
    pub fn time(&self, instant: DateTime<Utc>) -> String {
        instant.with_timezone(&view::zone_of(&self.period.zone)).format("%-d %b %Y %H:%M:%S").to_string()
    }

    pub fn optional_time(&self, instant: Option<DateTime<Utc>>) -> String {
        instant.map_or_else(|| format::NONE.to_owned(), |instant| self.time(instant))
    }

    /// Whose numbers and addresses these are.
    pub fn is_own(&self) -> bool {
        self.principal.account.user_id == self.tenant
    }

    /// A phone number: whole for its own tenant, its last four digits for others.
    pub fn number(&self, number: Option<&str>) -> String {
        match number {
            None | Some("") => format::NONE.to_owned(),
            Some(number) if self.is_own() => number.to_owned(),
            Some(number) => {
                let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
                let last: String = digits[digits.len().saturating_sub(4)..].iter().collect();
                format!("…{last}")
            }
        }
    }

    /// The ways to the next page of a list, to its begin and to its file.
    fn pager(&self, path: &str, more: &[(&str, &str)], next: Option<&str>, is_first: bool) -> Markup {
        let with = |name: &'static str, value: &str| {
            let mut all = more.to_vec();
            all.push((name, value));
            self.filter.address(path, &all)
        };
        html! {
            nav .pager aria-label="Pages of the list" {
                @if !is_first { a href=(self.filter.address(path, more)) { "First page" } }
                @if let Some(next) = next { a rel="next" href=(with("after", next)) { "Next page" } }
                @for (_, word, name) in download::Format::ALL {
                    a .file href=(with("format", word)) { (name) }
                }
            }
        }
    }
}

/// A call, agent or contact in an address.
fn id_of(text: &str) -> Result<Uuid, Refused> {
    text.parse().map_err(|_| Refused::Unknown)
}

/// A table of a list, or the words for an empty one.
fn table(label: &str, heads: &[(&str, &str)], rows: &[Markup], empty: &str) -> Markup {
    html! {
        @if rows.is_empty() {
            p .empty-state { (empty) }
        } @else {
            div .scroll tabindex="0" role="region" aria-label=(label) {
                table .figures {
                    thead { tr { @for (head, class) in heads { th scope="col" class=(class) { (head) } } } }
                    tbody { @for row in rows { (row) } }
                }
            }
        }
    }
}

/// A list of names and values.
fn facts(lines: &[(&str, Markup)]) -> Markup {
    html! { dl .facts { @for (name, value) in lines { div { dt { (name) } dd { (value) } } } } }
}

/// Where a page of a list begins: an instant and an id, as `1770000000000000_<uuid>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    at: DateTime<Utc>,
    id: Uuid,
}

impl Cursor {
    fn of(asked: &Asked) -> Result<Option<Cursor>, Refused> {
        let Some(text) = asked.after.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let parsed = text.split_once('_').and_then(|(at, id)| {
            Some(Cursor { at: DateTime::from_timestamp_micros(at.parse().ok()?)?, id: id.parse().ok()? })
        });
        parsed.map(Some).ok_or(Refused::Bad(NO_CURSOR))
    }

    fn text(&self) -> String {
        format!("{}_{}", self.at.timestamp_micros(), self.id)
    }
}

const NO_CURSOR: &str = "no page of the list begins there";

/// The first `count` of the rows that were read, and whether there are more.
fn cut<T>(mut rows: Vec<T>, count: usize) -> (Vec<T>, bool) {
    let more = rows.len() > count;
    rows.truncate(count);
    (rows, more)
}

/// One more than a page has, to know whether there is another.
fn page_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX).saturating_add(1)
}

/// The name and class of an outcome.
fn outcome(word: &str) -> Markup {
    let key = word.replace('_', "-");
    let label =
        super::figures::OUTCOMES.iter().find(|outcome| outcome.key == key).map_or(word, |outcome| outcome.label);
    html! { (label) }
}

/// A score of its scale.
fn score(score: Option<i32>, scale: Option<i16>) -> String {
    match (score, scale) {
        (Some(score), Some(scale)) => format!("{score} of {scale}"),
        (Some(score), None) => score.to_string(),
        (None, _) => format::NONE.to_owned(),
    }
}

fn or_none(text: Option<&str>) -> &str {
    text.filter(|text| !text.is_empty()).unwrap_or(format::NONE)
}
