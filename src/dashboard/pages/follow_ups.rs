//! Follow-ups: overdue, due today, coming, completed, cancelled; and the forms that
//! add, complete and cancel one.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Days, NaiveDate, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use tallyline_jobs::admin_log::{self, Entry};
use uuid::Uuid;

use super::download::{self, Format, Head, Kind};
use super::filter::Asked;
use super::{NO_CURSOR, Open, PAGE_ROWS, Refused, answered, cut, id_of, or_none, page_limit, table};
use crate::accounts::guard::Gate;
use crate::accounts::{Principal, Role, Source};
use crate::dashboard::{format, view};
use crate::tenants::{self, FollowUpChange, NewFollowUp, TenantError};

/// Follow-ups of a kind are counted up to this.
const MAX_COUNTED: i64 = 1000;
const MAX_REMARK_CHARS: usize = 2000;

#[derive(Debug)]
struct Row {
    id: Uuid,
    follow_up_date: NaiveDate,
    status: String,
    source: String,
    lead_name: Option<String>,
    lead_phone: Option<String>,
    lead_email: Option<String>,
    remark: Option<String>,
    call_id: Option<Uuid>,
    completed_at: Option<DateTime<Utc>>,
    contact_id: Option<Uuid>,
}

/// The kinds that a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Overdue,
    Due,
    Coming,
    Completed,
    Cancelled,
}

impl Show {
    const ALL: [(Show, &'static str, &'static str); 5] = [
        (Show::Overdue, "overdue", "Overdue"),
        (Show::Due, "due", "Due today"),
        (Show::Coming, "coming", "Coming"),
        (Show::Completed, "completed", "Completed"),
        (Show::Cancelled, "cancelled", "Cancelled"),
    ];

    fn of(asked: &Asked) -> Result<Show, Refused> {
        let word = asked.show.as_deref().filter(|word| !word.is_empty()).unwrap_or("due");
        let known = Show::ALL.into_iter().find(|(_, known, _)| *known == word);
        known.map(|(show, ..)| show).ok_or(Refused::Bad("there is no such kind of follow-up"))
    }

    fn word(self) -> &'static str {
        Show::ALL.into_iter().find(|(show, ..)| *show == self).map_or("due", |(_, word, _)| word)
    }

    /// Status, first and last day.
    fn range(self, today: NaiveDate) -> (&'static str, NaiveDate, NaiveDate) {
        // Dates that every database can hold.
        let (first, last) = (NaiveDate::default(), today.checked_add_days(Days::new(3_650_000)).unwrap_or(today));
        let (yesterday, tomorrow) = (today.pred_opt().unwrap_or(today), today.succ_opt().unwrap_or(today));
        match self {
            Show::Overdue => ("pending", first, yesterday),
            Show::Due => ("pending", today, today),
            Show::Coming => ("pending", tomorrow, last),
            Show::Completed => ("completed", first, last),
            Show::Cancelled => ("cancelled", first, last),
        }
    }
}

type After = Option<(NaiveDate, Uuid)>;

fn after_of(asked: &Asked) -> Result<After, Refused> {
    let Some(text) = asked.after.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.split_once('_').and_then(|(date, id)| Some((date.parse().ok()?, id.parse().ok()?)));
    parsed.map(Some).ok_or(Refused::Bad(NO_CURSOR))
}

/// `GET /tenants/{id}/follow-ups`.
pub async fn list(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    answered(&principal, listed(&gate, principal.clone(), &id, &asked).await)
}

async fn listed(gate: &Gate, principal: Principal, id: &str, asked: &Asked) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, asked).await?;
    let (show, after) = (Show::of(asked)?, after_of(asked)?);
    if let Some(format) = asked.file()? {
        return Ok(file(format, open, show));
    }
    let mut tx = open.tx().await?;
    let count =
        sqlx::query_file!("sql/dashboard/follow_up_counts.sql", open.tenant, open.period.today, MAX_COUNTED + 1)
            .fetch_one(&mut *tx)
            .await?;
    let (rows, next) = read(&mut tx, &open, show, after, PAGE_ROWS).await?;
    tx.commit().await?;
    let counts = [count.overdue, count.due, count.coming, count.completed, count.cancelled];
    let heads = [("Day", ""), ("Who", ""), ("Number", ""), ("Remark", ""), ("From", ""), ("", "")];
    let lines: Vec<Markup> = rows.iter().map(|row| line(&open, row)).collect();
    let next = next.map(|(date, id)| format!("{date}_{id}"));
    let content = html! {
        section .card {
            nav .ranges.apart aria-label="Kind" {
                @for ((kind, word, label), count) in Show::ALL.into_iter().zip(counts) {
                    a href=(format!("{}?show={word}", open.path("/follow-ups"))) aria-current=[(kind == show).then_some("true")] {
                        (label) " " (if count > MAX_COUNTED { format!("{}+", format::integer(MAX_COUNTED)) } else { format::integer(count) })
                    }
                }
            }
            p .counted { "Days are the tenant's; today is " (view::long_date(open.period.today)) "." }
            (table("Follow-ups", &heads, &lines, "None."))
            (open.pager(&open.path("/follow-ups"), &[("show", show.word())], next.as_deref(), after.is_none()))
        }
        @if may_change(&open) { (add_form(&open)) }
    };
    Ok(open.page("/follow-ups", "Follow-ups", &content))
}

