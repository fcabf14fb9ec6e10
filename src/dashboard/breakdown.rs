//! How the calls of a period divide: the way to a qualified lead, talk time, hours of
//! the week, sources, cost. From day and hour rows; each figure leads to its calls.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use sqlx::PgConnection;
use uuid::Uuid;

use super::data::Page;
use super::format;
use super::layout::tenant_page;
use super::pages::filter::{DIRECTIONS, LEADS, SOURCES, WEEKDAYS};

/// First second of each band of talk time, and its words.
const BANDS: [(i32, &str); 7] = [
    (0, "up to 10 s"),
    (10, "10 to 30 s"),
    (30, "30 to 60 s"),
    (60, "1 to 2 min"),
    (120, "2 to 5 min"),
    (300, "5 to 10 min"),
    (600, "10 min or more"),
];
/// Steps of the heat map's shade; step 0 is no call.
const SHADES: i64 = 5;

/// Calls of one hour of the week.
#[derive(Debug, Clone, Copy, Default)]
pub struct HourOfWeek {
    calls: i64,
    answered: i64,
    ended: i64,
}

/// What [`sections`] shows.
#[derive(Debug, Default)]
pub struct Breakdown {
    /// By first second, as in [`BANDS`].
    bands: HashMap<i32, i64>,
    /// Calls with more than 30 seconds of talk.
    talked: i64,
    /// By weekday from Monday 1, and hour.
    hours: HashMap<(i32, i32), HourOfWeek>,
    /// By kind and name, such as `source` and `phone`.
    named: HashMap<(String, String), i64>,
}

/// Reads what divides the calls in `[from, to)`, of one agent or all.
///
/// # Errors
/// When the database cannot be asked.
pub async fn read(
    conn: &mut PgConnection,
    tenant: Uuid,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    agent: Option<Uuid>,
) -> Result<Breakdown, sqlx::Error> {
    let rows = sqlx::query_file!("sql/dashboard/breakdown.sql", tenant, from, to, agent).fetch_all(conn).await?;
    let mut breakdown = Breakdown::default();
    for row in rows {
        match (row.part.as_str(), row.hour, row.name) {
            ("band", ..) => drop(breakdown.bands.insert(row.key, row.calls)),
            ("talked", ..) => breakdown.talked = row.calls,
            ("hour", Some(hour), _) => {
                let figures = HourOfWeek { calls: row.calls, answered: row.answered, ended: row.ended };
                breakdown.hours.insert((row.key, hour), figures);
            }
            (part, _, Some(name)) => drop(breakdown.named.insert((part.to_owned(), name), row.calls)),
            _ => {}
        }
    }
    Ok(breakdown)
}

/// Where the figures of a page lead.
#[derive(Debug, Clone, Copy)]
pub struct Links {
    pub tenant: Uuid,
    pub agent: Option<Uuid>,
    /// Both included.
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Links {
    /// Of the days that a page shows.
    pub fn of(page: &Page, agent: Option<Uuid>) -> Self {
        let from = page.days.first().map(|day| day.date).unwrap_or_default();
        let to = page.days.last().map(|day| day.date).unwrap_or_default();
        Links { tenant: page.tenant.id, agent, from, to }
    }

    /// The calls that `narrow` leaves.
    pub fn calls(&self, narrow: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", &self.from.to_string()).append_pair("to", &self.to.to_string());
        if let Some(agent) = self.agent {
            query.append_pair("agent", &agent.to_string());
        }
        query.extend_pairs(narrow);
        format!("{}?{}", tenant_page(self.tenant, "/calls"), query.finish())
    }
}

/// A line with a bar: what, its calls, where they are.
struct Line {
    label: String,
    count: i64,
    address: String,
}

/// All of it.
pub fn sections(page: &Page, links: &Links) -> Markup {
    html! {
        div .halves {
            (funnel(page, links))
            (talk_times(page, links))
            (sources(page, links))
            (cost(page))
        }
        (heat_map(page, links))
    }
}

fn bars((title, head): (&str, &str), id: &str, of: i64, lines: &[Line], hint: &str) -> Markup {
    let most = lines.iter().map(|line| line.count).max().unwrap_or(0);
    html! {
        section .card aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div .scroll tabindex="0" role="region" aria-labelledby=(id) {
                table .figures {
                    thead { tr { th scope="col" { (head) } th scope="col" .n { "Calls" } th scope="col" .n { "Share" } } }
                    tbody {
                        @for line in lines {
                            tr {
                                th scope="row" { (line.label) (bar(line.count, most)) }
                                td .n { a href=(line.address) { (format::integer(line.count)) } }
                                td .n { (format::percent(line.count, of)) }
                            }
                        }
                    }
                }
            }
            p .hint { (hint) }
        }
    }
}

fn bar(count: i64, most: i64) -> Markup {
    let share = if most > 0 { count as f64 / most as f64 * 100.0 } else { 0.0 };
    html! {
        svg .bar width="100%" height="3" aria-hidden="true" focusable="false" {
            rect width=(format!("{share:.2}%")) height="3" rx="1.5" {}
        }
    }
}

fn funnel(page: &Page, links: &Links) -> Markup {
    let (total, parts) = (&page.total, &page.breakdown);
    let line = |label: &str, count: i64, narrow: &[(&str, &str)]| Line {
        label: label.to_owned(),
        count,
        address: links.calls(narrow),
    };
    let lines = [
        line("Attempted", total.calls, &[]),
        line("Answered", total.answered(), &[("outcome", "answered")]),
        line("Talked over 30 s", parts.talked, &[("min_s", "31")]),
        line("Lead", total.leads, &[("lead", "any")]),
        line("Qualified", total.qualified_leads, &[("lead", "qualified")]),
    ];
    let hint = "Shares are of the calls attempted. Talk over 30 s includes voicemail; a lead is a call with an analysis of its own.";
    bars(("From call to lead", "Step"), "funnel-title", total.calls, &lines, hint)
}

