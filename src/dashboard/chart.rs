//! Charts as SVG made by the server: stacked columns and the line in a tile.
//!
//! Columns are placed in percent and heights in pixels, without a viewBox: the
//! drawing fits any width and its text keeps its size. Colours come from the
//! style sheet by class; hatching tells apart what colour alone would not.

use maud::{Markup, html};

use super::breakdown::Links;
use super::figures::{Figures, OUTCOMES};
use super::format;
use super::pages::filter::outcome_word;

/// Height of the space below the columns that holds their labels.
const LABEL_SPACE: f64 = 24.0;
/// Space above the highest grid line, for the mark of an unusual column.
const TOP_SPACE: f64 = 16.0;

/// One column of a stacked chart.
pub struct Column {
    /// Under the column; empty: none.
    pub label: String,
    /// The label is left out where there is little room.
    pub minor: bool,
    /// First line of the tooltip.
    pub title: String,
    /// The bucket lies ahead: no data is not zero.
    pub ahead: bool,
    pub figures: Figures,
    /// A point of the line over the columns, in calls.
    pub mean: Option<f64>,
    /// A mark over the column: more than usual or less, and the words for it.
    pub unusual: Option<Unusual>,
}

/// See [`Column::unusual`].
pub struct Unusual {
    pub above: bool,
    pub text: String,
}

/// A stacked chart.
pub struct Stacked<'a> {
    pub columns: &'a [Column],
    /// Pixels between the axis and the highest grid line.
    pub height: f64,
    /// What the picture shows, for those who do not see it.
    pub description: &'a str,
    /// Where now is, as a share of the width.
    pub now: Option<f64>,
}

/// Patterns that all charts and legends of a page refer to; once a page.
pub fn patterns() -> Markup {
    html! {
        svg .patterns width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                @for (key, turn) in [("busy", 45), ("cancelled", 135)] {
                    pattern id=(format!("hatch-{key}")) width="5" height="5" patternUnits="userSpaceOnUse"
                        patternTransform=(format!("rotate({turn})")) {
                        rect class=(format!("ground-{key}")) width="5" height="5" {}
                        rect class=(format!("line-{key}")) width="2" height="5" {}
                    }
                }
            }
        }
    }
}

/// The `fill` attribute of an outcome, where it is a pattern. An attribute and
/// not a rule: `url(#…)` in a style sheet would mean the style sheet's own ids.
fn pattern_fill(key: &str) -> Option<&'static str> {
    match key {
        "busy" => Some("url(#hatch-busy)"),
        "cancelled" => Some("url(#hatch-cancelled)"),
        _ => None,
    }
}

/// The drawing with its vertical axis.
pub fn stacked(chart: &Stacked<'_>) -> Markup {
    let most_calls = chart.columns.iter().map(|c| c.figures.calls).max().unwrap_or(0);
    // The line begins with days that are not shown, which may have been higher.
    let most_mean = chart.columns.iter().filter_map(|c| c.mean).fold(0.0, f64::max);
    let most = most_calls.max(most_mean.ceil() as i64);
    let step = grid_step(most);
    let lines = most.div_euclid(step) + i64::from(most % step != 0);
    let top = (lines.max(1) * step) as f64;
    let y_of = |value: f64| TOP_SPACE + chart.height * (1.0 - value / top);
    let total_height = TOP_SPACE + chart.height + LABEL_SPACE;
    let grid: Vec<i64> = (0..=lines.max(1)).map(|n| n * step).collect();
    html! {
        div .plot role="img" aria-label=(chart.description) {
            svg .y-axis width="48" height=(total_height) aria-hidden="true" {
                @for value in &grid {
                    text x="40" y=(px(y_of(*value as f64) + 4.0)) { (format::integer(*value)) }
                }
            }
            svg .columns width="100%" height=(total_height) {
                @for value in &grid {
                    @let y = px(y_of(*value as f64).round() + 0.5);
                    line .grid .base[*value == 0] x1="0" x2="100%" y1=(y) y2=(y) {}
                }
                @for (index, column) in chart.columns.iter().enumerate() {
                    (one_column(chart, column, index, &y_of))
                }
                (mean_line(chart, top))
                @if let Some(now) = chart.now {
                    @let x = pct(now * 100.0);
                    line .now x1=(x) x2=(x) y1=(px(TOP_SPACE)) y2=(px(TOP_SPACE + chart.height)) {}
                }
            }
        }
    }
}

fn one_column(chart: &Stacked<'_>, column: &Column, index: usize, y_of: &dyn Fn(f64) -> f64) -> Markup {
    let slot = 100.0 / chart.columns.len() as f64;
    let filled = if chart.columns.len() <= 10 { 0.46 } else { 0.74 };
    let left = slot * index as f64;
    let labels_y = px(TOP_SPACE + chart.height + 17.0);
    html! {
        g .column .ahead[column.ahead] {
            @if !column.ahead { title { (tooltip(column)) } }
            rect .hit x=(pct(left)) y="0" width=(pct(slot)) height=(px(TOP_SPACE + chart.height)) {}
            @for (key, from, to) in segments(&column.figures) {
                @let (upper, lower) = (y_of(to as f64), y_of(from as f64));
                // A hair between segments; thin ones keep every pixel they have.
                @let gap = if lower - upper > 3.0 { 1.0 } else { 0.0 };
                rect class=(format!("fill-{key}")) fill=[pattern_fill(key)] x=(pct(left + slot * (1.0 - filled) / 2.0))
                    y=(px(upper)) width=(pct(slot * filled)) height=(px(lower - upper - gap)) {}
            }
            @if let Some(unusual) = &column.unusual {
                @let y = y_of(column.figures.calls as f64) - 5.0;
                text .unusual x=(pct(left + slot / 2.0)) y=(px(y)) { (if unusual.above { "▲" } else { "▼" }) }
            }
            @if !column.label.is_empty() {
                text .label .minor[column.minor] x=(pct(left + slot / 2.0)) y=(labels_y) { (column.label) }
            }
        }
    }
}

