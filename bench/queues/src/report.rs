//! What was measured, for people and as JSON.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Args,
    measure::{
        bloat::{Bloat, Cost},
        fairness::Fairness,
        latency::Latency,
        throughput::Throughput,
    },
    stats::{Quantiles, Rounds},
    system::System,
};

/// Everything about one system, as far as it was measured.
#[derive(Debug, Default, Serialize)]
pub struct Row {
    /// Its name.
    #[serde(skip)]
    pub name: &'static str,
    /// Jobs per second.
    pub throughput: Option<Throughput>,
    /// From commit to handler.
    pub latency: Option<Latency>,
    /// WAL and dead tuples.
    pub bloat: Option<Bloat>,
    /// One tenant's job behind another's backlog.
    pub fairness: Option<Fairness>,
    /// Settings that were tried and did not run each job once.
    pub left_out: Vec<String>,
    /// Measurements in which it did not run each job once.
    pub failed: Vec<String>,
}

impl Row {
    /// Notes that these settings cannot be used.
    pub fn left_out(&mut self, system: &dyn System, part: &str, error: &anyhow::Error) {
        self.left_out.push(describe("LEFT OUT", system, part, error));
    }

    /// Notes that a measurement is void.
    pub fn failed(&mut self, system: &dyn System, part: &str, error: &anyhow::Error) {
        self.failed.push(describe("FAILED", system, part, error));
    }
}

fn describe(what: &str, system: &dyn System, part: &str, error: &anyhow::Error) -> String {
    let text = format!("{part} with {}: {error:#}", system.settings());
    eprintln!("{what}: {} {text}", system.name());
    text
}

/// Everything.
#[derive(Debug, Default)]
pub struct Report {
    /// By system.
    pub rows: Vec<Row>,
}

