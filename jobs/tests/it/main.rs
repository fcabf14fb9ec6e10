//! Behaviour of the jobs against a real database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod caches;
mod process;
mod roll_up;
mod support;
