//! The queue from outside: what happens to jobs, drains and schedules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod admin_plans;
mod claims;
mod coalescing;
mod completion;
mod cron;
mod drains;
mod endings;
mod faults;
mod schedules;
mod scripted;
mod statistics;
