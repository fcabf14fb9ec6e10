//! Behaviour from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod analyses;
mod api;
mod backfill;
#[path = "../support/daemon.rs"]
mod daemon;
mod dashboard;
mod defects;
mod embedded;
mod end_to_end;
mod figures;
mod histories;
mod isolation;
mod jobs_cli;
mod notices;
mod people;
mod providers;
mod receiver;
mod schedules;
mod schema;
#[path = "../support/histories.rs"]
mod sent_histories;
mod settings;
mod telemetry;
mod verify;
mod web;
