//! `docs/benchmarks.md`, made of the runs that `bench record` kept.

mod goals;
mod tables;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use crate::record::{self, Run};
use goals::{Bound, GOALS, Goal};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only compare; exit code 1 when the page is not what the runs say
    #[arg(long)]
    check: bool,
}

const HEAD: &str = "# Benchmarks

Made by `bench report` from [benchmarks.jsonl](benchmarks.jsonl), where `bench record` keeps each run as its command printed it.
Use the ratios: both sides ran in one run on one machine. Client and server share its cores; the test server runs without `fsync`
unless the bench says otherwise. To repeat a row: `cargo run --release -p bench -- record -- <command>`. Figures from before runs
were kept are in [benchmarks-earlier.md](benchmarks-earlier.md).
";

/// Writes the page, or compares it.
///
/// # Errors
/// When the runs cannot be read or the page not be written.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let wanted = page_of(&read(&record::file())?)?;
    if args.check {
        return Ok(std::fs::read_to_string(page)? == wanted);
    }
    std::fs::write(page, wanted)?;
    Ok(true)
}

fn read(file: &Path) -> anyhow::Result<Vec<Run>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn page_of(runs: &[Run]) -> anyhow::Result<String> {
    let mut page = String::from(HEAD);
    goals_of(&mut page, runs)?;
    let mut shown: Vec<&Run> = Vec::new();
    for run in runs.iter().rev() {
        if !shown.iter().any(|newer| newer.command == run.command && newer.build == run.build) {
            shown.push(run);
        }
    }
    shown.sort_by_key(|run| (order(run.bench()), run.command.clone()));
    for run in shown {
        tables::write(&mut page, run)?;
    }
    Ok(page)
}

/// As the goals are ordered; what has none comes last.
fn order(bench: &str) -> usize {
    GOALS.iter().position(|goal| goal.bench == bench).unwrap_or(GOALS.len())
}

/// Of release builds only: what a debug build does says nothing of a goal.
fn newest<'a>(runs: &'a [Run], goal: &Goal) -> Option<(&'a Run, f64)> {
    let told = |run: &'a Run| Some((run, (goal.figure)(&run.result)?));
    runs.iter().rev().filter(|run| run.bench() == goal.bench && run.build == "release").find_map(told)
}

fn goals_of(page: &mut String, runs: &[Run]) -> anyhow::Result<()> {
    writeln!(page, "\n## Goals\n\n| bench | figure | goal | measured | |\n|---|---|---|---|---|")?;
    let mut missed = Vec::new();
    for goal in GOALS {
        let bound = match goal.bound {
            Bound::AtLeast(bound) => format!("≥ {}", with_unit(bound, goal.unit)),
            Bound::AtMost(bound) => format!("≤ {}", with_unit(bound, goal.unit)),
        };
        let Some((run, figure)) = newest(runs, goal) else {
            writeln!(page, "| {} | {} | {bound} | – | not measured |", goal.bench, goal.what)?;
            continue;
        };
        let met = goal.bound.holds(figure);
        if !met {
            missed.push(goal);
        }
        let verdict = format!("{}, {}", if met { "met" } else { "**missed**" }, run.date);
        let figure = with_unit(figure, goal.unit);
        writeln!(page, "| {} | {} | {bound} | {figure} | {verdict} |", goal.bench, goal.what)?;
    }
    for goal in missed.into_iter().filter(|goal| !goal.missed_because.is_empty()) {
        writeln!(page, "\n**{}, {}**: {}", goal.bench, goal.what, goal.missed_because)?;
    }
    Ok(())
}

fn with_unit(figure: f64, unit: &str) -> String {
    format!("{} {unit}", tables::number(figure)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the check of the build, a debug run would decide the goal.
    #[test]
    fn a_goal_is_judged_by_the_newest_release_run() {
        let run = |date: &str, build: &str, ratio: f64| {
            format!(
                r#"{{"date":"{date}","commit":"c","build":"{build}","machine":{{"cores":2,"memory_gib":4,"processor":null}},
                "postgres":"15","command":["process"],"seconds":1.0,"good":true,
                "result":{{"bench":"process","ratios":{{"transaction_per_event":{ratio}}}}}}}"#
            )
        };
        let runs: Vec<Run> =
            [run("2026-01-01", "release", 12.0), run("2026-01-02", "release", 9.0), run("2026-01-03", "debug", 11.0)]
                .iter()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
        let page = page_of(&runs).unwrap();
        assert!(page.contains("≥ 10 × | 9 × | **missed**, 2026-01-02 |"), "{page}");
        assert!(page.contains("≥ 3 × | – | not measured |"), "{page}");
    }

    #[test]
    fn the_page_is_what_the_runs_say() {
        assert!(
            run(&Args { check: true }).unwrap(),
            "docs/benchmarks.md is not what docs/benchmarks.jsonl says: cargo run -p bench -- report"
        );
    }
}
