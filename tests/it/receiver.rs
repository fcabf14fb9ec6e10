//! The webhook receiver from outside: real HTTP, a real database.

mod bad_input;
mod door;
mod faults;
mod held_answers;
mod http;
mod limits;
mod spool;
mod spool_killed;
mod storing;
pub mod support;
mod tenants;
mod timing;