/// The means as lines from column to column, broken where there is none. In a
/// drawing of its own that is stretched, since points know no percent.
fn mean_line(chart: &Stacked<'_>, top: f64) -> Markup {
    let slot = 100.0 / chart.columns.len() as f64;
    let pieces = chart.columns.iter().enumerate().collect::<Vec<_>>();
    let pieces = pieces.chunk_by(|(_, a), (_, b)| a.mean.is_some() == b.mean.is_some());
    let lines: Vec<String> = pieces
        .filter(|piece| piece.len() > 1 && piece[0].1.mean.is_some())
        .map(|piece| {
            let points = piece.iter().filter_map(|(i, column)| {
                let y = chart.height * (1.0 - column.mean? / top);
                Some(format!("{:.2},{:.2}", slot * (*i as f64 + 0.5), y))
            });
            points.collect::<Vec<_>>().join(" ")
        })
        .collect();
    html! {
        @if !lines.is_empty() {
            svg .mean x="0" y=(px(TOP_SPACE)) width="100%" height=(px(chart.height))
                viewBox=(format!("0 0 100 {}", px(chart.height))) preserveAspectRatio="none" {
                @for points in &lines { polyline .halo points=(points) {} polyline points=(points) {} }
            }
        }
    }
}

/// Key, lower and upper value of each segment that is not empty.
fn segments(figures: &Figures) -> Vec<(&'static str, i64, i64)> {
    let mut from = 0;
    let mut segments = Vec::with_capacity(OUTCOMES.len());
    for (outcome, count) in OUTCOMES.iter().zip(figures.outcomes) {
        if count > 0 {
            segments.push((outcome.key, from, from + count));
            from += count;
        }
    }
    segments
}

fn tooltip(column: &Column) -> String {
    let figures = &column.figures;
    let mut text = format!("{}\n{} calls", column.title, format::integer(figures.calls));
    for (outcome, count) in OUTCOMES.iter().zip(figures.outcomes).filter(|(_, count)| *count > 0) {
        text.push_str(&format!("\n{}: {}", outcome.label, format::integer(count)));
    }
    if figures.ended() > 0 {
        text.push_str(&format!("\nAnswer rate: {}", figures.answer_rate()));
    }
    if let Some(mean) = column.mean {
        text.push_str(&format!("\nMean of seven days: {}", format::tenths(mean)));
    }
    if let Some(unusual) = &column.unusual {
        text.push_str(&format!("\nUnusual: {}", unusual.text));
    }
    text
}

/// Legend with the count and the share of each outcome; counts lead to their calls.
pub fn legend(total: &Figures, links: &Links) -> Markup {
    html! {
        ul .legend {
            @for (outcome, count) in OUTCOMES.iter().zip(total.outcomes) {
                li .empty[count == 0] {
                    svg .swatch width="12" height="12" aria-hidden="true" {
                        rect class=(format!("fill-{}", outcome.key)) fill=[pattern_fill(outcome.key)]
                            x="0.5" y="0.5" width="11" height="11" rx="2" {}
                    }
                    span .what { (outcome.label) }
                    a .count href=(links.calls(&[("outcome", &outcome_word(outcome.key))])) { (format::integer(count)) }
                    span .share { (format::percent(count, total.calls)) }
                }
            }
        }
    }
}

/// A line without axes over evenly spaced values; gaps where there is none.
pub fn sparkline(values: &[Option<f64>]) -> Markup {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let scale = if most > 0.0 { 22.0 / most } else { 0.0 };
    let width = 100.0 / (values.len().max(2) - 1) as f64;
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .filter_map(|(i, value)| value.map(|v| format!("{:.2},{:.2}", i as f64 * width, 25.0 - v * scale)))
        .collect();
    html! {
        svg .spark viewBox="0 0 100 27" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @if points.len() > 1 {
                polyline points=(points.join(" ")) {}
            }
        }
    }
}

/// Distance of the grid lines: 1, 2 or 5 times a power of ten, for at most five.
fn grid_step(most: i64) -> i64 {
    let mut power: i64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if step.saturating_mul(5) >= most {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

fn pct(value: f64) -> String {
    format!("{value:.3}%")
}

fn px(value: f64) -> String {
    format!("{:.2}", value.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_lines_are_round_and_at_most_five() {
        for most in [0, 1, 4, 5, 6, 11, 99, 100, 101, 12_345, i64::MAX] {
            let step = grid_step(most);
            assert!(
                step >= 1 && (step == i64::MAX || most / step + i64::from(most % step != 0) <= 5),
                "{most}: {step}"
            );
        }
        assert_eq!([4, 6, 11, 260, 1000].map(grid_step), [1, 2, 5, 100, 200]);
    }

    #[test]
    fn segments_stack_without_gap_to_the_sum() {
        let figures = Figures { calls: 9, outcomes: [3, 0, 2, 0, 4, 0, 0], ..Figures::default() };
        assert_eq!(segments(&figures), [("answered", 0, 3), ("no-answer", 3, 5), ("failed", 5, 9)]);
    }
}
