//! Random histories, from a seed.

use std::time::Duration;

use tallyline_queue::{NewJob, Unique, UniqueScope};
use tallyline_testkit::histories::Dice;
use uuid::Uuid;

use super::{UNIT_SECONDS, acts::End};

pub const QUEUES: [&str; 2] = ["a", "b"];
pub const KINDS: [&str; 3] = ["copy", "move", "send"];
pub const COALESCED: [&str; 2] = ["gather", "settle"];
pub const PROCESSES: usize = 3;

/// Steps of one history.
const STEPS: usize = 50;

/// A step of a history. What it is about is told by numbers that fit whatever is
/// there when it is its turn, so that a history from which steps were taken out is
/// one still.
#[derive(Debug, Clone)]
pub enum Step {
    Start {
        process: usize,
    },
    /// `kill -9`: it forgets everything, its lease goes on for a while.
    Kill {
        process: usize,
    },
    Expire {
        process: usize,
    },
    Beat {
        process: usize,
    },
    Release {
        process: usize,
    },
    Enqueue {
        jobs: Vec<NewJob>,
        end: End,
    },
    Request {
        of: usize,
        key: &'static str,
        tenant: Option<Uuid>,
        delay_units: u64,
        end: End,
    },
    /// `answered`: whether the answer arrives.
    Claim {
        process: usize,
        queue: usize,
        limit: usize,
        answered: bool,
    },
    /// Notes the lanes of a queue, for a claim later.
    Look {
        process: usize,
        queue: usize,
    },
    ClaimFrom {
        process: usize,
        queue: usize,
        limit: usize,
        answered: bool,
    },
    /// `resent`: the answer gets lost and all is reported again.
    Report {
        process: usize,
        claims: Vec<Which>,
        outright: bool,
        resent: bool,
    },
    ReportIn {
        process: usize,
        claim: Which,
        end: End,
    },
    ReleaseUnknown {
        process: usize,
        queue: usize,
    },
    Rescue {
        limit: i64,
        thorough: bool,
    },
    Cancel {
        job: usize,
    },
    Pause {
        queue: usize,
        on: bool,
    },
    PauseKind {
        kind: usize,
        on: bool,
    },
    Cap {
        queue: usize,
        cap: Option<i32>,
    },
    Jump {
        units: i64,
    },
    FreePermits,
    SweepLeases,
    SweepKeys,
    /// At the same time, on connections of their own.
    Together(Vec<Step>),
}

/// A claim of a process, and how it says that it ended.
#[derive(Debug, Clone, Copy)]
pub struct Which {
    /// One that it has not reported yet, if there is any; else any.
    pub open: bool,
    pub number: usize,
    pub ending: Said,
    pub delay_units: u64,
}

#[derive(Debug, Clone, Copy)]
pub enum Said {
    Succeeded,
    Failed,
    Interrupted,
    Snoozed,
    Cancelled,
    Dead,
}

/// What the two coalesced kinds are like.
pub struct Coalesced {
    pub kind: &'static str,
    pub queue: &'static str,
    pub priority: i16,
    pub max_attempts: i32,
}

pub fn coalesced(of: usize) -> Coalesced {
    match of {
        0 => Coalesced { kind: "gather", queue: "a", priority: 1, max_attempts: 3 },
        _ => Coalesced { kind: "settle", queue: "b", priority: 0, max_attempts: 2 },
    }
}

pub fn units(units: u64) -> Duration {
    Duration::from_secs(units * UNIT_SECONDS as u64)
}

/// The history of a seed.
pub fn history(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed, 0);
    // Somebody is there, and something to do.
    let mut steps: Vec<Step> = (0..PROCESSES).map(|process| Step::Start { process }).collect();
    steps.push(enqueue(&mut dice));
    if dice.percent(50) {
        steps.push(Step::Cap { queue: dice.below(QUEUES.len()), cap: Some(1 + dice.below(3) as i32) });
    }
    while steps.len() < STEPS {
        match dice.below(100) {
            0..25 => steps.push(together(&mut dice)),
            25..31 => steps.extend(scene(&mut dice)),
            _ => steps.push(step(&mut dice)),
        }
    }
    steps
}

