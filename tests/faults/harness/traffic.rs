//! Webhooks of several tenants and zones with duplicates, shuffled, late and corrected
//! ones, in rounds: each round has tenants of its own, and writes a history of its
//! deliveries and a ledger of what they must count.

use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use tallyline_testkit::wait_until;

use super::process::{LONG, Place};

/// Tenants of one round.
const TENANTS: &str = "3";
/// Calls begun a second; an answered call is some five webhooks.
pub const CALLS_A_SECOND: u64 = 15;
/// A sender tries for four minutes before it gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// The senders of a run.
pub struct Traffic {
    seed: u64,
    rounds: Vec<Round>,
    sending: Option<Child>,
}

/// What one round has written.
#[derive(Debug, Clone)]
pub struct Round {
    pub history: PathBuf,
    pub ledger: PathBuf,
}

impl Traffic {
    pub fn new(seed: u64) -> Self {
        Self { seed, rounds: Vec::new(), sending: None }
    }

    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// Whether calls are being sent.
    pub fn is_under_way(&mut self) -> bool {
        let Some(sending) = &mut self.sending else { return false };
        let Some(status) = sending.try_wait().unwrap() else { return true };
        self.sending = None;
        accept(status);
        false
    }

    /// Begins another round unless one is under way; the database must be there then.
    /// Returns when its first deliveries are made.
    pub async fn keep_up(&mut self, place: &Place, seconds: u64) {
        if !self.is_under_way() {
            self.begin(place, (seconds * CALLS_A_SECOND).clamp(60, 900)).await;
        }
    }

    async fn begin(&mut self, place: &Place, calls: u64) {
        let number = self.rounds.len();
        let name = |kind: &str| place.file(&format!("{kind}-{number}"));
        let round = Round { history: name("history"), ledger: name("ledger") };
        let seed = (self.seed.wrapping_mul(1_000) + number as u64).to_string();
        let (calls, rate) = (calls.to_string(), CALLS_A_SECOND.to_string());
        let (history, ledger) = (round.history.display().to_string(), round.ledger.display().to_string());
        let arguments = [
            ["simulate", "--calls", &calls, "--rate", &rate, "--seed", &seed].as_slice(),
            &["--duplicates", "5%", "--reorder", "10%", "--late", "2%", "--tenants", TENANTS],
            &["--concurrency", "24", "--history", &history, "--ledger", &ledger],
        ]
        .concat();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(place.file("traffic.log")).unwrap();
        let mut command = place.command(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::from(log));
        self.sending = Some(command.spawn().unwrap());
        self.rounds.push(round.clone());
        wait_until("the first deliveries are made", LONG, || {
            let begun = !self.is_under_way() || std::fs::metadata(&round.history).is_ok_and(|file| file.len() > 0);
            std::future::ready(begun)
        })
        .await;
    }

    /// Waits until everything was sent and acknowledged.
    pub async fn end(&mut self) {
        wait_until("everything is acknowledged", PATIENCE, || std::future::ready(!self.is_under_way())).await;
    }
}

fn accept(status: ExitStatus) {
    assert!(status.success(), "the sender failed: {status}");
}

impl Drop for Traffic {
    fn drop(&mut self) {
        if let Some(sending) = &mut self.sending {
            let _ = sending.kill();
            let _ = sending.wait();
        }
    }
}
