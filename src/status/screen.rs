//! The status for people: one screen of text.

use std::fmt;

use chrono::{DateTime, Utc};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::Status;
use crate::dashboard::format;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let estimate = self.calls_estimate.map_or_else(
            || "calls: no estimate before the first ANALYZE".to_owned(),
            |calls| format!("about {} calls (the planner's estimate)", format::integer(calls)),
        );
        writeln!(f, "PostgreSQL {}   {} tenants   {estimate}", self.database_version, format::integer(self.tenants))?;
        writeln!(f, "{} by the database's clock\n", self.at.format("%Y-%m-%d %H:%M:%S UTC"))?;
        writeln!(f, "{}\n", self.pipeline())?;
        section(f, "Jobs", self.jobs(), "none waiting, none running")?;
        section(f, "Dead jobs", self.dead(), "none")?;
        writeln!(f, "{}", self.vacuum_line())?;
        section(f, "Backfills", self.backfill_lines(), "none under way")?;
        section(f, "Reconciliation", self.reconcile_lines(), "no provider accounts")?;
        section(f, "Schedules", self.schedule_lines(), "none")?;
        section(f, "Quarantine", self.quarantine_lines(), "empty")
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, table: Option<Table>, none: &str) -> fmt::Result {
    match table {
        Some(table) => writeln!(f, "{title}\n{table}\n"),
        None => writeln!(f, "{title}: {none}"),
    }
}

impl Status {
    fn pipeline(&self) -> Table {
        let mut table = table(["Pipeline", "waiting", "oldest"], 1);
        table.add_row([
            "inbox, ready".to_owned(),
            format::integer(self.inbox.ready),
            seconds(self.inbox.oldest_seconds),
        ]);
        table.add_row(["inbox, waiting".to_owned(), format::integer(self.inbox.waiting), String::new()]);
        if self.inbox.spooled > 0 {
            let spooled = format::integer(self.inbox.spooled);
            table.add_row(["spools of receivers".to_owned(), spooled, String::new()]);
        }
        for tier in &self.tiers {
            let lag = (tier.dirty_buckets > 0).then_some(tier.lag_seconds);
            table.add_row([
                format!("roll-up, {} buckets", tier.tier),
                format::integer(tier.dirty_buckets),
                seconds(lag),
            ]);
            if tier.failing_buckets > 0 {
                let name = format!("roll-up, {} buckets that fail", tier.tier);
                table.add_row([name, format::integer(tier.failing_buckets), String::new()]);
            }
        }
        let waiting = &self.analyses;
        table.add_row(["analyses, due".to_owned(), format::integer(waiting.due + waiting.claimed), String::new()]);
        for (name, analyses) in [
            ("analyses, to be retried", waiting.retry),
            ("analyses, over the day's cap", waiting.spending_cap),
            ("contacts to be folded", waiting.folds),
        ] {
            if analyses > 0 {
                table.add_row([name.to_owned(), format::integer(analyses), String::new()]);
            }
        }
        let notices = &self.notifications;
        table.add_row([
            "notifications".to_owned(),
            format::integer(notices.pending),
            seconds(notices.oldest_due_seconds),
        ]);
        if notices.failed > 0 {
            table.add_row(["notifications that failed".to_owned(), format::integer(notices.failed), String::new()]);
        }
        let never = |age: Option<f64>| age.map_or_else(|| "never".to_owned(), |age| seconds(Some(age)));
        table.add_row(["KPI view, since refresh".to_owned(), String::new(), never(self.kpi_view_age_seconds)]);
        table.add_row(["dashboard caches".to_owned(), String::new(), seconds(self.dashboard_cache_oldest_seconds)]);
        table
    }

    fn jobs(&self) -> Option<Table> {
        let mut table = table(["queue", "ready", "later", "running", "oldest", ""], 1);
        for q in &self.queues {
            let counts = [q.ready, q.waiting, q.running].map(format::integer);
            let [ready, later, running] = counts;
            let paused = if q.paused { "paused" } else { "" };
            table.add_row([q.queue.clone(), ready, later, running, seconds(q.oldest_ready_seconds), paused.to_owned()]);
        }
        (!self.queues.is_empty()).then_some(table)
    }

    fn dead(&self) -> Option<Table> {
        let mut table = table(["job", "dead"], 1);
        for dead in &self.dead_jobs {
            table.add_row([dead.job.clone(), format::integer(dead.dead)]);
        }
        (!self.dead_jobs.is_empty()).then_some(table)
    }

    fn vacuum_line(&self) -> String {
        let vacuum = &self.vacuum;
        let snapshot = match (vacuum.oldest_snapshot_seconds, &vacuum.oldest_snapshot_holder) {
            (Some(age), Some(holder)) => format!("{}, {holder}", seconds(Some(age))),
            _ => "none that this account can see".to_owned(),
        };
        format!("Dead rows of the queue: {}; oldest snapshot: {snapshot}", format::integer(vacuum.dead_rows))
    }

    fn backfill_lines(&self) -> Option<Table> {
        let mut table = table(["backfill", "state", "units", "done", "failed", "left"], 2);
        for b in &self.backfills {
            let [units, done, failed] = [b.units, b.units_done, b.units_failed].map(format::integer);
            table.add_row([b.id.to_string(), b.state.clone(), units, done, failed, seconds(b.eta_seconds)]);
        }
        (!self.backfills.is_empty()).then_some(table)
    }

    fn reconcile_lines(&self) -> Option<Table> {
        let r = &self.reconcile;
        let header =
            ["accounts", "failing", "disabled", "tenants without", "oldest", "unknown calls", "refused answers"];
        let mut table = table(header, 0);
        let [used, failing, disabled] =
            [r.accounts_in_use, r.accounts_failing, r.accounts_disabled].map(format::integer);
        let [without, unknown, refused] = [r.tenants_without, r.unknown_calls, r.refused_answers].map(format::integer);
        table.add_row([used, failing, disabled, without, seconds(r.oldest_watermark_seconds), unknown, refused]);
        (r.accounts_in_use + r.accounts_disabled > 0).then_some(table)
    }

    fn schedule_lines(&self) -> Option<Table> {
        let mut table = table(["schedule", "cron", "next (UTC)", "last (UTC)", "last outcome"], usize::MAX);
        for s in &self.schedules {
            let next = if s.paused { "paused".to_owned() } else { minute(s.next_fire_at) };
            let cron = format!("{} {}", s.cron, s.timezone);
            let outcome = s.last_outcome.clone().unwrap_or_else(|| format::NONE.to_owned());
            table.add_row([s.name.clone(), cron, next, minute(s.last_fire_at), outcome]);
        }
        (!self.schedules.is_empty()).then_some(table)
    }

    fn quarantine_lines(&self) -> Option<Table> {
        let mut table = table(["reason", "events", "oldest"], 1);
        for q in &self.quarantine {
            let oldest = format::duration(q.oldest_seconds as i64);
            table.add_row([q.reason.clone(), format::integer(q.events), oldest]);
        }
        (!self.quarantine.is_empty()).then_some(table)
    }
}

/// A table without lines whose columns from `first_number` on are numbers.
fn table<const N: usize>(header: [&str; N], first_number: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn seconds(age: Option<f64>) -> String {
    age.map_or_else(|| format::NONE.to_owned(), |age| format::duration(age as i64))
}

fn minute(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| format::NONE.to_owned(), |at| at.format("%m-%d %H:%M").to_string())
}
