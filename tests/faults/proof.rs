//! `docs/proof.jsonl`, a line for each batch of faults that ended, and `docs/proof.md`,
//! which is made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::harness::{Kind, Outcome};

/// A batch, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub fault: String,
    pub count: u64,
    pub seed: u64,
    /// Of the source that was built; with `+` where it had changes.
    pub commit: String,
    pub date: String,
    pub seconds: u64,
    /// `debug` or `release`.
    pub build: String,
    pub acknowledged: u64,
    pub unanswered: u64,
    pub lost: u64,
    pub twice: u64,
    pub invented: u64,
    pub stale: u64,
    pub differences: u64,
}

impl Batch {
    fn of(fault: &str, outcome: &Outcome) -> Self {
        Batch {
            fault: fault.to_owned(),
            count: outcome.count,
            seed: outcome.seed,
            commit: commit(),
            date: text_of("date", &["-u", "+%F"]),
            seconds: outcome.seconds.round() as u64,
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            acknowledged: outcome.evidence.acknowledged,
            unanswered: outcome.evidence.unanswered,
            lost: outcome.of(Kind::Lost),
            twice: outcome.of(Kind::Twice),
            invented: outcome.of(Kind::Invented),
            stale: outcome.of(Kind::Stale),
            differences: outcome.of(Kind::Different),
        }
    }

    fn findings(&self) -> u64 {
        self.lost + self.twice + self.invented + self.stale + self.differences
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn kept() -> PathBuf {
    root().join("docs/proof.jsonl")
}

fn page() -> PathBuf {
    root().join("docs/proof.md")
}

/// Where seeds are kept that once found something.
pub fn seeds() -> PathBuf {
    root().join("tests/faults/seeds.txt")
}

fn text_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit() -> String {
    // What this very program writes is no change of the source.
    let changes = text_of("git", &["status", "--porcelain", "--", ".", ":!docs/proof.jsonl", ":!docs/proof.md"]);
    let short = text_of("git", &["rev-parse", "--short=10", "HEAD"]);
    if changes.is_empty() { short } else { short + "+" }
}

fn batches() -> Vec<Batch> {
    let text = fs::read_to_string(kept()).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Adds a batch that ended, whatever it found, and makes the page anew. The seed of
/// one that found something is kept for the replay.
pub fn add(fault: &str, outcome: &Outcome) {
    let batch = Batch::of(fault, outcome);
    let append = |path: PathBuf, line: String| {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    };
    append(kept(), serde_json::to_string(&batch).unwrap());
    if batch.findings() > 0 {
        append(seeds(), format!("{fault}={} seed={}", batch.count, batch.seed));
    }
    fs::write(page(), markdown(&batches())).unwrap();
}

/// Each fault with what is claimed of it.
pub const CLAIMS: &[(&str, &str)] = &[
    ("daemon_kills", "`kill -9` of the daemon: at random, at its start, at points of its code"),
    ("failpoints", "the daemon dies at every named point of its code"),
    ("failpoint_errors", "an error at every named point of its code, again and again"),
    ("postgres_kills", "PostgreSQL killed (`kill -9`), stopped at once, or one of its backends killed"),
    ("ambiguous_commits", "commits that happened and whose answer was lost"),
    ("zombies", "daemons frozen past their lease in the middle of their work, and thawed"),
    ("terminated_backends", "`pg_terminate_backend` of some or all of the daemon's connections"),
    ("network_faults", "connections to the database cut, delayed, or swallowed without a word"),
    ("injected_errors", "deadlocks and serialization failures raised in the daemon's transactions"),
    ("poison", "a tenant or an event that the database refuses, among others"),
    ("small_pool", "seconds of webhooks while all jobs share two connections"),
    ("full_disk", "the database's disk runs full"),
    ("full_spool", "the spool's disk runs full while the database is away"),
    ("mixed_minutes", "minutes of all of these at once, under load, with two daemons"),
];

const HEAD: &str = "# Proof: what was broken, and what became of the figures

Made by the fault harness (`tests/faults`) from `docs/proof.jsonl`, a line for each batch that ended. A batch draws all from
its seed: webhooks of several tenants and time zones with duplicates, shuffled, late and corrected ones, and what is struck and when.
In its end everything is healed and drained, and a checker compares the history of what was sent and acknowledged with what is
stored, and every figure with what was sent (`tallyline verify --ledger`).

*Lost*: acknowledged and not there. *Twice*: there or counted more than once. *Invented*: there and never sent. *Stale*: behind
and not saying so, in the middle of the run too. *Differences*: any other figure or state that is not what it must be.

";

const TAIL: &str = "
A seed that found something is kept in `tests/faults/seeds.txt` and played again by every run of the tests. Each check of the checker
has a mutation that makes it fail (`tests/faults/mutations.rs`): a row deleted, doubled, invented, a figure, a charge, a mark changed.

Not tested here: clocks that jump (all stored times are the database's, and no clock can be set on the machine of the tests), loss of
power (it rests on `fsync`), a partition between several database servers.

Add a batch: `TALLYLINE_PROOF=\"daemon_kills=100 seed=7\" cargo test --test faults -- --ignored --nocapture add_to_proof`
";

fn markdown(batches: &[Batch]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "| what | times | batches | webhooks acknowledged | lost | twice | invented | stale | differences |\n",
    );
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    let mut by_fault: BTreeMap<&str, Vec<&Batch>> = BTreeMap::new();
    for batch in batches {
        by_fault.entry(&batch.fault).or_default().push(batch);
    }
    for (fault, claim) in CLAIMS {
        let Some(batches) = by_fault.get(fault) else { continue };
        let sum = |of: fn(&Batch) -> u64| batches.iter().map(|batch| of(batch)).sum::<u64>();
        writeln!(
            page,
            "| {claim} | {} | {} | {} | {} | {} | {} | {} | {} |",
            grouped(sum(|b| b.count)),
            batches.len(),
            grouped(sum(|b| b.acknowledged)),
            sum(|b| b.lost),
            sum(|b| b.twice),
            sum(|b| b.invented),
            sum(|b| b.stale),
            sum(|b| b.differences)
        )
        .unwrap();
    }
    page.push_str("\n## Batches\n\n| fault | times | seeds | commits | dates | seconds | build |\n|---|---:|---|---|---|---:|---|\n");
    for (fault, _) in CLAIMS {
        let Some(batches) = by_fault.get(fault) else { continue };
        let list = |of: &dyn Fn(&Batch) -> String| {
            batches.iter().map(|batch| of(batch)).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        let seeds: BTreeSet<u64> = batches.iter().map(|batch| batch.seed).collect();
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        writeln!(
            page,
            "| `{fault}` | {} | {} | {} | {} | {} | {} |",
            grouped(batches.iter().map(|batch| batch.count).sum()),
            seeds.join(", "),
            list(&|batch| batch.commit.clone()),
            list(&|batch| batch.date.clone()),
            grouped(batches.iter().map(|batch| batch.seconds).sum()),
            list(&|batch| batch.build.clone())
        )
        .unwrap();
    }
    page + TAIL
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_page_of_proof_is_what_the_batches_say() {
    let made = markdown(&batches());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(page(), &made).unwrap();
    }
    assert_eq!(
        fs::read_to_string(page()).unwrap_or_default(),
        made,
        "make it anew with: UPDATE_DOCS=1 cargo test --test faults the_page_of_proof"
    );
    for batch in batches() {
        assert!(CLAIMS.iter().any(|(fault, _)| *fault == batch.fault), "no claim for {}", batch.fault);
    }
}
