//! How processes begin and end: what systemd is told, signals, replacing one after
//! another under load, and whether what is in `deploy/` fits the program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod blocking;
#[allow(dead_code, reason = "shared with the tests of faults")]
#[path = "../support/daemon.rs"]
mod daemon;
mod deploy;
mod notify;
mod process;
mod rolling;
mod stop;
mod upgrade;
