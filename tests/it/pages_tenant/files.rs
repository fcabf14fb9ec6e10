//! Lists as Parquet: the same rows as in the CSV, with kinds of their own.

use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, TimeDelta};
use tallyline_history::list::{self, Values};
use tallyline_testkit::TestDb;

use super::{MARCH, march, run};

/// The cells of a CSV, without the apostrophe in front of what is no formula.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if quoted && signs.peek() == Some(&'"') => cell.extend(signs.next()),
            '"' => quoted = !quoted,
            '\r' if !quoted => {}
            ',' | '\n' if !quoted => {
                let plain = cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@']));
                row.push(plain.unwrap_or(&cell).to_owned());
                cell.clear();
                if sign == '\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            sign => cell.push(sign),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty(), "a CSV that ends within a row");
    rows
}

/// The cells of a column as the CSV spells them; its name first.
fn spelled(name: &str, values: &Values) -> Vec<String> {
    let micros = name.strip_suffix("_micros");
    let number = |n: &i64| match micros {
        Some(_) => format!("{}{}.{:06}", if *n < 0 { "-" } else { "" }, n.abs() / 1_000_000, n.abs() % 1_000_000),
        None => n.to_string(),
    };
    fn all<T>(values: &[Option<T>], text: impl Fn(&T) -> String) -> Vec<String> {
        values.iter().map(|value| value.as_ref().map(&text).unwrap_or_default()).collect()
    }
    let column = match values {
        Values::Texts(values) => all(values, String::clone),
        Values::Numbers(values) => all(values, number),
        Values::Times(values) => all(values, |at| DateTime::from_timestamp_micros(*at).unwrap().to_rfc3339()),
        Values::Dates(values) => {
            all(values, |days| (NaiveDate::default() + TimeDelta::days(i64::from(*days))).to_string())
        }
        Values::Fractions(values) => all(values, |value| format!("{value:.1}")),
        Values::Flags(values) => all(values, bool::to_string),
    };
    std::iter::once(micros.unwrap_or(name).to_owned()).chain(column).collect()
}

/// Breaks: the last group of rows left out, the seconds of a time cut off.
#[tokio::test]
async fn parquet_and_csv_hold_the_same() {
    let db = TestDb::new().await;
    let (user_id, mut browser, _) = march(&db).await;
    for sql in [
        "UPDATE agents SET name = '=HYPERLINK(\"x\",\"y\")' WHERE user_id = $1 AND name = 'A0'",
        "UPDATE contacts SET last_contact_at = now(), email = 'c@example.com' WHERE user_id = $1",
        "INSERT INTO customers (user_id, contact_id, customer_reference_number, name)
         SELECT user_id, id, '', name FROM contacts WHERE user_id = $1 AND name IN ('C1', 'C2')",
        "INSERT INTO follow_ups (user_id, lead_phone, lead_name, follow_up_date, remark)
         SELECT $1, '+15550100', 'Line 1' || chr(10) || 'line 2', '2026-03-01', NULL FROM users WHERE id = $1",
    ] {
        run(&db, sql, user_id).await;
    }
    for (page, least_rows) in [
        ("calls?", 400),
        ("calls?outcome=busy&", 1),
        ("calls?min_s=86400&", 0),
        ("agents?", 2),
        ("leads?", 7),
        ("customers?", 2),
        ("follow-ups?show=overdue&", 1),
        ("credits?", 100),
    ] {
        let uri = format!("/tenants/{user_id}/{page}{MARCH}&format=");
        let csv = browser.get(&format!("{uri}csv")).await;
        let file = browser.get(&format!("{uri}parquet")).await;
        assert_eq!(file.status, StatusCode::OK, "{uri}");
        assert_eq!(file.headers["content-type"], "application/vnd.apache.parquet");
        let disposition = file.headers["content-disposition"].to_str().unwrap();
        assert!(disposition.ends_with(".parquet\""), "{disposition}");
        let columns = list::read(file.bytes).unwrap_or_else(|error| panic!("{uri}: {error}"));
        let columns: Vec<Vec<String>> = columns.iter().map(|(name, values)| spelled(name, values)).collect();
        let rows = cells(&csv.text);
        assert!(rows.len() > least_rows, "{uri}: {} rows", rows.len());
        for (at, row) in rows.iter().enumerate() {
            let found: Vec<&String> = columns.iter().map(|column| &column[at]).collect();
            assert_eq!(found, row.iter().collect::<Vec<_>>(), "{uri}, row {at}");
        }
        assert!(columns.iter().all(|column| column.len() == rows.len()), "{uri}");
    }
    assert_eq!(browser.get(&format!("/tenants/{user_id}/calls?format=xlsx")).await.status, StatusCode::BAD_REQUEST);
}
