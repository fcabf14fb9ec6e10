//! Batches of faults by name: those that are added to the proof, and those that are
//! played again.

use std::fs;

use crate::harness::Outcome;
use crate::{circumstances, commits, daemon_kills, disks, mixed, network, points, postgres_kills, proof, zombies};

/// Plays so many faults of a name.
async fn play(fault: &str, count: u64, seed: u64) -> Outcome {
    match fault {
        "daemon_kills" => daemon_kills::daemon_kills(count, seed).await,
        "postgres_kills" => postgres_kills::postgres_kills(count, seed).await,
        "ambiguous_commits" => commits::ambiguous_commits(count, seed).await,
        "zombies" => zombies::zombies(count, seed).await,
        "failpoints" => points::failpoints(count, seed).await,
        "terminated_backends" => circumstances::terminated_backends(count, seed).await,
        "injected_errors" => circumstances::injected_errors(count, seed).await,
        "poison" => circumstances::poison(count, seed).await,
        "small_pool" => circumstances::small_pool(count, seed).await,
        "network_faults" => network::network_faults(count, seed).await,
        "mixed_minutes" => mixed::mixed_minutes(count, seed).await,
        "full_disk" => disks::full_disk(count, seed).await.expect("a small disk can be mounted"),
        "full_spool" => disks::full_spool(count, seed).await.expect("a small disk can be mounted"),
        "failpoint_errors" => points::failpoint_errors(count, seed).await,
        other => {
            let known: Vec<&str> = proof::CLAIMS.iter().map(|(fault, _)| *fault).collect();
            panic!("there is no fault {other}; there are {}", known.join(", "));
        }
    }
}

/// `daemon_kills=100 seed=7`; the seed may be left out.
fn parse(text: &str) -> (String, u64, u64) {
    let mut words = text.split_whitespace();
    let usage = "say it like this: daemon_kills=100 seed=7";
    let (fault, count) = words.next().and_then(|word| word.split_once('=')).expect(usage);
    let seed = words.next().map_or(1, |word| word.strip_prefix("seed=").expect(usage).parse().expect(usage));
    (fault.to_owned(), count.parse().expect(usage), seed)
}

/// Adds batches to `docs/proof.jsonl` and `docs/proof.md`:
/// `TALLYLINE_PROOF="daemon_kills=100 seed=7" cargo test --test faults -- --ignored --nocapture add_to_proof`.
/// Several are separated by commas. What does not end is not written; what found
/// something is written, with its seed in `seeds.txt`, and fails.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as one likes"]
async fn add_to_proof() {
    #[expect(clippy::disallowed_methods, reason = "the command line of a test")]
    let wanted = std::env::var("TALLYLINE_PROOF").expect("TALLYLINE_PROOF=\"daemon_kills=100 seed=7\"");
    let wanted: Vec<_> = wanted.split(',').map(parse).collect();
    for (fault, count, seed) in wanted {
        let outcome = play(&fault, count, seed).await;
        proof::add(&fault, &outcome);
        outcome.accept(&fault);
    }
}

/// What once went wrong.
#[tokio::test(flavor = "multi_thread")]
async fn kept_seeds_are_played_again() {
    let seeds = fs::read_to_string(proof::seeds()).unwrap();
    for line in seeds.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (fault, count, seed) = parse(line);
        play(&fault, count, seed).await.accept(&fault);
    }
}