/// Steps that chance alone would seldom bring together.
fn scene(dice: &mut Dice) -> Vec<Step> {
    let (process, queue, limit) = (dice.below(PROCESSES), dice.below(QUEUES.len()), 1 + dice.below(3));
    let claim_from = |process| Step::ClaimFrom { process, queue, limit, answered: true };
    let claim = |process| Step::Claim { process, queue, limit: 2 + limit, answered: true };
    match dice.below(4) {
        // Processes that know the lanes of a queue claim from them in one moment.
        0 => {
            let looks = (0..PROCESSES).map(|process| Step::Look { process, queue });
            looks.chain([Step::Together((0..PROCESSES).map(claim_from).collect())]).collect()
        }
        // What a claimer knows is out of date.
        1 => vec![
            Step::Look { process, queue },
            Step::PauseKind { kind: dice.below(KINDS.len() + COALESCED.len()), on: true },
            claim_from(process),
        ],
        2 => vec![
            Step::Look { process, queue },
            Step::Cap { queue, cap: dice.percent(70).then(|| 1 + dice.below(2) as i32) },
            claim_from(process),
        ],
        // Jobs of one tenant run, and the cap comes down.
        _ => {
            let tenant = tenant(dice);
            let jobs = (0..4).map(|n| NewJob {
                queue: QUEUES[queue].to_owned(),
                user_id: tenant,
                unique: None,
                ..job(dice, n)
            });
            let end = End { commit: true, dwell: 0 };
            let jobs = Step::Enqueue { jobs: jobs.collect(), end };
            let cap = |cap| Step::Cap { queue, cap: Some(cap) };
            vec![cap(3), jobs, claim(process), cap(1), report(dice), claim(process), claim(process)]
        }
    }
}

fn step(dice: &mut Dice) -> Step {
    let process = dice.below(PROCESSES);
    let queue = dice.below(QUEUES.len());
    match dice.below(200) {
        0..18 => enqueue(dice),
        18..32 => request(dice),
        32..80 => claim(dice),
        80..85 => Step::Look { process, queue },
        85..95 => Step::ClaimFrom { process, queue, limit: 1 + dice.below(4), answered: !dice.percent(15) },
        95..138 => report(dice),
        138..150 => Step::Rescue { limit: 1 + dice.below(6) as i64, thorough: dice.percent(60) },
        150..158 => Step::Start { process },
        158..161 => Step::Kill { process },
        161..166 => Step::Expire { process },
        166..169 => Step::Beat { process },
        169..171 => Step::Release { process },
        171..176 => Step::ReleaseUnknown { process, queue },
        176..180 => Step::Cancel { job: dice.below(1_000) },
        180..184 => Step::Pause { queue, on: dice.percent(25) },
        184..188 => Step::PauseKind { kind: dice.below(KINDS.len() + COALESCED.len()), on: dice.percent(25) },
        188..192 => Step::Cap { queue, cap: dice.percent(70).then(|| 1 + dice.below(3) as i32) },
        192..196 => Step::Jump { units: *dice.pick(&[1, 1, 2, 3, 6, -1, -2]) },
        196..198 => Step::FreePermits,
        198 => Step::SweepLeases,
        _ => Step::SweepKeys,
    }
}

/// Steps that meet, most of them at the same place.
fn together(dice: &mut Dice) -> Step {
    let (place, claimed) = (dice.clone(), which(dice));
    let steps = (0..2 + dice.below(2)).map(|_| {
        let mut here = place.clone();
        let near = dice.percent(70);
        let step = crossing(dice.below(100), if near { &mut here } else { dice });
        match step {
            // The same claim, though it may be said to have ended otherwise.
            Step::Report { process, outright, .. } if near => Step::Report {
                process,
                claims: vec![Which { ending: which(dice).ending, ..claimed }],
                outright,
                resent: false,
            },
            Step::ReportIn { process, end, .. } if near => {
                Step::ReportIn { process, claim: Which { ending: which(dice).ending, ..claimed }, end }
            }
            other => other,
        }
    });
    Step::Together(steps.collect())
}