impl Report {
    /// That of a system; an empty one if there is none yet.
    pub fn row(&mut self, name: &'static str) -> &mut Row {
        let at = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            self.rows.push(Row { name, ..Row::default() });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// The tables and, if asked for, the JSON object as the last line.
    pub fn print(&self, args: &Args) {
        println!("fsync, synchronous_commit and full_page_writes are off: this compares work, not disks.");
        self.print_throughput();
        self.print_latency(args);
        self.print_bloat(args);
        self.print_fairness(args);
        for row in &self.rows {
            row.left_out.iter().for_each(|text| println!("\nleft out, {}: {text}", row.name));
            row.failed.iter().for_each(|text| println!("\nFAILED, {}: {text}", row.name));
        }
        if !self.is_valid() {
            println!("\nINVALID: not every system ran each job exactly once");
        }
        if args.json {
            println!("{}", self.json(args));
        }
    }

    /// Whether no measurement failed.
    pub fn is_valid(&self) -> bool {
        self.rows.iter().all(|row| row.failed.is_empty())
    }

    fn print_throughput(&self) {
        let rows = || self.rows.iter().filter_map(|row| Some((row.name, row.throughput.as_ref()?)));
        if rows().next().is_none() {
            return;
        }
        println!("\n{:<24} {:>17} {:>17} {:>17} {:>8}", "jobs/s", "enqueue", "drain", "end to end", "ours/it");
        for (name, Throughput { enqueue, drain, end_to_end, .. }) in rows() {
            let ratio = self.ratio(name).map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            println!("{name:<24} {:>17} {:>17} {:>17} {ratio:>8}", rate(enqueue), rate(drain), rate(end_to_end));
        }
        rows().for_each(|(name, throughput)| println!("  {name}: {}", throughput.settings));
    }

    fn print_latency(&self, args: &Args) {
        let rows = || self.rows.iter().filter_map(|row| Some((row.name, row.latency.as_ref()?)));
        if rows().next().is_none() {
            return;
        }
        let title = format!("ms at {} jobs/s", args.latency_rate);
        println!("\n{title:<24} {:>8} {:>8} {:>8} {:>8} {:>14}", "p50", "p95", "p99", "max", "enqueue p50");
        for (name, Latency { pick_up, enqueue, .. }) in rows() {
            let Quantiles { p50, p95, p99, max } = pick_up;
            println!("{name:<24} {p50:>8.2} {p95:>8.2} {p99:>8.2} {max:>8.2} {:>14.2}", enqueue.p50);
        }
        rows().for_each(|(name, latency)| println!("  {name}: {}", latency.settings));
    }

    fn print_bloat(&self, args: &Args) {
        let rows = || self.rows.iter().filter_map(|row| Some((row.name, row.bloat.as_ref()?)));
        if rows().next().is_none() {
            return;
        }
        println!(
            "\n{:<24} {:>9} {:>9} {:>9} {:>9} {:>15} {:>15} {:>9}",
            format!("per job of {}", args.churn),
            "WAL B",
            "pinned",
            "dead",
            "pinned",
            "then drain/s",
            "pinned",
            "retained"
        );
        for (name, bloat) in rows() {
            let Bloat { free, pinned, .. } = bloat;
            let (wal, dead) = (|cost: &Cost| cost.wal_bytes_per_job, |cost: &Cost| cost.dead_tuples_per_job);
            print!("{name:<24} {:>9.0} {:>9.0} {:>9.2} {:>9.2}", wal(free), wal(pinned), dead(free), dead(pinned));
            println!(" {:>15} {:>15} {:>8.0}%", rate(&free.drain), rate(&pinned.drain), bloat.retained() * 100.0);
        }
        println!(
            "  dead: tuples left in the tables with autovacuum off; then, after a VACUUM, a filled queue is drained"
        );
        rows().for_each(|(name, bloat)| println!("  {name}: {}", bloat.settings));
    }

    fn print_fairness(&self, args: &Args) {
        let rows = || self.rows.iter().filter_map(|row| Some((row.name, row.fairness.as_ref()?)));
        if rows().next().is_none() {
            return;
        }
        println!("\n{:<24} {:>15} {:>15}", format!("seconds behind {}", args.backlog), "single job", "all jobs");
        for (name, Fairness { single_seconds, all_seconds, .. }) in rows() {
            println!("{name:<24} {single_seconds:>15.3} {all_seconds:>15.3}");
        }
        println!(
            "  single: from the commit of one job of another tenant (where there are none: one more job) to its handler"
        );
        rows().for_each(|(name, fairness)| println!("  {name}: {}", fairness.settings));
    }

    fn jobs_per_second(&self, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        Some(row.throughput.as_ref()?.end_to_end.median)
    }

    /// Ours to theirs, end to end.
    fn ratio(&self, name: &str) -> Option<f64> {
        (name != "ours").then_some(())?;
        Some(self.jobs_per_second("ours")? / self.jobs_per_second(name)?)
    }

    fn json(&self, args: &Args) -> Value {
        json!({
            "bench": "queue",
            "jobs": args.jobs,
            "rounds": args.rounds,
            "valid": self.is_valid(),
            "fsync": false,
            "jobs_per_second": self.jobs_per_second("ours"),
            "ratios": self.by_system(|row| self.ratio(row.name)),
            "latency_ms": self.by_system(|row| row.latency.as_ref().map(|latency| latency.pick_up)),
            "wal_bytes_per_job": self.by_system(|row| Some(row.bloat.as_ref()?.free.wal_bytes_per_job)),
            "dead_tuples_per_job": self.by_system(|row| Some(row.bloat.as_ref()?.free.dead_tuples_per_job)),
            "pinned": self.by_system(|row| row.bloat.as_ref().map(pinned)),
            "fairness_seconds": self.by_system(|row| Some(row.fairness.as_ref()?.single_seconds)),
            "systems": self.by_system(Some),
        })
    }

    fn by_system<'a, T: Serialize>(&'a self, what: impl Fn(&'a Row) -> Option<T>) -> Value {
        let entries = self.rows.iter().filter_map(|row| Some((row.name.to_owned(), json!(what(row)?))));
        Value::Object(entries.collect())
    }
}

fn pinned(bloat: &Bloat) -> Value {
    json!({
        "wal_bytes_per_job": bloat.pinned.wal_bytes_per_job,
        "dead_tuples_per_job": bloat.pinned.dead_tuples_per_job,
        "drain_jobs_per_second": bloat.pinned.drain.median,
        "retained": bloat.retained(),
    })
}

fn rate(rounds: &Rounds) -> String {
    format!("{:.0} ± {:.0} %", rounds.median, rounds.spread() * 100.0)
}
