//! What became of each job that was named, and of many that were not.

use serde::Serialize;
use serde_json::json;
use tallyline_queue::admin::KindCount;

use crate::cli::Outcome;
use crate::cli::table::{grouped, table};

/// What became of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Became {
    /// A dead letter that is a job again.
    Replayed,
    /// A dead letter whose key has a job already; that one does its work.
    Joined,
    /// It was to wait and is due now.
    DueNow,
    /// It is due as it is.
    IsDue,
    /// It runs.
    Runs,
    /// It waited and is gone.
    Removed,
    /// It runs, and its process has been asked to end it.
    Requested,
    /// A dead letter that is gone.
    Discarded,
    /// It is a dead letter, and nothing was done.
    IsDead,
    /// It lives, and nothing was done.
    Lives,
    /// It had ended before.
    HasEnded,
    /// Another transaction held it; nothing was done.
    Busy,
    /// There is no such job.
    NotThere,
}

impl Became {
    /// Whether what was asked for is so now.
    fn is_well(self) -> bool {
        !matches!(self, Self::IsDead | Self::Lives | Self::HasEnded | Self::Busy | Self::NotThere)
    }
}

/// One line of a report.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fate {
    pub(super) job: i64,
    pub(super) became: Became,
    /// The job that does its work now, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) now: Option<i64>,
    /// How it had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
}

impl Fate {
    pub(super) fn of(job: i64, became: Became) -> Self {
        Self { job, became, now: None, outcome: None }
    }

    fn text(&self) -> String {
        match self.became {
            Became::Replayed => "replayed".to_owned(),
            Became::Joined => format!("joined job {}, which lives under its key", self.now.unwrap_or(self.job)),
            Became::DueNow => "due now".to_owned(),
            Became::IsDue => "is due already".to_owned(),
            Became::Runs => "runs already".to_owned(),
            Became::Removed => "removed".to_owned(),
            Became::Requested => "runs; its process has been asked to end it".to_owned(),
            Became::Discarded => "discarded".to_owned(),
            Became::IsDead => "is a dead letter: see jobs retry, jobs discard".to_owned(),
            Became::Lives => "lives, and is no dead letter: see jobs cancel".to_owned(),
            Became::HasEnded => format!("had ended before: {}", self.outcome.as_deref().unwrap_or("long ago")),
            Became::Busy => "is held by another transaction; nothing was done, try again".to_owned(),
            Became::NotThere => "is not there".to_owned(),
        }
    }
}

/// Says what became of each; problems are found where something was not done.
pub(super) fn each(fates: &[Fate], json: bool) -> anyhow::Result<Outcome> {
    if json {
        println!("{}", serde_json::to_string(fates)?);
    } else {
        for fate in fates {
            println!("job {}: {}", fate.job, fate.text());
        }
    }
    Ok(if fates.iter().all(|fate| fate.became.is_well()) { Outcome::Fine } else { Outcome::ProblemsFound })
}

/// What would be done.
pub(super) fn preview(kinds: &[KindCount], json: bool) {
    let jobs: i64 = kinds.iter().map(|kind| kind.jobs).sum();
    if json {
        println!("{}", json!({ "dry_run": true, "jobs": jobs, "kinds": kinds }));
        return;
    }
    if kinds.is_empty() {
        println!("nothing matches");
        return;
    }
    let mut table = table(&["kind", "jobs"], 1);
    for kind in kinds {
        table.add_row([kind.kind.clone(), grouped(kind.jobs)]);
    }
    println!("{table}\n{} in all; nothing was done", grouped(jobs));
}

/// What was done to many.
pub(super) fn many(what: &str, changed: usize, left_out: usize, json: bool) -> Outcome {
    if json {
        println!("{}", json!({ "dry_run": false, "changed": changed, "left_out": left_out }));
    } else {
        println!("{} {what}", grouped(i64::try_from(changed).unwrap_or(i64::MAX)));
        if left_out > 0 {
            println!("{left_out} left out: somebody else changed or held them; look again");
        }
    }
    if left_out > 0 { Outcome::ProblemsFound } else { Outcome::Fine }
}