/// A step that may meet others. `what` chooses which, the dice what about.
fn crossing(what: usize, dice: &mut Dice) -> Step {
    let process = dice.below(PROCESSES);
    let queue = dice.below(QUEUES.len());
    match what {
        0..12 => enqueue(dice),
        12..26 => request(dice),
        26..46 => Step::Claim { process, queue, limit: 1 + dice.below(5), answered: true },
        46..60 => {
            Step::Report { process, claims: vec![which(dice), which(dice)], outright: dice.percent(50), resent: false }
        }
        60..70 => Step::ReportIn { process, claim: which(dice), end: end(dice) },
        70..80 => Step::Rescue { limit: 1 + dice.below(6) as i64, thorough: dice.percent(60) },
        80..86 => Step::Cancel { job: dice.below(1_000) },
        86..89 => Step::ReleaseUnknown { process, queue },
        89..91 => Step::ClaimFrom { process, queue, limit: 1 + dice.below(4), answered: true },
        91..93 => Step::Expire { process },
        93 => Step::Beat { process },
        94 => Step::Release { process },
        95..97 => Step::Cap { queue, cap: dice.percent(60).then(|| 1 + dice.below(3) as i32) },
        97..99 => Step::Pause { queue, on: dice.percent(50) },
        _ => Step::FreePermits,
    }
}

fn end(dice: &mut Dice) -> End {
    End { commit: !dice.percent(15), dwell: dice.below(4) }
}

fn tenant(dice: &mut Dice) -> Option<Uuid> {
    *dice.pick(&[None, Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2))])
}

fn delay_units(dice: &mut Dice) -> u64 {
    if dice.percent(70) { 0 } else { 1 + dice.below(3) as u64 }
}

fn enqueue(dice: &mut Dice) -> Step {
    let jobs = (0..=dice.below(4)).map(|n| job(dice, n)).collect();
    Step::Enqueue { jobs, end: end(dice) }
}

fn job(dice: &mut Dice, n: usize) -> NewJob {
    let mut job = NewJob {
        kind: (*dice.pick(&KINDS)).to_owned(),
        queue: (*dice.pick(&QUEUES)).to_owned(),
        user_id: tenant(dice),
        payload: serde_json::json!({ "n": n }),
        priority: dice.below(3) as i16,
        run_after: units(delay_units(dice)),
        max_attempts: 1 + dice.below(4) as i32,
        trace: None,
        unique: None,
    };
    if dice.percent(35) {
        // Few, so that they meet.
        job.kind = KINDS[0].to_owned();
        job.user_id = job.user_id.filter(|_| dice.percent(30));
        job.unique = Some(Unique {
            key: (*dice.pick(&["x", "y"])).to_owned(),
            scope: *dice.pick(&[UniqueScope::Waiting, UniqueScope::Live, UniqueScope::Any]),
            window: dice.percent(40).then(|| units(1 + dice.below(3) as u64)),
        });
    }
    job
}

fn request(dice: &mut Dice) -> Step {
    let tenant = tenant(dice).filter(|_| dice.percent(50));
    let key = *dice.pick(&["all", "all", "some"]);
    Step::Request { of: dice.below(2), key, tenant, delay_units: delay_units(dice), end: end(dice) }
}

fn claim(dice: &mut Dice) -> Step {
    let (process, queue) = (dice.below(PROCESSES), dice.below(QUEUES.len()));
    Step::Claim { process, queue, limit: 1 + dice.below(5), answered: !dice.percent(12) }
}

fn report(dice: &mut Dice) -> Step {
    let process = dice.below(PROCESSES);
    if dice.percent(25) {
        return Step::ReportIn { process, claim: which(dice), end: end(dice) };
    }
    let claims = (0..=dice.below(3)).map(|_| which(dice)).collect();
    Step::Report { process, claims, outright: dice.percent(60), resent: dice.percent(20) }
}

fn which(dice: &mut Dice) -> Which {
    let ending = match dice.below(100) {
        0..40 => Said::Succeeded,
        40..65 => Said::Failed,
        65..77 => Said::Interrupted,
        77..87 => Said::Snoozed,
        87..92 => Said::Cancelled,
        _ => Said::Dead,
    };
    Which { open: !dice.percent(20), number: dice.below(1_000), ending, delay_units: delay_units(dice) }
}
