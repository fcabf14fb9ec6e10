//! The order of a run.

use anyhow::Context;

use crate::{
    Args, Part,
    measure::{latency, throughput},
    report::Report,
    system::System,
    systems,
};

/// Measures everything that was asked for, and prints it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut report = Report::default();
    if args.wants(Part::Throughput) {
        let chosen = calibrate(systems::all(), &args, &mut report).await?;
        throughputs(&chosen, &args, &mut report).await?;
    }
    if args.wants(Part::Latency) {
        latencies(&args, &mut report).await?;
    }
    report.print(&args);
    Ok(())
}

/// Of each system, the settings with the best 95 in 100.
async fn latencies(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    for system in systems::for_latency().iter().filter(|system| args.wants_system(system.name())) {
        let latency = latency::measure(&**system, args.latency_rate, args.latency_seconds).await;
        let row = report.row(system.name());
        let latency = match latency {
            Ok(latency) => latency,
            Err(error) => {
                row.refuse(&**system, "latency", &error);
                continue;
            }
        };
        let p95 = latency.pick_up.p95;
        eprintln!("latency: {:<24} p95 {p95:.2} ms with {}", system.name(), latency.settings);
        if row.latency.as_ref().is_none_or(|other| p95 < other.pick_up.p95) {
            row.latency = Some(latency);
        }
    }
    Ok(())
}

async fn throughputs(systems: &[Box<dyn System>], args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let mut rounds = vec![Vec::new(); systems.len()];
    for round in 0..args.rounds {
        for position in order(systems.len(), round) {
            let system = &systems[position];
            eprintln!("throughput, round {} of {}: {}", round + 1, args.rounds, system.name());
            let result = throughput::round(&**system, args.jobs).await;
            rounds[position].push(result.with_context(|| system.name())?);
        }
    }
    for (system, rounds) in systems.iter().zip(&rounds) {
        if let Some(throughput) = throughput::Throughput::of(rounds, system.settings()) {
            report.row(system.name()).throughput = Some(throughput);
        }
    }
    Ok(())
}

/// Every other round backwards, so that none is always the first.
fn order(systems: usize, round: usize) -> Vec<usize> {
    let forwards = 0..systems;
    if round.is_multiple_of(2) { forwards.collect() } else { forwards.rev().collect() }
}

/// Of each system, the settings with which it is fastest from end to end.
async fn calibrate(
    all: Vec<Box<dyn System>>,
    args: &Args,
    report: &mut Report,
) -> anyhow::Result<Vec<Box<dyn System>>> {
    let mut best: Vec<(f64, Box<dyn System>)> = Vec::new();
    for system in all.into_iter().filter(|system| args.wants_system(system.name())) {
        let known = best.iter_mut().find(|(_, other)| other.name() == system.name());
        if args.calibrate == 0 {
            if known.is_none() {
                best.push((0.0, system));
            }
            continue;
        }
        let rate = match throughput::end_to_end(&*system, args.calibrate).await {
            Ok(rate) => rate,
            Err(error) => {
                report.row(system.name()).refuse(&*system, "calibration", &error);
                continue;
            }
        };
        eprintln!("calibration: {:<24} {rate:>9.0}/s with {}", system.name(), system.settings());
        match known {
            Some(other) if other.0 < rate => *other = (rate, system),
            Some(_) => {}
            None => best.push((rate, system)),
        }
    }
    Ok(best.into_iter().map(|(_, system)| system).collect())
}
