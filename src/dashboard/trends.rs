//! The trends of a page: what `analyze_trends` left in the cache, and how it is
//! said. What is missing or out of date is said as well.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::chart::Unusual;
use super::data::Page;
use super::format;
use super::view::{long_date, short_date};

/// Unusual days that are listed; more are counted.
const MAX_LISTED: usize = 60;

/// Trends as they are cached.
#[derive(Debug)]
pub struct CachedTrends {
    data: Data,
    /// False: of a day that is over, whatever it says.
    is_current: bool,
    /// The clock when it was read.
    now: DateTime<Utc>,
    agent_names: HashMap<Uuid, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    user_timezone: String,
    calculated_at: DateTime<Utc>,
    window_end: Option<NaiveDate>,
    days: Vec<NaiveDate>,
    metrics: HashMap<String, Metric>,
    anomalies: Vec<Anomaly>,
    agent_anomalies: BTreeMap<Uuid, Vec<Anomaly>>,
}

#[derive(Debug, Deserialize)]
struct Metric {
    ma7: Vec<Option<f64>>,
}

#[derive(Debug, Deserialize)]
struct Anomaly {
    metric: String,
    date: NaiveDate,
    value: i64,
    /// Median of the same weekday of the weeks before.
    usual: f64,
    weeks: u32,
}

/// Reads the trends of a tenant; none when they were never computed.
///
/// # Errors
/// When the database cannot be asked.
pub async fn read(tx: &mut PgConnection, user_id: Uuid) -> Result<Option<CachedTrends>, sqlx::Error> {
    let Some(row) = sqlx::query_file!("sql/dashboard/trends.sql", user_id).fetch_optional(tx).await? else {
        return Ok(None);
    };
    // Another version's trends are none; the next analysis writes ours.
    let data = match serde_json::from_value(row.data) {
        Ok(data) => data,
        Err(error) => {
            tracing::warn!(%error, "cached trends cannot be read");
            return Ok(None);
        }
    };
    let agent_names = row.agent_names.and_then(|names| serde_json::from_value(names).ok()).unwrap_or_default();
    Ok(Some(CachedTrends { data, is_current: row.is_current, now: row.now, agent_names }))
}

/// The trends, if they are of the days that the page shows.
fn of_page(page: &Page) -> Option<&CachedTrends> {
    page.trends.as_ref().filter(|trends| trends.data.user_timezone == page.zone)
}

/// The mean of seven days at each day that has one.
pub fn means(page: &Page) -> HashMap<NaiveDate, f64> {
    let Some(trends) = of_page(page) else { return HashMap::new() };
    let means = trends.data.metrics.get("total_calls").map(|m| m.ma7.as_slice()).unwrap_or_default();
    trends.data.days.iter().copied().zip(means).filter_map(|(day, mean)| Some((day, (*mean)?))).collect()
}

/// The days of which the number of calls is unusual.
pub fn unusual_calls(page: &Page) -> HashMap<NaiveDate, Unusual> {
    let anomalies = of_page(page).map(|trends| trends.data.anomalies.as_slice()).unwrap_or_default();
    let of_calls = anomalies.iter().filter(|a| a.metric == "total_calls");
    of_calls.map(|a| (a.date, Unusual { above: a.value as f64 > a.usual, text: against_usual(a) })).collect()
}

/// Under the chart: what the line is and of when, and the unusual days.
pub fn note(page: &Page) -> Markup {
    let Some(trends) = of_page(page) else {
        return html! { p .trend { "Trends: not computed yet." } };
    };
    let until = trends.data.window_end.map_or_else(|| format::NONE.to_owned(), short_date);
    let age = format::age(trends.now - trends.data.calculated_at);
    html! {
        p .trend .warn[!trends.is_current] {
            svg .swatch width="18" height="12" aria-hidden="true" { line x1="0" x2="18" y1="6" y2="6" {} }
            span {
                "Mean of seven days and unusual days: complete days up to " (until) ", computed " (age) " ago."
                @if !trends.is_current { " Out of date: the day has changed since, and a new analysis is due." }
            }
        }
        (unusual(page, trends))
    }
}

fn unusual(page: &Page, trends: &CachedTrends) -> Markup {
    let from = page.days.first().map(|d| d.date).unwrap_or_default();
    let whole = trends.data.anomalies.iter().map(|a| (None, a));
    let names = |id: &Uuid| trends.agent_names.get(id).map_or("a deleted agent", String::as_str);
    let of_agents = trends.data.agent_anomalies.iter().flat_map(|(id, list)| list.iter().map(|a| (Some(names(id)), a)));
    let mut shown: Vec<(Option<&str>, &Anomaly)> = whole.chain(of_agents).filter(|(_, a)| a.date >= from).collect();
    // Newest first, the tenant before its agents.
    shown.sort_by(|a, b| b.1.date.cmp(&a.1.date).then(a.0.cmp(&b.0)));
    html! {
        @if shown.is_empty() {
            p .trend { "No day of these was unlike the same weekday of the weeks before." }
        } @else {
            details .unusual-figures {
                summary { (format::integer(shown.len() as i64)) " unusual " (if shown.len() == 1 { "figure" } else { "figures" }) }
                ul .unusual-days {
                    @for (agent, anomaly) in shown.iter().take(MAX_LISTED) {
                        li {
                            span .arrow aria-hidden="true" { (if anomaly.value as f64 > anomaly.usual { "▲" } else { "▼" }) } " "
                            strong { (long_date(anomaly.date)) } ": "
                            @if let Some(agent) = agent { (agent) ", " }
                            (against_usual(anomaly))
                        }
                    }
                    @if shown.len() > MAX_LISTED { li { "and " (format::integer((shown.len() - MAX_LISTED) as i64)) " before" } }
                }
            }
        }
    }
}

/// `340 calls, usually 120 (median of 8 weeks)`.
fn against_usual(anomaly: &Anomaly) -> String {
    let usual = anomaly.usual;
    let (value, usual) = match anomaly.metric.as_str() {
        "talk_seconds" => {
            (format!("{} of talk", format::talk_time(anomaly.value)), format::talk_time(usual.round() as i64))
        }
        "credits_micros" => {
            (format!("{} credits", format::micros(anomaly.value, 0)), format::micros(usual.round() as i64, 0))
        }
        metric => (format!("{} {}", format::integer(anomaly.value), words(metric)), format::tenths(usual)),
    };
    format!("{value}, usually {} (median of {} weeks)", usual.trim_end_matches(".0"), anomaly.weeks)
}

fn words(metric: &str) -> &str {
    match metric {
        "total_calls" => "calls",
        "successful_calls" => "answered calls",
        "leads_generated" => "leads",
        other => other,
    }
}
