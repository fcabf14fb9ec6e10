//! Trends over a tenant's day figures: moving averages, changes from week to
//! week, and days that are unlike the same weekday of the weeks before.
//!
//! The days are given, oldest first, and every one of them counts: a day
//! without a row is a zero, a day before the history begins is no figure. Sums,
//! medians and the decision whether a day is unusual are integers; an average
//! or a ratio is one division of two of them. The same rows give the same
//! trends, bit by bit, in whatever order they come.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use polars::prelude::{
    DataFrame, DataType, Expr, IntoLazy, LazyFrame, NULL, NamedFrom, RollingOptionsFixedWindow, Series, col, lit, when,
};
use uuid::Uuid;

use crate::error::HistoryError;

/// How many figures are looked at.
pub const METRIC_COUNT: usize = 5;

/// The figures, by the names of the roll-up columns.
pub const METRICS: [&str; METRIC_COUNT] =
    ["total_calls", "successful_calls", "leads_generated", "talk_seconds", "credits_micros"];

/// Days of a series that are shown, the last of them first to be complete.
pub const SHOWN_DAYS: usize = 90;

/// Days of an agent that are looked at for what is unusual.
pub const AGENT_DAYS: usize = 28;

/// Weeks before a day whose same weekday it is held against.
pub const COMPARED_WEEKS: usize = 8;

/// Days to read: those shown, and before the first of them the weeks that it is
/// held against.
pub const NEEDED_DAYS: usize = SHOWN_DAYS + COMPARED_WEEKS * 7;

/// So many of the weeks must exist.
const LEAST_WEEKS: usize = 4;

/// A day is not unusual unless it differs from the median by this: calls, calls,
/// leads, seconds, micro-credits. It keeps the flags off tenants with a handful
/// of calls, where twice the usual is one call more.
const LEAST_DIFFERENCE: [i64; METRIC_COUNT] = [10, 10, 5, 600, 10_000_000];

/// A day's figures of the tenant, or of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    /// None: of the tenant.
    pub agent_id: Option<Uuid>,
    /// The local date.
    pub date: NaiveDate,
    /// In the order of [`METRICS`].
    pub values: [i64; METRIC_COUNT],
}

/// The shown days of one figure; each list has one entry a day.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricTrend {
    /// One of [`METRICS`].
    pub metric: &'static str,
    /// None before the history begins.
    pub values: Vec<Option<i64>>,
    /// Mean of the day and the six before; none until seven days exist.
    pub mean_7: Vec<Option<f64>>,
    /// Mean of the day and the 27 before.
    pub mean_28: Vec<Option<f64>>,
    /// Change against the same weekday a week before: 0.5 is half as much again;
    /// none against zero.
    pub day_change: Vec<Option<f64>>,
    /// Change of the sum of seven days against the seven before.
    pub week_change: Vec<Option<f64>>,
}

/// A day that is unlike the same weekday of the weeks before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// One of [`METRICS`].
    pub metric: &'static str,
    /// The local date.
    pub date: NaiveDate,
    /// What it was.
    pub value: i64,
    /// Twice the median of the weeks before, which so is whole.
    pub usual_doubled: i64,
    /// Weeks that the median is of, 4 to 8.
    pub weeks: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trends {
    /// The shown days, oldest first.
    pub days: Vec<NaiveDate>,
    /// In the order of [`METRICS`].
    pub metrics: Vec<MetricTrend>,
    /// The tenant's, oldest first, then in the order of [`METRICS`].
    pub anomalies: Vec<Anomaly>,
    /// By agent; only agents with any.
    pub agents: BTreeMap<Uuid, Vec<Anomaly>>,
}

/// Finds the trends of one tenant.
///
/// `days` are the local days of its calendar, oldest first, without gaps that
/// the calendar does not have, complete ones only: a day that is not over would
/// look unusual. [`NEEDED_DAYS`] of them give all that can be known.
/// `history_start` is the first day with a figure, which may lie before them.
/// The history of an agent begins with its first row. Rows of other days are
/// passed over; one key comes once.
///
/// # Errors
/// When Polars refuses, which would be a mistake here.
pub fn trends(days: &[NaiveDate], history_start: Option<NaiveDate>, rows: &[DayRow]) -> Result<Trends, HistoryError> {
    let shown_from = days.len().saturating_sub(SHOWN_DAYS);
    let series = dense(days, history_start, rows);
    let Some(tenant) = series.first() else { return Ok(Trends::default()) };
    let mut found = Trends { days: days[shown_from..].to_vec(), ..Trends::default() };
    for (position, metric) in METRICS.into_iter().enumerate() {
        found.metrics.push(moving(&frame(days, std::slice::from_ref(tenant), position)?, metric, shown_from)?);
        for (series_number, anomaly) in unusual(days, &series, position)? {
            match series[series_number].agent_id {
                None => found.anomalies.push(anomaly),
                Some(agent_id) => found.agents.entry(agent_id).or_default().push(anomaly),
            }
        }
    }
    // Found metric by metric; a stable sort leaves their order within a day.
    found.anomalies.sort_by_key(|a| a.date);
    for anomalies in found.agents.values_mut() {
        anomalies.sort_by_key(|a| a.date);
    }
    Ok(found)
}

