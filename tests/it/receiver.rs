//! The webhook receiver from outside: real HTTP, a real database.

mod door;
mod faults;
mod http;
mod spool;
mod spool_killed;
mod storing;
pub mod support;
mod tenants;
