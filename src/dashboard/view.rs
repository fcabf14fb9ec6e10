//! The page.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use maud::{Markup, html};
use uuid::Uuid;

use super::breakdown::{self, Links};
use super::chart::{self, Column, Stacked};
use super::data::{Freshness, MAX_COUNTED, Page, TenantName};
use super::layout::{Frame, Place};
use super::tables;
use super::{format, tiles, trends};
use crate::accounts::Principal;

/// Ranges that the page offers, in days.
pub const RANGES: [u16; 4] = [7, 30, 90, 365];

/// The dashboard of one tenant.
pub fn dashboard(page: &Page, principal: &Principal, tenants: &[TenantName]) -> Markup {
    let days = day_count(page);
    let (id, name) = (page.tenant.id, page.tenant.name.as_str());
    let keep = [("days", days.to_string())];
    let frame = Frame { principal, tenants, place: Place::Tenant(id, name, ""), keep: &keep, live: true };
    let content = html! {
        (freshness(&page.freshness, &page.zone))
        (heading(page))
        (tiles::tiles(page))
        (days_section(page))
        (hours_section(page))
        (breakdown::sections(page, &Links::of(page, None)))
        (tables::agents(page))
        (definitions())
        (chart::patterns())
    };
    frame.page(&format!("{name} – Tallyline"), &ranges(id, days), &content)
}

/// A page that has only words: no tenant yet, no such tenant, database away.
pub fn message(title: &str, text: &Markup, principal: &Principal, tenants: &[TenantName]) -> Markup {
    let keep = [("days", super::DEFAULT_DAYS.to_string())];
    let frame = Frame { principal, tenants, place: Place::Apart, keep: &keep, live: false };
    let content = html! { section .card .message { h1 { (title) } (text) } };
    frame.page(&format!("{title} – Tallyline"), &html! {}, &content)
}

fn ranges(id: Uuid, days: u16) -> Markup {
    html! {
        nav .ranges aria-label="Period" {
            @for range in RANGES {
                a href=(format!("/?tenant={id}&days={range}")) aria-current=[(range == days).then_some("true")] {
                    (range) span .unit-word { " days" }
                }
            }
        }
    }
}

fn day_count(page: &Page) -> u16 {
    u16::try_from(page.days.len()).unwrap_or(u16::MAX)
}

/// What the figures of a tenant may miss.
pub fn freshness(fresh: &Freshness, zone: &str) -> Markup {
    let until = local(fresh.complete_until(), zone);
    html! {
        section .freshness .late[!fresh.is_complete()] aria-label="Freshness" {
            p .state {
                span .dot aria-hidden="true" {}
                strong { "Complete until " time datetime=(fresh.complete_until().to_rfc3339()) { (until) } }
                @if fresh.is_complete() { span { "Nothing waits." } }
                @else { span .warn { "Lag " (format::age(fresh.lag())) ". " (missing(fresh)) } }
                @if fresh.quarantined > 0 {
                    span .warn { (counted(fresh.quarantined, "event")) " in quarantine, not counted." }
                }
            }
            p .zone { "Times in " (zone) " (" (offset(fresh.now, zone)) ")" }
            button .live type="button" id="live" hidden { "Pause updates" }
        }
    }
}

fn missing(fresh: &Freshness) -> String {
    let mut parts = Vec::new();
    if fresh.waiting_events > 0 {
        parts.push(format!("{} not yet applied", counted(fresh.waiting_events, "waiting event")));
    }
    if fresh.marks > 0 {
        parts.push(format!("{} not yet summed", counted(fresh.marks, "change")));
    }
    format!("These figures may miss {}.", parts.join(" and "))
}

/// `1 event`, `2 events`, `more than 100,000 events`.
fn counted(count: i64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    match count > MAX_COUNTED {
        true => format!("more than {} {what}{plural}", format::integer(MAX_COUNTED)),
        false => format!("{} {what}{plural}", format::integer(count)),
    }
}

fn heading(page: &Page) -> Markup {
    let from = page.days.first().map(|d| d.date).unwrap_or_default();
    let until = page.days.last().map(|d| d.date).unwrap_or_default();
    html! {
        div .heading {
            h1 { (page.tenant.name) }
            p { (date_range(from, until)) ", today so far included" }
            p .compared { "Changes are against " (date_range(page.previous_from, page.previous_until)) }
        }
    }
}

/// The calls of each day by outcome.
pub fn days_section(page: &Page) -> Markup {
    let every = label_every(page.days.len());
    let last = page.days.len().saturating_sub(1);
    let (means, mut unusual) = (trends::means(page), trends::unusual_calls(page));
    let columns: Vec<Column> = page
        .days
        .iter()
        .enumerate()
        .map(|(i, day)| Column {
            // Counted from today backwards, so that today always has its label.
            label: if (last - i).is_multiple_of(every) { short_date(day.date) } else { String::new() },
            minor: !(last - i).is_multiple_of(every * 2),
            title: format!("{}{}", long_date(day.date), if i == last && page.is_open { ", so far" } else { "" }),
            ahead: false,
            figures: day.figures,
            mean: means.get(&day.date).copied(),
            unusual: unusual.remove(&day.date),
        })
        .collect();
    let description = format!(
        "Calls per day by outcome, {} calls over {} days. The table below holds the figures.",
        format::integer(page.total.calls),
        page.days.len()
    );
    html! {
        section .card aria-labelledby="days-title" {
            h2 id="days-title" { "Calls per day" }
            @if page.total.calls == 0 { p .empty-state { "No calls in these days. Days without calls are shown as zero, not left out." } }
            (chart::stacked(&Stacked { columns: &columns, height: plot_height(page.total.calls, 220.0), description: &description, now: None }))
            (chart::legend(&page.total, &Links::of(page, page.agent)))
            @if page.agent.is_none() { (trends::note(page)) }
            (tables::buckets("Figures per day", "Day", columns.iter().rev().map(|c| (c.title.as_str(), &c.figures))))
        }
    }
}

