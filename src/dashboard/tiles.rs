//! The tiles: value, change against the period before, the days as a line, and
//! what the figure means.

use maud::{Markup, html};

use super::chart::sparkline;
use super::data::{Day, Page};
use super::figures::{Change, Figures};
use super::format;

/// Days whose use tells how long the balance lasts.
const PACE_DAYS: usize = 7;

/// Which way is welcome; decides the colour of a change and nothing else.
#[derive(Debug, Clone, Copy)]
pub enum Welcome {
    Up,
    Neither,
}

struct Tile {
    label: &'static str,
    value: String,
    unit: Option<String>,
    note: Option<String>,
    change: Change,
    before: String,
    welcome: Welcome,
    line: Vec<Option<f64>>,
    meaning: &'static str,
}

/// All tiles of a page.
pub fn tiles(page: &Page) -> Markup {
    html! {
        section .tiles aria-label="Key figures" {
            @for tile in figures_of(page) { (render(&tile)) }
            (balance(page))
            (contacts(page))
            (talk(page))
        }
    }
}

/// The tiles of one agent: the balance is the tenant's.
pub fn of_agent(page: &Page) -> Markup {
    html! {
        section .tiles aria-label="Key figures" {
            @for tile in figures_of(page) { (render(&tile)) }
            (contacts(page))
            (talk(page))
        }
    }
}

fn figures_of(page: &Page) -> Vec<Tile> {
    vec![calls(page), answer_rate(page), minutes(page), leads(page), qualified(page), credits(page), cost(page)]
}

fn amount(page: &Page, of: impl Fn(&Figures) -> i64, shown: impl Fn(i64) -> String) -> Tile {
    let (now, before) = (of(&page.total), of(&page.previous));
    Tile {
        label: "",
        value: shown(now),
        unit: None,
        note: None,
        change: Change::of_amount(now, before),
        before: shown(before),
        welcome: Welcome::Up,
        line: page.days.iter().map(|d| Some(of(&d.figures) as f64)).collect(),
        meaning: "",
    }
}

fn calls(page: &Page) -> Tile {
    let running = page.total.calls - page.total.ended();
    Tile {
        label: "Calls",
        note: (running > 0).then(|| format!("{} in progress", format::integer(running))),
        meaning: "Every provider execution once, whatever the number of events and attempts.",
        ..amount(page, |f| f.calls, format::integer)
    }
}

fn answer_rate(page: &Page) -> Tile {
    let (now, before) = (&page.total, &page.previous);
    Tile {
        label: "Answer rate",
        value: now.answer_rate(),
        unit: None,
        note: Some(format!("{} of {} ended", format::integer(now.answered()), format::integer(now.ended()))),
        change: Change::of_rate((now.answered(), now.ended()), (before.answered(), before.ended())),
        before: before.answer_rate(),
        welcome: Welcome::Up,
        line: page.days.iter().map(|d| rate(&d.figures)).collect(),
        meaning: "Calls picked up by a person, of the calls that ended. Voicemail does not count as answered.",
    }
}

fn rate(figures: &Figures) -> Option<f64> {
    (figures.ended() > 0).then(|| figures.answered() as f64 / figures.ended() as f64)
}

fn minutes(page: &Page) -> Tile {
    Tile {
        label: "Talk minutes",
        note: (page.total.talk_seconds > 0).then(|| format!("{} spoken", format::talk_time(page.total.talk_seconds))),
        meaning: "Started minutes of each call, summed; voicemail included.",
        ..amount(page, |f| f.minutes, format::integer)
    }
}

fn leads(page: &Page) -> Tile {
    Tile {
        label: "Leads",
        note: Some(format!("{} of calls", format::percent(page.total.leads, page.total.calls))),
        meaning: "Calls with an analysis of their own.",
        ..amount(page, |f| f.leads, format::integer)
    }
}

fn qualified(page: &Page) -> Tile {
    Tile {
        label: "Qualified leads",
        note: Some(format!("{} of leads", format::percent(page.total.qualified_leads, page.total.leads))),
        meaning: "Leads rated hot or warm by the tenant's thresholds.",
        ..amount(page, |f| f.qualified_leads, format::integer)
    }
}

fn credits(page: &Page) -> Tile {
    Tile {
        label: "Credits used",
        welcome: Welcome::Neither,
        note: per_answered(page, page.total.credits_micros),
        meaning: "What the calls of the period were charged, to the micro-credit.",
        ..amount(page, |f| f.credits_micros, |m| format::micros(m, 0))
    }
}

fn cost(page: &Page) -> Tile {
    Tile {
        label: "Cost",
        unit: Some(page.tenant.currency.clone()),
        welcome: Welcome::Neither,
        note: per_answered(page, page.total.cost_micros),
        meaning: "What the provider charged for the calls of the period, to the millionth.",
        ..amount(page, |f| f.cost_micros, |m| format::micros(m, 2))
    }
}

/// Rounded to hundredths, unlike the sums.
fn per_answered(page: &Page, micros: i64) -> Option<String> {
    let hundredths = format::per_unit(micros, page.total.answered(), 10_000)?;
    Some(format!("≈ {} per answered call", format::micros(hundredths.checked_mul(10_000)?, 2)))
}

