//! What the fault tests are made of: a database, processes, traffic with a history,
//! chance from a seed, and a judge.
//!
//! A run draws everything from its seed: what is sent, what is struck and when. At its
//! end the faults are healed, everything is drained, and [`check`] compares what was
//! acknowledged with what is stored and counted.

pub mod check;
pub mod cluster;
pub mod dice;
pub mod evidence;
pub mod process;
pub mod run;
pub mod traffic;

pub use check::Kind;
pub use cluster::Cluster;
pub use dice::Dice;
pub use process::{Place, Process};
pub use run::{Outcome, Run};
