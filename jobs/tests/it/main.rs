//! Behaviour of the jobs against a real database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod analyses;
mod archive;
mod audit;
mod backfill;
mod batches;
mod caches;
mod calls;
mod contacts;
mod credits;
mod defects;
mod exact;
mod follow_ups;
mod history_rows;
mod low_credit;
mod notifications;
mod periods;
mod process;
mod purge;
mod races;
mod reckoning;
mod reconcile;
mod roll_up;
mod support;
#[path = "../../../tests/it/verify/fixture.rs"]
#[allow(dead_code, reason = "the tests of the command use more of it")]
mod verify_fixture;
mod zones;
