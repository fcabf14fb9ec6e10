//! The tables: agents, and the figures behind each chart.

use maud::{Markup, html};

use super::data::{Agent, Page};
use super::figures::{Figures, OUTCOMES};
use super::format;

/// Agents that are listed one by one; the rest is one line.
const MAX_AGENTS: usize = 50;

/// The agents with most calls first, and their sum.
pub fn agents(page: &Page) -> Markup {
    let (listed, rest) = page.agents.split_at(page.agents.len().min(MAX_AGENTS));
    let most = listed.iter().map(|a| a.figures.calls).max().unwrap_or(0);
    html! {
        section .card aria-labelledby="agents-title" {
            h2 id="agents-title" { "Agents" }
            @if page.agents.is_empty() {
                p .empty-state { "No agent had a call in these days." }
            } @else {
                div .scroll tabindex="0" role="region" aria-labelledby="agents-title" {
                    table .figures {
                        thead { tr {
                            th scope="col" { "Agent" }
                            @for head in ["Calls", "Answered", "Answer rate", "Minutes", "Leads", "Credits"] { th scope="col" .n { (head) } }
                        } }
                        tbody {
                            @for agent in listed { (agent_line(agent, most)) }
                            @if !rest.is_empty() { (rest_line(rest)) }
                        }
                        tfoot { tr {
                            th scope="row" { "All agents" }
                            (agent_cells(&page.agents.iter().map(|a| a.figures).sum()))
                        } }
                    }
                }
            }
        }
    }
}

fn agent_line(agent: &Agent, most: i64) -> Markup {
    let share = if most > 0 { agent.figures.calls as f64 / most as f64 * 100.0 } else { 0.0 };
    html! {
        tr {
            th scope="row" {
                span .name { @if let Some(name) = &agent.name { (name) } @else { i { "deleted agent" } } }
                svg .bar width="100%" height="3" aria-hidden="true" focusable="false" {
                    rect width=(format!("{share:.2}%")) height="3" rx="1.5" {}
                }
            }
            (agent_cells(&agent.figures))
        }
    }
}

fn rest_line(rest: &[Agent]) -> Markup {
    html! {
        tr {
            th scope="row" { i { (format::integer(rest.len() as i64)) " other agents" } }
            (agent_cells(&rest.iter().map(|a| a.figures).sum()))
        }
    }
}

fn agent_cells(figures: &Figures) -> Markup {
    html! {
        td .n { (format::integer(figures.calls)) }
        td .n { (format::integer(figures.answered())) }
        td .n { (figures.answer_rate()) }
        td .n { (format::integer(figures.minutes)) }
        td .n { (format::integer(figures.leads)) }
        td .n { (format::micros(figures.credits_micros, 0)) }
    }
}

/// The figures behind a chart, for reading and copying.
pub fn buckets<'a>(title: &str, head: &str, lines: impl Iterator<Item = (&'a str, &'a Figures)>) -> Markup {
    html! {
        details .data {
            summary { (title) }
            div .scroll tabindex="0" role="region" aria-label=(title) {
                table .figures {
                    thead { tr {
                        th scope="col" { (head) }
                        th scope="col" .n { "Calls" }
                        @for outcome in OUTCOMES { th scope="col" .n { (outcome.label) } }
                        @for name in ["Answer rate", "Minutes", "Leads"] { th scope="col" .n { (name) } }
                    } }
                    tbody {
                        @for (label, figures) in lines {
                            tr {
                                th scope="row" { (label) }
                                td .n { (format::integer(figures.calls)) }
                                @for count in figures.outcomes { td .n .zero[count == 0] { (format::integer(count)) } }
                                td .n { (figures.answer_rate()) }
                                td .n { (format::integer(figures.minutes)) }
                                td .n { (format::integer(figures.leads)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
