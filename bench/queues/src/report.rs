//! What was measured, for people and as JSON.

use serde_json::{Map, Value, json};

use crate::{Args, measure::throughput::Throughput, stats::Rounds};

/// Everything about one system.
#[derive(Debug, Default)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// In words.
    pub settings: String,
    /// If it was measured.
    pub throughput: Option<Throughput>,
}

/// Everything.
#[derive(Debug, Default)]
pub struct Report {
    /// By system.
    pub rows: Vec<Row>,
}

impl Report {
    /// The tables and, if asked for, the JSON object as the last line.
    pub fn print(&self, args: &Args) {
        println!("fsync is off: this compares work, not disks");
        println!("\n{:<24} {:>20} {:>20} {:>20}", "jobs/s, median ± spread", "enqueue", "drain", "end to end");
        for row in &self.rows {
            if let Some(Throughput { enqueue, drain, end_to_end }) = &row.throughput {
                println!("{:<24} {:>20} {:>20} {:>20}", row.name, rate(enqueue), rate(drain), rate(end_to_end));
            }
        }
        println!();
        for row in &self.rows {
            println!("{}: {}", row.name, row.settings);
        }
        for (name, ratio) in self.ratios() {
            println!("ours / {name} {ratio:.2}");
        }
        if args.json {
            println!("{}", self.json(args));
        }
    }

    fn jobs_per_second(&self, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        Some(row.throughput.as_ref()?.end_to_end.median)
    }

    /// Ours to theirs, end to end.
    fn ratios(&self) -> Vec<(&'static str, f64)> {
        let Some(ours) = self.jobs_per_second("ours") else { return Vec::new() };
        let others = self.rows.iter().filter(|row| row.name != "ours");
        others.filter_map(|row| Some((row.name, ours / self.jobs_per_second(row.name)?))).collect()
    }

    fn json(&self, args: &Args) -> Value {
        let ratios: Map<String, Value> =
            self.ratios().into_iter().map(|(name, ratio)| (name.to_owned(), json!(ratio))).collect();
        let systems: Map<String, Value> = self
            .rows
            .iter()
            .map(|row| {
                let details = json!({ "settings": row.settings, "jobs_per_second": row.throughput });
                (row.name.to_owned(), details)
            })
            .collect();
        json!({
            "bench": "queue",
            "jobs": args.jobs,
            "rounds": args.rounds,
            "fsync": false,
            "jobs_per_second": self.jobs_per_second("ours"),
            "ratios": ratios,
            "systems": systems,
        })
    }
}

fn rate(rounds: &Rounds) -> String {
    format!("{:.0} ± {:.0} %", rounds.median, rounds.spread() * 100.0)
}
