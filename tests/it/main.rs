//! Behaviour from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod backfill;
#[path = "../support/daemon.rs"]
mod daemon;
mod dashboard;
mod defects;
mod embedded;
mod end_to_end;
mod figures;
mod receiver;
mod schema;
mod settings;
mod telemetry;
mod verify;
