//! Credits: the balance and how long it lasts, what each day used, the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use maud::{Markup, html};
use sqlx::PgConnection;
use uuid::Uuid;

use super::agents::period_form;
use super::download::{self, Cell, Format, Head, Kind};
use super::filter::Asked;
use super::{NO_CURSOR, Open, PAGE_ROWS, Refused, answered, cut, facts, page_limit, table};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;
use crate::dashboard::{format, view};

/// Complete local days whose use foretells the days to come.
const PACE_DAYS: i64 = 7;

#[derive(Debug)]
struct Row {
    entry_no: i64,
    kind: String,
    amount_micros: i64,
    balance_after_micros: i64,
    description: String,
    call_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

/// `GET /tenants/{id}/credits`.
pub async fn page(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    answered(&principal, shown(&gate, principal.clone(), &id, &asked).await)
}

async fn shown(gate: &Gate, principal: Principal, id: &str, asked: &Asked) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, asked).await?;
    if let Some(format) = asked.file()? {
        return Ok(file(format, open));
    }
    let after = match asked.after.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(text.parse::<i64>().map_err(|_| Refused::Bad(NO_CURSOR))?),
        None => None,
    };
    let mut tx = open.tx().await?;
    let used = used(&mut tx, &open).await?;
    let (rows, next) = read(&mut tx, open.tenant, after, PAGE_ROWS).await?;
    tx.commit().await?;
    let next = next.map(|entry| entry.to_string());
    let heads = [("When", ""), ("Kind", ""), ("What", ""), ("Credits", "n"), ("Balance after", "n")];
    let lines: Vec<Markup> = rows.iter().map(|row| line(&open, row)).collect();
    let content = html! {
        (balance(&open, &used))
        section .card { h2 { "Use by day" } (period_form(&open, "/credits")) (days(&open, &used)) }
        section .card {
            h2 { "Ledger" }
            (table("Ledger", &heads, &lines, "There is no entry."))
            (open.pager(&open.path("/credits"), &[], next.as_deref(), after.is_none()))
        }
    };
    Ok(open.page("/credits", "Credits", &content))
}

/// Calls and micro-credits of each day that has a row.
type Used = BTreeMap<NaiveDate, (i64, i64)>;

async fn used(conn: &mut PgConnection, open: &Open) -> Result<Used, sqlx::Error> {
    // Two days more than the pace needs: local days begin up to a day apart from ours.
    let pace_from = open.period.today - TimeDelta::days(PACE_DAYS + 2);
    let pace_from = pace_from.and_time(chrono::NaiveTime::MIN).and_utc();
    let to = open.to.max((open.period.today + TimeDelta::days(2)).and_time(chrono::NaiveTime::MIN).and_utc());
    let rows = sqlx::query_file!("sql/dashboard/used_days.sql", open.tenant, open.from.min(pace_from), to)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.date, (row.calls, row.credits_micros))).collect())
}

/// What the complete days before `today` used, in micro-credits.
fn pace(used: &Used, today: NaiveDate) -> i64 {
    used.range(today - TimeDelta::days(PACE_DAYS)..today).map(|(_, (_, micros))| micros).sum()
}

/// The day on which a balance ends at the pace; none when nothing was used, or it lasts
/// beyond what a calendar holds.
fn ends_on(balance_micros: i64, used_micros: i64, today: NaiveDate) -> Option<NaiveDate> {
    if used_micros <= 0 {
        return None;
    }
    let days = i128::from(balance_micros.max(0)) * i128::from(PACE_DAYS) / i128::from(used_micros);
    today.checked_add_days(Days::new(u64::try_from(days).ok()?))
}

fn balance(open: &Open, used: &Used) -> Markup {
    let micros = pace(used, open.period.today);
    let mean =
        (micros > 0).then(|| format::per_unit(micros, PACE_DAYS, 10_000)).flatten().and_then(|h| h.checked_mul(10_000));
    let end = match ends_on(open.period.credits_micros, micros, open.period.today) {
        _ if open.period.credits_micros < 0 => "overdrawn".to_owned(),
        Some(day) => view::long_date(day),
        None => format::NONE.to_owned(),
    };
    html! {
        section .card {
            h2 { "Balance" }
            (facts(&[
                ("Credits now", html! { strong { (format::micros(open.period.credits_micros, 0)) } }),
                ("Used a day", html! { (mean.map_or_else(|| format::NONE.to_owned(), |m| format::micros(m, 2))) }),
                ("Runs out", html! { (end) }),
            ]))
            p .hint { "Used a day: the mean of the seven complete local days before today, rounded to hundredths. Runs out: the day on which the balance ends at that "
                "pace; – when nothing was used." }
        }
    }
}