/// Different contacts are no sum of the days': the days come to more.
fn contacts(page: &Page) -> Markup {
    let (now, before) = (page.spread.contacts, page.previous_spread.contacts);
    let shown = |count: Option<i64>| count.map_or_else(|| format::NONE.to_owned(), format::integer);
    let line: Vec<Option<f64>> = page.days.iter().map(|d| Some(d.contacts.unwrap_or(0) as f64)).collect();
    html! {
        article .tile .wide title="Different people in the calls of the period, each once; calls without a number have none." {
            h2 { "Contacts" }
            p .value { (shown(now)) }
            p .note { "different people, each counted once" }
            (sparkline(&line))
            p .change {
                (change(&Change::of_amount(now.unwrap_or(0), before.unwrap_or(0)), Welcome::Neither)) " "
                span .before { "from " (shown(before)) }
            }
        }
    }
}

/// Percentiles of talk time, of calls with any.
fn talk(page: &Page) -> Markup {
    let shown = |at: usize, of: Option<[i32; 3]>| {
        of.and_then(|p| p.get(at).copied()).map_or_else(|| format::NONE.to_owned(), |s| format::duration(i64::from(s)))
    };
    let (now, before) = (page.spread.percentiles, page.previous_spread.percentiles);
    html! {
        article .tile .wide title="Exact percentiles of talk time over the calls of the period with any, voicemail included." {
            h2 { "Talk time of a call" }
            dl .percentiles {
                @for (at, (name, meaning)) in [("Median", "p50"), ("95 %", "p95"), ("99 %", "p99")].into_iter().enumerate() {
                    div {
                        dt { (name) span .note { " (" (meaning) ")" } }
                        dd {
                            span .value { (shown(at, now)) }
                            span .before { " from " (shown(at, before)) }
                        }
                    }
                }
            }
            p .note { "So many of the calls with talk were no longer" }
        }
    }
}

fn render(tile: &Tile) -> Markup {
    html! {
        article .tile title=(tile.meaning) {
            h2 { (tile.label) }
            p .value { (tile.value) @if let Some(unit) = &tile.unit { " " span .unit { (unit) } } }
            p .note { @if let Some(note) = &tile.note { (note) } @else { span aria-hidden="true" { "\u{a0}" } } }
            (sparkline(&tile.line))
            p .change { (change(&tile.change, tile.welcome)) " " span .before { "from " (tile.before) } }
        }
    }
}

/// A change in words and an arrow.
pub fn change(change: &Change, welcome: Welcome) -> Markup {
    let (text, class) = match change {
        Change::None | Change::Unknown => (format::NONE.to_owned(), "flat"),
        Change::New => ("new".to_owned(), "flat"),
        Change::By { tenths, points } => {
            let arrow = match tenths.signum() {
                1 => "▲",
                -1 => "▼",
                _ => "＝",
            };
            let class = match (welcome, tenths.signum()) {
                (Welcome::Up, 1) => "good",
                (Welcome::Up, -1) => "bad",
                _ => "flat",
            };
            let unit = if *points { "pp" } else { "%" };
            (format!("{arrow}\u{a0}{}\u{a0}{unit}", format::tenths_text(tenths.abs())), class)
        }
    };
    html! { span class=(format!("delta {class}")) { (text) } }
}

/// The balance is a level and not a sum: instead of a change it says how long
/// it lasts.
fn balance(page: &Page) -> Markup {
    let credits = page.tenant.credits_micros;
    html! {
        article .tile .balance .overdrawn[credits < 0] title="What is left on the tenant's ledger now." {
            h2 { "Balance" }
            p .value { (format::micros(credits, 0)) }
            p .note { "credits, now" }
            p .change { (lasting(credits, &page.days)) }
        }
    }
}

fn lasting(credits_micros: i64, days: &[Day]) -> String {
    if credits_micros < 0 {
        return "Overdrawn".to_owned();
    }
    // Today is not over; it would make the pace look slow.
    let full: Vec<i64> = days.iter().rev().skip(1).take(PACE_DAYS).map(|d| d.figures.credits_micros).collect();
    let used: i128 = full.iter().map(|m| i128::from(*m)).sum();
    if full.is_empty() || used <= 0 {
        return "No use in the days before today".to_owned();
    }
    let left = i128::from(credits_micros) * full.len() as i128 / used;
    let left = format::integer(i64::try_from(left).unwrap_or(i64::MAX));
    format!("Lasts {left} days at the pace of the {} days before today", full.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    fn days(credits_micros: &[i64]) -> Vec<Day> {
        let figures = |m: &i64| Figures { credits_micros: *m, ..Figures::default() };
        credits_micros.iter().map(|m| Day { date: NaiveDate::default(), figures: figures(m), contacts: None }).collect()
    }

    #[test]
    fn a_balance_lasts_at_the_pace_of_the_full_days() {
        // 2 a day on the two full days; today's 100 does not count.
        assert_eq!(lasting(11, &days(&[1, 3, 100])), "Lasts 5 days at the pace of the 2 days before today");
        assert_eq!(lasting(11, &days(&[0, 0, 100])), "No use in the days before today");
        assert_eq!(lasting(11, &days(&[5])), "No use in the days before today");
        assert_eq!(lasting(-1, &days(&[1, 1])), "Overdrawn");
    }
}
