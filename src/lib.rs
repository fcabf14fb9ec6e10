//! Tallyline turns the webhooks of an AI voice-calling platform into exact
//! analytics. This crate is the process around the jobs: configuration, HTTP,
//! command line. `src/main.rs` only calls [`cli::main`].

pub mod accounts;
pub mod adopt;
pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod dashboard;
pub mod doctor;
pub mod inbox;
pub mod ledger;
pub mod life;
pub mod operate;
pub mod receiver;
pub mod schedules;
pub mod simulate;
pub mod status;
pub mod telemetry;
pub mod tenants;