fn days(open: &Open, used: &Used) -> Markup {
    let last = open.period.to_date.min(open.period.today);
    let all = std::iter::successors(Some(last), NaiveDate::pred_opt).take_while(|day| *day >= open.period.from_date);
    let rows: Vec<Markup> = all
        .map(|day| {
            let (calls, micros) = used.get(&day).copied().unwrap_or_default();
            let date = day.to_string();
            let address = format!("{}?from={date}&to={date}", open.path("/calls"));
            html! { tr {
                th scope="row" { (view::long_date(day)) @if day == open.period.today { ", so far" } }
                td .n .zero[calls == 0] { a href=(address) { (format::integer(calls)) } }
                td .n .zero[micros == 0] { (format::micros(micros, 0)) }
            } }
        })
        .collect();
    let total: i64 = used.range(open.period.from_date..=open.period.to_date).map(|(_, (_, micros))| micros).sum();
    html! {
        p .counted { strong { (format::micros(total, 0)) } " credits for the calls of " (open.period_words()) "." }
        details .data { summary { "Use per day" }
            (table("Use per day", &[("Day", ""), ("Calls", "n"), ("Credits", "n")], &rows, "No day of this period has come."))
        }
    }
}

async fn read(
    conn: &mut PgConnection,
    tenant: Uuid,
    after: Option<i64>,
    count: usize,
) -> Result<(Vec<Row>, Option<i64>), sqlx::Error> {
    let rows =
        sqlx::query_file_as!(Row, "sql/dashboard/ledger.sql", tenant, after, page_limit(count)).fetch_all(conn).await?;
    let (rows, more) = cut(rows, count);
    let next = rows.last().filter(|_| more).map(|row| row.entry_no);
    Ok((rows, next))
}

fn line(open: &Open, row: &Row) -> Markup {
    html! {
        tr {
            th scope="row" { (open.time(row.created_at)) }
            td { (row.kind) }
            td .long { @match row.call_id { Some(id) => a href=(open.path(&format!("/calls/{id}"))) { (row.description) }, None => (row.description) } }
            td .n { (format::micros(row.amount_micros, 0)) }
            td .n { (format::micros(row.balance_after_micros, 0)) }
        }
    }
}

const COLUMNS: [Head; 7] = [
    ("entry", Kind::Number),
    ("created_at", Kind::Time),
    ("kind", Kind::Text),
    ("description", Kind::Text),
    ("credits", Kind::Micros),
    ("balance_after", Kind::Micros),
    ("call_id", Kind::Text),
];

fn file(format: Format, open: Open) -> Response {
    let open = Arc::new(open);
    download::file(format, "credits", &COLUMNS, move |after: Option<i64>| {
        let open = Arc::clone(&open);
        async move {
            let mut tx = open.tx().await?;
            let (rows, next) = read(&mut tx, open.tenant, after, download::BATCH).await?;
            tx.commit().await?;
            let lines = rows.into_iter().map(|row| {
                vec![
                    row.entry_no.into(),
                    row.created_at.into(),
                    row.kind.into(),
                    row.description.into(),
                    Cell::Micros(row.amount_micros),
                    Cell::Micros(row.balance_after_micros),
                    row.call_id.into(),
                ]
            });
            Ok((lines.collect(), next))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_ends_at_the_pace_of_seven_complete_days() {
        let today: NaiveDate = "2026-03-10".parse().unwrap();
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
        // Fourteen in seven days; the day before them and today do not count.
        let used = Used::from([(day(2), (9, 900)), (day(3), (1, 4)), (day(9), (1, 10)), (day(10), (1, 700))]);
        assert_eq!(pace(&used, today), 14);
        assert_eq!(ends_on(11, 14, today), Some(day(15)));
        assert_eq!(ends_on(-5, 14, today), Some(today));
        assert_eq!(ends_on(11, 0, today), None);
        assert_eq!(ends_on(i64::MAX, 1, today), None, "beyond what a calendar holds");
    }
}
