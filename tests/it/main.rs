//! Behaviour from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod dashboard;
mod receiver;
mod telemetry;
mod verify;