/// The figures of one series, a row a day.
struct Dense {
    agent_id: Option<Uuid>,
    values: Vec<Option<[i64; METRIC_COUNT]>>,
}

/// Zeros where a day has no row, nothing before the history; the tenant first,
/// then the agents by id.
fn dense(days: &[NaiveDate], history_start: Option<NaiveDate>, rows: &[DayRow]) -> Vec<Dense> {
    let position: HashMap<NaiveDate, usize> = days.iter().enumerate().map(|(i, day)| (*day, i)).collect();
    let mut by_series: BTreeMap<Option<Uuid>, BTreeMap<usize, [i64; METRIC_COUNT]>> = BTreeMap::new();
    by_series.entry(None).or_default();
    for row in rows {
        if let Some(day) = position.get(&row.date) {
            by_series.entry(row.agent_id).or_default().insert(*day, row.values);
        }
    }
    let tenant_from = history_start.map_or(days.len(), |start| days.partition_point(|day| *day < start));
    let series = by_series.into_iter().map(|(agent_id, found)| {
        let from = match agent_id {
            None => tenant_from,
            Some(_) => found.keys().next().copied().unwrap_or(days.len()),
        };
        let values =
            (0..days.len()).map(|day| (day >= from).then(|| found.get(&day).copied().unwrap_or_default())).collect();
        Dense { agent_id, values }
    });
    series.collect()
}

/// One figure of all series, one below the other: which series, the day as a
/// number, the value.
fn frame(days: &[NaiveDate], series: &[Dense], metric: usize) -> Result<DataFrame, HistoryError> {
    let height = days.len() * series.len();
    let (mut numbers, mut dates, mut values) =
        (Vec::with_capacity(height), Vec::with_capacity(height), Vec::with_capacity(height));
    for (number, one) in (0_u32..).zip(series) {
        for (day, value) in days.iter().zip(&one.values) {
            numbers.push(number);
            dates.push(chrono::Datelike::num_days_from_ce(day));
            values.push(value.map(|v| v[metric]));
        }
    }
    Ok(DataFrame::new(
        height,
        vec![
            Series::new("series".into(), numbers).into(),
            Series::new("day".into(), dates).into(),
            Series::new("value".into(), values).into(),
        ],
    )?)
}

/// Sum over the row and those before it; null where one of them is missing.
fn sum_of(rows: usize) -> Expr {
    col("value").rolling_sum(RollingOptionsFixedWindow {
        window_size: rows,
        min_periods: rows,
        ..RollingOptionsFixedWindow::default()
    })
}

/// Null where there was nothing before, or zero.
fn change(now: Expr, before: Expr) -> Expr {
    let difference = (now - before.clone()).cast(DataType::Float64);
    when(before.clone().neq(lit(0_i64))).then(difference / before.cast(DataType::Float64)).otherwise(lit(NULL))
}

/// A value so many weeks before, of the same series; null where the calendar
/// leaves a day out in between, so that it would be another weekday.
fn weeks_before(weeks: usize) -> Result<Expr, HistoryError> {
    let rows = i64::try_from(weeks * 7).unwrap_or(i64::MAX);
    let earlier = |name: &str| col(name).shift(lit(rows)).over([col("series")]);
    let apart = col("day").cast(DataType::Int64) - earlier("day")?.cast(DataType::Int64);
    Ok(when(apart.eq(lit(rows))).then(earlier("value")?).otherwise(lit(NULL)))
}

