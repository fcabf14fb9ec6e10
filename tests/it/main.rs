//! Behaviour from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod adopt;
mod analyses;
mod api;
mod backfill;
mod cli;
#[path = "../support/daemon.rs"]
mod daemon;
mod dashboard;
mod defects;
mod doctor;
mod documents;
mod embedded;
mod end_to_end;
mod exporter;
mod figures;
mod first_contact;
mod fuzz;
mod histories;
mod inbox_cli;
mod isolation;
mod jobs_cli;
mod label_values;
mod notices;
mod operations;
mod pages_operate;
mod pages_tenant;
mod people;
mod privacy;
mod prometheus;
mod promql;
mod providers;
mod receiver;
mod runbook;
mod schedules;
mod schema;
#[path = "../support/histories.rs"]
mod sent_histories;
mod settings;
mod telemetry;
mod tenant_data;
mod tracing;
mod verify;
mod web;