fn talk_times(page: &Page, links: &Links) -> Markup {
    let count = |low: i32| page.breakdown.bands.get(&low).copied().unwrap_or(0);
    let all: i64 = BANDS.iter().map(|(low, _)| count(*low)).sum();
    let lines: Vec<Line> = BANDS
        .iter()
        .enumerate()
        .map(|(at, (low, label))| {
            // The first band begins with one second: no talk is no talk time.
            let min = low.max(&1).to_string();
            let address = match BANDS.get(at + 1) {
                Some((next, _)) => links.calls(&[("min_s", &min), ("max_s", &next.to_string())]),
                None => links.calls(&[("min_s", &min)]),
            };
            Line { label: (*label).to_owned(), count: count(*low), address }
        })
        .collect();
    let hint = "Calls with any talk, voicemail included; a band begins with its first second and ends before the next.";
    bars(("Talk time", "Length"), "bands-title", all, &lines, hint)
}

fn sources(page: &Page, links: &Links) -> Markup {
    let count =
        |part: &str, name: &str| page.breakdown.named.get(&(part.to_owned(), name.to_owned())).copied().unwrap_or(0);
    let kinds = [("source", &SOURCES[..]), ("direction", &DIRECTIONS[..]), ("lead", &LEADS[2..])];
    let lines: Vec<Line> = kinds
        .into_iter()
        .flat_map(|(part, names)| names.iter().map(move |(name, label)| (part, *name, *label)))
        .map(|(part, name, label)| {
            let kept = if part == "lead" { "quality" } else { part };
            let label = format!(
                "{}: {}",
                if part == "lead" {
                    "Lead"
                } else if part == "source" {
                    "Source"
                } else {
                    "Direction"
                },
                label.to_lowercase()
            );
            Line { label, count: count(kept, name), address: links.calls(&[(part, name)]) }
        })
        .collect();
    let hint = "Shares are of all calls. A call whose direction nobody named is in neither; a lead that was not rated has no quality.";
    bars(("Sources, directions, leads", "Kind"), "sources-title", page.total.calls, &lines, hint)
}

fn cost(page: &Page) -> Markup {
    let total = &page.total;
    let rounded = |micros: i64, count: i64| {
        let hundredths = format::per_unit(micros, count, 10_000).and_then(|h| h.checked_mul(10_000));
        hundredths.map_or_else(|| format::NONE.to_owned(), |m| format::micros(m, 2))
    };
    let lines = [
        ("All calls", format::micros(total.cost_micros, 2), format::micros(total.credits_micros, 0)),
        ("Per call", rounded(total.cost_micros, total.calls), rounded(total.credits_micros, total.calls)),
        (
            "Per answered call",
            rounded(total.cost_micros, total.answered()),
            rounded(total.credits_micros, total.answered()),
        ),
        ("Per talk minute", rounded(total.cost_micros, total.minutes), rounded(total.credits_micros, total.minutes)),
        (
            "Per qualified lead",
            rounded(total.cost_micros, total.qualified_leads),
            rounded(total.credits_micros, total.qualified_leads),
        ),
    ];
    html! {
        section .card aria-labelledby="cost-title" {
            h2 id="cost-title" { "Cost" }
            div .scroll tabindex="0" role="region" aria-labelledby="cost-title" {
                table .figures {
                    thead { tr { th scope="col" { "Of" } th scope="col" .n { (page.tenant.currency) } th scope="col" .n { "Credits" } } }
                    tbody { @for (label, cost, credits) in &lines {
                        tr { th scope="row" { (label) } td .n { (cost) } td .n { (credits) } }
                    } }
                }
            }
            p .hint { "What the provider charged, and what the tenant was charged. Sums are exact, the others rounded to hundredths." }
        }
    }
}

fn heat_map(page: &Page, links: &Links) -> Markup {
    let hours = &page.breakdown.hours;
    let most = hours.values().map(|hour| hour.calls).max().unwrap_or(0);
    let cell = |weekday: i32, hour: i32| {
        let found = hours.get(&(weekday, hour)).copied().unwrap_or_default();
        // Shade 1 to 5 in equal steps up to the busiest hour.
        let shade = if found.calls == 0 { 0 } else { (found.calls * SHADES + most - 1) / most.max(1) };
        let rate = format::percent(found.answered, found.ended);
        html! {
            td class=(format!("n heat-{shade}")) title=(format!("{} calls, answer rate {rate}", format::integer(found.calls))) {
                @if found.calls == 0 { "0" } @else {
                    a href=(links.calls(&[("weekday", &weekday.to_string()), ("hour", &hour.to_string())])) { (format::integer(found.calls)) }
                }
            }
        }
    };
    html! {
        section .card aria-labelledby="heat-title" {
            h2 id="heat-title" { "Hours of the week" }
            div .scroll tabindex="0" role="region" aria-labelledby="heat-title" {
                table .figures.heat {
                    thead { tr { th scope="col" { "Day" } @for hour in 0..24 { th scope="col" .n { (format!("{hour:02}")) } } } }
                    tbody {
                        @for (weekday, name) in (1..).zip(WEEKDAYS) {
                            tr { th scope="row" { (name) } @for hour in 0..24 { (cell(weekday, hour)) } }
                        }
                    }
                }
            }
            p .hint { "Calls begun in each hour of the wall clock in " (page.zone) ", all days of the period together; the darker, the more. The answer rate of an hour is its title." }
        }
    }
}