fn moving(tenant: &DataFrame, metric: &'static str, shown_from: usize) -> Result<MetricTrend, HistoryError> {
    let week = sum_of(7);
    let frame = tenant
        .clone()
        .lazy()
        .select([
            col("value"),
            sum_of(7).alias("sum_7"),
            sum_of(28).alias("sum_28"),
            change(col("value"), weeks_before(1)?).alias("day_change"),
            change(week.clone(), week.shift(lit(7_i64))).alias("week_change"),
        ])
        .collect()?;
    let values = frame.column("value")?.i64()?.iter().skip(shown_from).collect();
    let of = |name: &str| -> Result<Vec<Option<f64>>, HistoryError> {
        Ok(frame.column(name)?.cast(&DataType::Float64)?.f64()?.iter().skip(shown_from).collect())
    };
    // Divided here: Polars would multiply by 1/7, which is not quite a seventh.
    let mean = |name: &str, length: f64| -> Result<Vec<Option<f64>>, HistoryError> {
        Ok(frame.column(name)?.i64()?.iter().skip(shown_from).map(|sum| Some(sum? as f64 / length)).collect())
    };
    Ok(MetricTrend {
        metric,
        values,
        mean_7: mean("sum_7", 7.0)?,
        mean_28: mean("sum_28", 28.0)?,
        day_change: of("day_change")?,
        week_change: of("week_change")?,
    })
}

/// The unusual days of one figure, with the number of their series.
fn unusual(days: &[NaiveDate], series: &[Dense], metric: usize) -> Result<Vec<(usize, Anomaly)>, HistoryError> {
    let names: Vec<String> = (1..=COMPARED_WEEKS).map(|week| format!("week_{week}")).collect();
    let mut columns: Vec<Expr> = Vec::with_capacity(COMPARED_WEEKS);
    for (name, week) in names.iter().zip(1..) {
        columns.push(weeks_before(week)?.alias(name.as_str()));
    }
    let lazy: LazyFrame = frame(days, series, metric)?.lazy();
    let compared = lazy.select(columns).collect()?;
    let mut before: Vec<Vec<Option<i64>>> = Vec::with_capacity(COMPARED_WEEKS);
    for name in &names {
        before.push(compared.column(name)?.cast(&DataType::Int64)?.i64()?.iter().collect());
    }

    let mut found = Vec::new();
    for (number, one) in series.iter().enumerate() {
        let looked_at = if one.agent_id.is_some() { AGENT_DAYS } else { SHOWN_DAYS };
        for day in days.len().saturating_sub(looked_at)..days.len() {
            let Some(value) = one.values[day].map(|v| v[metric]) else { continue };
            let row = number * days.len() + day;
            let weeks: Vec<i64> = before.iter().filter_map(|week| week[row]).collect();
            let Some(usual_doubled) = differs(value, &weeks, LEAST_DIFFERENCE[metric]) else { continue };
            let anomaly =
                Anomaly { metric: METRICS[metric], date: days[day], value, usual_doubled, weeks: weeks.len() };
            found.push((number, anomaly));
        }
    }
    Ok(found)
}

/// Twice the median of the weeks, if the value is unusual against them.
///
/// Unusual is a robust z-score above 3.5 (Iglewicz and Hoaglin):
/// `0.6745 × |value − median| / MAD > 3.5`, with MAD the median of the weeks'
/// distances from their median, taken as a tenth of the median at least. Without
/// that floor a tenant that is as regular as a clock would be flagged for one
/// call more; with it a difference of half the usual, or less, never is.
fn differs(value: i64, weeks: &[i64], least_difference: i64) -> Option<i64> {
    if weeks.len() < LEAST_WEEKS {
        return None;
    }
    let usual_doubled = median_doubled(weeks.iter().map(|week| i128::from(*week)).collect());
    let distances = weeks.iter().map(|week| (2 * i128::from(*week) - usual_doubled).abs()).collect();
    // Everything in quarters: a median is halves, a median of distances from it quarters.
    let mad = median_doubled(distances);
    let difference = 2 * (2 * i128::from(value) - usual_doubled).abs();
    let spread_tenths = (10 * mad).max(2 * usual_doubled.abs());
    let is_large = difference >= 4 * i128::from(least_difference);
    // 0.6745 × difference > 3.5 × spread, both times 100,000.
    let is_unusual = 67_450 * difference > 35_000 * spread_tenths;
    (is_large && is_unusual).then(|| i64::try_from(usual_doubled).ok()).flatten()
}

/// The middle value twice, or the sum of the two in the middle.
fn median_doubled(mut values: Vec<i128>) -> i128 {
    values.sort_unstable();
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => values[middle.saturating_sub(1)] + values[middle],
        _ => 2 * values[middle],
    }
}

#[cfg(test)]
mod tests;
