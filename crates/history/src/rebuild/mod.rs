//! The rows of all tiers from calls, for writing them in one go instead of
//! bucket by bucket.
//!
//! Like the roll-ups themselves, quarters are counted from calls, and hours,
//! days and months are sums of quarters. It is a plain loop over sorted calls and
//! shares nothing with [`crate::recompute`], which can therefore check what was
//! written.

mod columns;
mod encode;
mod table;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::calendar::{Calendar, LocalBucket, quarter_start};
use crate::calls::Calls;
use crate::error::HistoryError;
use crate::figures::Grain;

use columns::{Columns, NO_CONTACT};
pub use encode::{copy_in, create_stages};
use table::add;
pub use table::{Row, Table};

/// Calls from which on the work is shared by two threads.
const WORTH_SHARING: usize = 50_000;
/// No row yet for an agent.
const NO_ROW: usize = usize::MAX;

/// All rows of some calls.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    tables: [Table; 4],
}

impl Rows {
    /// The rows of a grain, by start of their bucket; quarters only per agent.
    pub fn table(&self, grain: Grain) -> &Table {
        &self.tables[usize::from(grain.tier().unsigned_abs())]
    }

    fn table_mut(&mut self, grain: Grain) -> &mut Table {
        &mut self.tables[usize::from(grain.tier().unsigned_abs())]
    }

    /// Takes the months out. Rows of a part of a month become the month's by
    /// [`Table::absorb`] of all its parts.
    pub fn take_months(&mut self) -> Table {
        std::mem::take(self.table_mut(Grain::Month))
    }

    /// Puts months in.
    pub fn put_months(&mut self, months: Table) {
        *self.table_mut(Grain::Month) = months;
    }

    /// Adds the rows of later calls that share no local day with these.
    fn absorb(&mut self, later: Rows) {
        for (table, other) in self.tables.iter_mut().zip(later.tables) {
            table.absorb(other);
        }
    }
}

/// Computes the rows of all grains. The calls must be all calls of their local
/// days; a month is complete only if all its days are among them.
///
/// Works on two threads where it pays. Needs the processor for some hundred
/// milliseconds per million calls: call it where blocking is allowed.
///
/// # Errors
/// When a call lies outside the calendar, and on frames not made by [`crate::CallsBuilder`].
pub fn rows(calls: &Calls, calendar: &Calendar) -> Result<Rows, HistoryError> {
    let columns = Columns::new(calls)?;
    let order = ordered(&columns);
    let middle = cut(&columns, &order, calendar);
    let (first, second) = order.split_at(middle);
    if first.is_empty() || second.is_empty() {
        return Counting::new(&columns, calendar).run(&order);
    }
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| Counting::new(&columns, calendar).run(first));
        let second = Counting::new(&columns, calendar).run(second);
        (other.join(), second)
    });
    let mut rows = first.map_err(|_| HistoryError::Interrupted)??;
    rows.absorb(second?);
    Ok(rows)
}

/// A call in the order in which they are counted: by quarter, then agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    quarter: i64,
    agent: u32,
    call: u32,
}

fn ordered(columns: &Columns) -> Vec<Place> {
    let calls = (0..u32::MAX).zip(columns.started_at.iter().zip(&columns.agent));
    let mut order: Vec<Place> =
        calls.map(|(call, (at, agent))| Place { quarter: quarter_start(*at), agent: *agent, call }).collect();
    order.sort_unstable();
    order
}

/// Where the order is cut in two: at the local midnight nearest to its middle.
fn cut(columns: &Columns, order: &[Place], calendar: &Calendar) -> usize {
    let middle = order.len() / 2;
    let day = order.get(middle).and_then(|place| calendar.bucket(Grain::Day, place.quarter));
    let Some(day) = day.filter(|_| columns.len() >= WORTH_SHARING) else { return 0 };
    let before = |instant: i64| order.partition_point(|place| place.quarter < instant);
    let cuts = [before(day.start_micros), before(day.end_micros)];
    cuts.into_iter().min_by_key(|cut| cut.abs_diff(middle)).unwrap_or(0)
}

/// The bucket of a tier that is being filled.
struct Open {
    grain: Grain,
    bucket: LocalBucket,
    /// By rank of the agent: its row, if it has one in this bucket.
    agents: Vec<usize>,
    tenant: usize,
}

struct Counting<'a> {
    columns: &'a Columns,
    calendar: &'a Calendar,
    rows: Rows,
    open: Vec<Open>,
    /// Rank of the agent and seconds of the calls of the open day.
    durations: Vec<(u32, i32)>,
    /// Rank of the agent and rank of the contact of those calls.
    contacts: Vec<(u32, u32)>,
    /// The same of one quarter and agent.
    quarter_durations: Vec<i32>,
    quarter_contacts: Vec<u32>,
}

impl<'a> Counting<'a> {
    fn new(columns: &'a Columns, calendar: &'a Calendar) -> Self {
        Counting {
            columns,
            calendar,
            rows: Rows::default(),
            open: Vec::new(),
            durations: Vec::new(),
            contacts: Vec::new(),
            quarter_durations: Vec::new(),
            quarter_contacts: Vec::new(),
        }
    }

