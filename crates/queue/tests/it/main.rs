//! The queue from outside: what happens to jobs, drains and schedules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod admin_plans;
mod apalis;
mod caps;
mod claim_cost;
mod claims;
mod coalescing;
mod completion;
mod cron;
mod drains;
mod endings;
mod faults;
mod lanes;
mod losses;
mod model;
mod schedule_faults;
mod schedule_orders;
mod schedules;
mod scripted;
mod statistics;
mod unique;
mod upkeep;