async fn read(
    conn: &mut PgConnection,
    open: &Open,
    show: Show,
    after: After,
    count: usize,
) -> Result<(Vec<Row>, After), sqlx::Error> {
    let (status, first, last) = show.range(open.period.today);
    let (date, id) = after.unzip();
    let limit = page_limit(count);
    let tenant = open.tenant;
    let rows = match status {
        "pending" => {
            sqlx::query_file_as!(Row, "sql/dashboard/follow_ups.sql", tenant, status, first, last, date, id, limit)
                .fetch_all(conn)
                .await?
        }
        _ => {
            sqlx::query_file_as!(
                Row,
                "sql/dashboard/follow_ups_ended.sql",
                tenant,
                status,
                first,
                last,
                date,
                id,
                limit
            )
            .fetch_all(conn)
            .await?
        }
    };
    let (rows, more) = cut(rows, count);
    let next = rows.last().filter(|_| more).map(|row| (row.follow_up_date, row.id));
    Ok((rows, next))
}

/// A tenant's own people; administrators for it.
fn may_change(open: &Open) -> bool {
    open.principal.may_change(Role::User)
}

fn line(open: &Open, row: &Row) -> Markup {
    let name = or_none(row.lead_name.as_deref());
    let email = row.lead_email.as_deref().filter(|_| open.is_own());
    html! {
        tr {
            th scope="row" { (view::long_date(row.follow_up_date)) }
            td { span .name {
                @match row.contact_id { Some(id) => a href=(open.path(&format!("/leads/{id}"))) { (name) }, None => (name) }
                @if let Some(email) = email { " (" (email) ")" }
            } }
            td { (open.number(row.lead_phone.as_deref())) }
            td .long { (or_none(row.remark.as_deref())) }
            td {
                @match row.call_id { Some(id) => a href=(open.path(&format!("/calls/{id}"))) { (row.source) }, None => (row.source) }
            }
            td {
                @if row.status != "pending" {
                    (row.status) @if let Some(at) = row.completed_at { " " (open.time(at)) }
                } @else if may_change(open) {
                    form .row-actions method="post" action=(open.path(&format!("/follow-ups/{}", row.id))) {
                        @let about = format!("{} of {}", name, view::long_date(row.follow_up_date));
                        button name="change" value="complete" aria-label=(format!("Complete {about}")) { "Complete" } " "
                        button name="change" value="cancel" aria-label=(format!("Cancel {about}")) { "Cancel" }
                    }
                }
            }
        }
    }
}

fn add_form(open: &Open) -> Markup {
    html! {
        section .card aria-labelledby="add-title" {
            h2 id="add-title" { "Add a follow-up" }
            form .account method="post" action=(open.path("/follow-ups")) {
                label for="date" { "Day" } input id="date" name="date" type="date" required value=(open.period.today);
                label for="name" { "Name" } input id="name" name="name" maxlength="255";
                label for="phone" { "Number" } input id="phone" name="phone" type="tel" maxlength="50";
                label for="email" { "E-mail" } input id="email" name="email" type="email" maxlength="255";
                label for="remark" { "Remark" } input id="remark" name="remark" maxlength=(MAX_REMARK_CHARS);
                p .hint { "A number or an e-mail address is needed." }
                button type="submit" { "Add" }
            }
        }
    }
}

/// A new follow-up, as the form sends it.
#[derive(Debug, Deserialize)]
pub struct NewForm {
    date: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    remark: String,
}

/// `POST /tenants/{id}/follow-ups`.
pub async fn add(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    source: Source,
    Path(id): Path<String>,
    Form(form): Form<NewForm>,
) -> Response {
    answered(&principal, added(&gate, principal.clone(), source, &id, form).await)
}

async fn added(
    gate: &Gate,
    principal: Principal,
    source: Source,
    id: &str,
    form: NewForm,
) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, &Asked::default()).await?;
    if !may_change(&open) {
        return Err(Refused::MayNotChange);
    }
    let text = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    if form.remark.chars().count() > MAX_REMARK_CHARS {
        return Err(Refused::Bad("a remark has at most 2,000 characters"));
    }
    let new = NewFollowUp {
        phone: text(form.phone),
        email: text(form.email),
        name: text(form.name),
        date: form.date.parse().map_err(|_| Refused::Bad("dates are written 2026-03-31"))?,
        remark: text(form.remark),
        call_id: None,
    };
    let mut tx = open.pool.begin().await?;
    let by = open.principal.account.user_id;
    let added = tenants::add_follow_up(&mut tx, open.tenant, &new, by).await.map_err(refused)?;
    // The lead is no part of the trail: it is kept longer than leads are.
    let details = json!({ "before": null, "after": { "date": new.date, "status": "pending" } });
    record(&mut tx, &open, source, "follow_up.add", added, details).await?;
    tx.commit().await?;
    let show = if new.date < open.period.today {
        Show::Overdue
    } else if new.date == open.period.today {
        Show::Due
    } else {
        Show::Coming
    };
    Ok(back(&open, show))
}