    fn run(mut self, order: &[Place]) -> Result<Rows, HistoryError> {
        for group in order.chunk_by(|a, b| (a.quarter, a.agent) == (b.quarter, b.agent)) {
            if let Some(&Place { quarter, agent, .. }) = group.first() {
                self.advance(quarter)?;
                let row = self.quarter(quarter, agent, group)?;
                self.add_up(agent, row);
            }
        }
        self.close_day();
        Ok(self.rows)
    }

    /// Opens the hour, day and month of a quarter, where another was open.
    fn advance(&mut self, quarter: i64) -> Result<(), HistoryError> {
        for (position, grain) in [Grain::Hour, Grain::Day, Grain::Month].into_iter().enumerate() {
            if self.open.get(position).is_some_and(|open| quarter < open.bucket.end_micros) {
                continue;
            }
            if grain == Grain::Day {
                self.close_day();
            }
            let bucket = self.calendar.bucket(grain, quarter).ok_or_else(|| outside(self.calendar, quarter))?;
            let tenant = self.rows.table_mut(grain).push(bucket, None);
            match self.open.get_mut(position) {
                Some(open) => {
                    open.agents.fill(NO_ROW);
                    (open.bucket, open.tenant) = (bucket, tenant);
                }
                None => {
                    let agents = vec![NO_ROW; self.columns.agents.len()];
                    self.open.push(Open { grain, bucket, agents, tenant });
                }
            }
        }
        Ok(())
    }

    /// Counts the calls of one agent in one quarter; returns the row.
    fn quarter(&mut self, quarter: i64, agent: u32, group: &[Place]) -> Result<usize, HistoryError> {
        let columns = self.columns;
        let bucket = self.calendar.bucket(Grain::Quarter, quarter).ok_or_else(|| outside(self.calendar, quarter))?;
        let quarters = self.rows.table_mut(Grain::Quarter);
        let row = quarters.push(bucket, Some(agent_id(columns, agent)));
        self.quarter_durations.clear();
        self.quarter_contacts.clear();
        for place in group {
            let call = place.call as usize;
            columns.count(call, quarters.counters_mut(row));
            let seconds = columns.duration_seconds[call];
            if seconds > 0 {
                self.quarter_durations.push(seconds);
            }
            if columns.contact[call] != NO_CONTACT {
                self.quarter_contacts.push(columns.contact[call]);
            }
        }
        self.quarter_durations.sort_unstable();
        self.quarter_contacts.sort_unstable();
        self.durations.extend(self.quarter_durations.iter().map(|seconds| (agent, *seconds)));
        self.contacts.extend(self.quarter_contacts.iter().map(|contact| (agent, *contact)));
        quarters.set_durations(row, self.quarter_durations.iter().copied());
        quarters.set_contacts(row, self.quarter_contacts.iter().map(|rank| contact_id(columns, *rank)));
        Ok(row)
    }

    /// Adds a quarter's counters to what is open: to the agent's rows and to the tenant's.
    fn add_up(&mut self, agent: u32, quarter_row: usize) {
        let columns = self.columns;
        let [quarters, others @ ..] = &mut self.rows.tables;
        let counters = quarters.counters(quarter_row);
        for (open, table) in self.open.iter_mut().zip(others) {
            let row = &mut open.agents[agent as usize];
            if *row == NO_ROW {
                *row = table.push(open.bucket, Some(agent_id(columns, agent)));
            }
            add(table.counters_mut(*row), counters);
            add(table.counters_mut(open.tenant), counters);
        }
    }

    /// Gives the open day its sets and histograms.
    fn close_day(&mut self) {
        let Some(day) = self.open.iter().find(|open| open.grain == Grain::Day) else { return };
        let columns = self.columns;
        let table = &mut self.rows.tables[usize::from(Grain::Day.tier().unsigned_abs())];
        self.durations.sort_unstable();
        for of_agent in self.durations.chunk_by(|a, b| a.0 == b.0) {
            let row = of_agent.first().map_or(NO_ROW, |(agent, _)| day.agents[*agent as usize]);
            table.set_durations(row, of_agent.iter().map(|(_, seconds)| *seconds));
        }
        self.durations.sort_unstable_by_key(|(_, seconds)| *seconds);
        table.set_durations(day.tenant, self.durations.iter().map(|(_, seconds)| *seconds));
        self.contacts.sort_unstable();
        for of_agent in self.contacts.chunk_by(|a, b| a.0 == b.0) {
            let row = of_agent.first().map_or(NO_ROW, |(agent, _)| day.agents[*agent as usize]);
            table.set_contacts(row, of_agent.iter().map(|(_, rank)| contact_id(columns, *rank)));
        }
        self.contacts.sort_unstable_by_key(|(_, rank)| *rank);
        table.set_contacts(day.tenant, self.contacts.iter().map(|(_, rank)| contact_id(columns, *rank)));
        self.durations.clear();
        self.contacts.clear();
    }
}

/// Ranks come from the same columns.
fn agent_id(columns: &Columns, rank: u32) -> Uuid {
    columns.agents[rank as usize]
}

fn contact_id(columns: &Columns, rank: u32) -> Uuid {
    columns.contacts[rank as usize]
}

fn outside(calendar: &Calendar, instant_micros: i64) -> HistoryError {
    HistoryError::OutsideCalendar {
        zone: calendar.zone().to_owned(),
        instant: DateTime::<Utc>::from_timestamp_micros(instant_micros).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
