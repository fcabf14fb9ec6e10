//! The order of a run.

use crate::{
    Args, Part,
    measure::{bloat, fairness, latency, throughput},
    report::Report,
    system::System,
    systems,
};

/// Measures everything that was asked for, and prints it. Returns whether every
/// system ran each of its jobs exactly once, throughout.
pub async fn run(args: Args) -> bool {
    let mut report = Report::default();
    if [Part::Throughput, Part::Bloat, Part::Fairness].into_iter().any(|part| args.wants(part)) {
        let chosen = calibrate(systems::all(), &args, &mut report).await;
        if args.wants(Part::Throughput) {
            throughputs(&chosen, &args, &mut report).await;
        }
        if args.wants(Part::Bloat) {
            bloats(&chosen, &args, &mut report).await;
        }
        if args.wants(Part::Fairness) {
            fairnesses(&chosen, &args, &mut report).await;
        }
    }
    if args.wants(Part::Latency) {
        latencies(&args, &mut report).await;
    }
    report.print(&args);
    report.is_valid()
}

/// Of each system, the settings with which it is fastest from end to end.
async fn calibrate(all: Vec<Box<dyn System>>, args: &Args, report: &mut Report) -> Vec<Box<dyn System>> {
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
                report.row(system.name()).left_out(&*system, "throughput", &error);
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
    best.into_iter().map(|(_, system)| system).collect()
}

async fn throughputs(systems: &[Box<dyn System>], args: &Args, report: &mut Report) {
    let mut rounds = vec![Vec::new(); systems.len()];
    for round in 0..args.rounds {
        for position in order(systems.len(), round) {
            let system = &systems[position];
            eprintln!("throughput, round {} of {}: {}", round + 1, args.rounds, system.name());
            match throughput::round(&**system, args.jobs).await {
                Ok(result) => rounds[position].push(result),
                Err(error) => report.row(system.name()).failed(&**system, "throughput", &error),
            }
        }
    }
    for (system, rounds) in systems.iter().zip(&rounds) {
        if let Some(throughput) = throughput::Throughput::of(rounds, system.settings()) {
            report.row(system.name()).throughput = Some(throughput);
        }
    }
}

/// Every other round backwards, so that none is always the first.
fn order(systems: usize, round: usize) -> Vec<usize> {
    let forwards = 0..systems;
    if round.is_multiple_of(2) { forwards.collect() } else { forwards.rev().collect() }
}

async fn bloats(systems: &[Box<dyn System>], args: &Args, report: &mut Report) {
    for system in systems {
        eprintln!("WAL and dead tuples: {}", system.name());
        let bloat = bloat::measure(&**system, args.churn, args.churn / 3).await;
        let row = report.row(system.name());
        match bloat {
            Ok(bloat) => row.bloat = Some(bloat),
            Err(error) => row.failed(&**system, "WAL and dead tuples", &error),
        }
    }
}

async fn fairnesses(systems: &[Box<dyn System>], args: &Args, report: &mut Report) {
    for system in systems {
        eprintln!("fairness: {}", system.name());
        let fairness = fairness::measure(&**system, args.backlog).await;
        let row = report.row(system.name());
        match fairness {
            Ok(fairness) => row.fairness = Some(fairness),
            Err(error) => row.failed(&**system, "fairness", &error),
        }
    }
}

/// Of each system, the settings with which 95 in 100 are picked up soonest.
async fn latencies(args: &Args, report: &mut Report) {
    for system in systems::for_latency().iter().filter(|system| args.wants_system(system.name())) {
        let latency = latency::measure(&**system, args.latency_rate, args.latency_seconds).await;
        let row = report.row(system.name());
        let latency = match latency {
            Ok(latency) => latency,
            Err(error) => {
                row.left_out(&**system, "latency", &error);
                continue;
            }
        };
        let p95 = latency.pick_up.p95;
        eprintln!("latency: {:<24} p95 {p95:.2} ms with {}", system.name(), latency.settings);
        if row.latency.as_ref().is_none_or(|other| p95 < other.pick_up.p95) {
            row.latency = Some(latency);
        }
    }
}