/// What becomes of a follow-up: `complete` or `cancel`.
#[derive(Debug, Deserialize)]
pub struct ChangeForm {
    change: String,
}

/// `POST /tenants/{id}/follow-ups/{follow_up_id}`.
pub async fn change(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    source: Source,
    Path((id, follow_up)): Path<(String, String)>,
    Form(form): Form<ChangeForm>,
) -> Response {
    answered(&principal, changed(&gate, principal.clone(), source, &id, &follow_up, &form.change).await)
}

async fn changed(
    gate: &Gate,
    principal: Principal,
    source: Source,
    id: &str,
    follow_up: &str,
    change: &str,
) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, &Asked::default()).await?;
    if !may_change(&open) {
        return Err(Refused::MayNotChange);
    }
    let follow_up = id_of(follow_up)?;
    let (action, change, after, show) = match change {
        "complete" => ("follow_up.complete", FollowUpChange::Complete, "completed", Show::Completed),
        "cancel" => ("follow_up.cancel", FollowUpChange::Cancel, "cancelled", Show::Cancelled),
        _ => return Err(Refused::Bad("a follow-up is completed or cancelled")),
    };
    let mut tx = open.pool.begin().await?;
    let here = sqlx::query_scalar!(
        "SELECT true FROM public.follow_ups WHERE user_id = $1 AND id = $2",
        open.tenant,
        follow_up
    )
    .fetch_optional(&mut *tx)
    .await?;
    here.ok_or(Refused::Unknown)?;
    let by = open.principal.account.user_id;
    let date = tenants::change_follow_up(&mut tx, open.tenant, follow_up, change, by).await.map_err(refused)?;
    let details =
        json!({ "before": { "date": date, "status": "pending" }, "after": { "date": date, "status": after } });
    record(&mut tx, &open, source, action, follow_up, details).await?;
    tx.commit().await?;
    Ok(back(&open, show))
}

async fn record(
    conn: &mut PgConnection,
    open: &Open,
    source: Source,
    action: &str,
    follow_up: Uuid,
    details: serde_json::Value,
) -> Result<(), sqlx::Error> {
    let entry = Entry {
        admin_user_id: open.principal.account.user_id,
        action,
        resource_type: "follow_up",
        resource_id: Some(follow_up.to_string()),
        target_user_id: Some(open.tenant),
        details,
        address: Some(source.address.to_string()),
        user_agent: source.user_agent,
    };
    admin_log::record(conn, &entry).await
}

fn refused(error: TenantError) -> Refused {
    match error {
        TenantError::UnknownTenant => Refused::Unknown,
        TenantError::Database(error) => Refused::Database(error),
        TenantError::Invalid(why) => Refused::Bad(why),
        _ => Refused::Bad("this follow-up cannot be written"),
    }
}

fn back(open: &Open, show: Show) -> Response {
    let address = format!("{}?show={}", open.path("/follow-ups"), show.word());
    (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response()
}

const COLUMNS: [Head; 10] = [
    ("id", Kind::Text),
    ("date", Kind::Date),
    ("status", Kind::Text),
    ("source", Kind::Text),
    ("name", Kind::Text),
    ("number", Kind::Text),
    ("email", Kind::Text),
    ("remark", Kind::Text),
    ("call_id", Kind::Text),
    ("completed_at", Kind::Time),
];

fn file(format: Format, open: Open, show: Show) -> Response {
    let open = Arc::new(open);
    download::file(format, "follow-ups", &COLUMNS, move |after: Option<(NaiveDate, Uuid)>| {
        let open = Arc::clone(&open);
        async move {
            let mut tx = open.tx().await?;
            let (rows, next) = read(&mut tx, &open, show, after, download::BATCH).await?;
            tx.commit().await?;
            let lines = rows.iter().map(|row| {
                vec![
                    row.id.into(),
                    row.follow_up_date.into(),
                    (&row.status).into(),
                    (&row.source).into(),
                    row.lead_name.as_ref().into(),
                    row.lead_phone.as_deref().map(|number| open.number(Some(number))).into(),
                    row.lead_email.as_ref().filter(|_| open.is_own()).into(),
                    row.remark.as_ref().into(),
                    row.call_id.into(),
                    row.completed_at.into(),
                ]
            });
            Ok((lines.collect(), next))
        }
    })
}
