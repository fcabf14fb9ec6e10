//! The order of a run.

use anyhow::Context;

use crate::{
    Args, Part,
    measure::throughput,
    report::{Report, Row},
    system::System,
    systems,
};

/// Measures everything that was asked for, and prints it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut report = Report::default();
    if args.wants(Part::Throughput) {
        let chosen = calibrate(systems::all(), &args).await?;
        let mut rounds = vec![Vec::new(); chosen.len()];
        for round in 0..args.rounds {
            for position in order(chosen.len(), round) {
                let system = &chosen[position];
                eprintln!("throughput, round {} of {}: {}", round + 1, args.rounds, system.name());
                let result = throughput::round(&**system, args.jobs).await;
                rounds[position].push(result.with_context(|| system.name())?);
            }
        }
        for (system, rounds) in chosen.iter().zip(&rounds) {
            if let Some(throughput) = throughput::Throughput::of(rounds) {
                let row = report.row(system.name());
                row.settings = system.settings();
                row.throughput = Some(throughput);
            }
        }
    }
    report.print(&args);
    Ok(())
}

/// Every other round backwards, so that none is always the first.
fn order(systems: usize, round: usize) -> Vec<usize> {
    let forwards = 0..systems;
    if round.is_multiple_of(2) { forwards.collect() } else { forwards.rev().collect() }
}

/// Of each system, the settings with which it is fastest from end to end.
async fn calibrate(all: Vec<Box<dyn System>>, args: &Args) -> anyhow::Result<Vec<Box<dyn System>>> {
    let mut best: Vec<(f64, Box<dyn System>)> = Vec::new();
    for system in all.into_iter().filter(|system| args.wants_system(system.name())) {
        let known = best.iter_mut().find(|(_, other)| other.name() == system.name());
        if args.calibrate == 0 {
            if known.is_none() {
                best.push((0.0, system));
            }
            continue;
        }
        let rate = throughput::end_to_end(&*system, args.calibrate).await;
        let rate = rate.with_context(|| format!("{} with {}", system.name(), system.settings()))?;
        eprintln!("calibration: {:<24} {rate:>9.0}/s with {}", system.name(), system.settings());
        match known {
            Some(other) if other.0 < rate => *other = (rate, system),
            Some(_) => {}
            None => best.push((rate, system)),
        }
    }
    Ok(best.into_iter().map(|(_, system)| system).collect())
}

impl Report {
    fn row(&mut self, name: &'static str) -> &mut Row {
        let at = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            self.rows.push(Row { name, ..Row::default() });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }
}