/// An empty drawing keeps its axis and gives its room back.
fn plot_height(calls: i64, full: f64) -> f64 {
    if calls == 0 { 48.0 } else { full }
}

fn label_every(columns: usize) -> usize {
    match columns {
        0..=10 => 1,
        11..=45 => 3,
        46..=120 => 14,
        _ => 61,
    }
}

/// The calls of each hour of the last day by outcome.
pub fn hours_section(page: &Page) -> Markup {
    let now = page.freshness.now;
    let columns: Vec<Column> = page
        .hours
        .iter()
        .map(|hour| Column {
            label: if hour.hour % 3 == 0 { format!("{:02}", hour.hour) } else { String::new() },
            minor: hour.hour % 6 != 0,
            title: format!("{:02}:00 to {:02}:59", hour.hour, hour.hour),
            ahead: hour.start > now,
            figures: hour.figures,
            mean: None,
            unusual: None,
        })
        .collect();
    let begun = columns.iter().filter(|c| !c.ahead).count();
    let today: super::figures::Figures = page.hours.iter().map(|h| h.figures).sum();
    let last = page.days.last().map(|day| day.date).unwrap_or_default();
    let (day, so_far) = if page.is_open { ("Today".to_owned(), " so far") } else { (long_date(last), "") };
    let description = format!("Calls of {day} by hour and outcome, {} calls{so_far}.", format::integer(today.calls));
    html! {
        section .card aria-labelledby="hours-title" {
            h2 id="hours-title" { (day) " by hour" }
            p .sub {
                (format::integer(today.calls)) " calls" (so_far) ", " (format::integer(today.answered()))
                " answered, answer rate " (today.answer_rate())
            }
            (chart::stacked(&Stacked { columns: &columns, height: plot_height(today.calls, 130.0), description: &description, now: share_of_day(page) }))
            (tables::buckets("Figures per hour", "Hour", columns[..begun].iter().map(|c| (c.title.as_str(), &c.figures))))
        }
    }
}

/// Where now lies among today's hours, as a share of the drawing's width.
fn share_of_day(page: &Page) -> Option<f64> {
    if !page.is_open {
        return None;
    }
    let now = page.freshness.now;
    let current = page.hours.iter().rposition(|h| h.start <= now)?;
    let into = (now - page.hours[current].start).num_seconds() as f64 / 3600.0;
    Some((current as f64 + into.min(1.0)) / page.hours.len() as f64)
}

fn definitions() -> Markup {
    html! {
        details .definitions {
            summary { "What the figures mean" }
            dl {
                dt { "Call" } dd { "One provider execution, counted once, in the local day and hour of its start." }
                dt { "Answered" } dd { "A person picked up: conversation seconds above zero, not voicemail." }
                dt { "Answer rate" } dd { "Answered calls of the calls that ended. Calls in progress are in neither." }
                dt { "Talk minutes" } dd { "Each call's seconds rounded up to minutes, then summed; voicemail included." }
                dt { "Talk time of a call" } dd { "Exact percentiles over the calls with any talk, from the histograms of the days." }
                dt { "Contacts" } dd { "Different people called or calling in the period, each once; calls without a number have none." }
                dt { "Unusual" } dd { "A complete day unlike the same weekday of the eight weeks before: more than 3.5 robust deviations from their median." }
                dt { "Lead" } dd { "A call with an analysis of its own. Qualified: rated hot or warm." }
                dt { "Credits, cost" } dd { "Exact sums in millionths. Credits are what the tenant was charged, cost is what the provider charged." }
                dt { "Complete until" } dd { "Every webhook acknowledged before this time is in the figures, unless it is in quarantine." }
                dt { "–" } dd { "There is nothing to divide by: zero of zero is no rate." }
            }
        }
    }
}

/// The zone as the page's formatter knows it; an unknown one is shown as UTC.
pub fn zone_of(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

fn local(instant: DateTime<Utc>, zone: &str) -> String {
    instant.with_timezone(&zone_of(zone)).format("%-d %b %H:%M:%S").to_string()
}

fn offset(instant: DateTime<Utc>, zone: &str) -> String {
    let seconds = zone_of(zone).offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc();
    let sign = if seconds < 0 { '−' } else { '+' };
    format!("UTC{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
}

pub fn short_date(date: NaiveDate) -> String {
    date.format("%-d %b").to_string()
}

pub fn long_date(date: NaiveDate) -> String {
    date.format("%a %-d %b %Y").to_string()
}

pub fn date_range(from: NaiveDate, until: NaiveDate) -> String {
    let first = if from.year() == until.year() { from.format("%-d %b") } else { from.format("%-d %b %Y") };
    format!("{first} to {}", until.format("%-d %b %Y"))
}
