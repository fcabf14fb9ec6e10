//! The webhook receiver from outside: real HTTP, a real database.

mod bad_input;
mod door;
mod faults;
mod http;
mod proxy;
mod storing;
pub mod support;
mod tenants;
