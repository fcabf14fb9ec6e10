//! The systems, each with the settings that are tried.

mod apalis_postgres;
mod awa;
mod graphile_worker;
mod ours;
mod raw_sql;

use crate::system::System;

/// All of them, in the order of the report. Those of one name follow each other.
pub fn all() -> Vec<Box<dyn System>> {
    let mut all: Vec<Box<dyn System>> = Vec::new();
    all.extend(ours::candidates());
    all.extend(raw_sql::candidates());
    all.extend(apalis_postgres::candidates());
    all.extend(awa::candidates());
    all.extend(graphile_worker::candidates());
    all
}

/// The same with the settings that serve latency, as far as they differ.
pub fn for_latency() -> Vec<Box<dyn System>> {
    let mut all: Vec<Box<dyn System>> = Vec::new();
    all.extend(ours::for_latency());
    all.extend(raw_sql::for_latency());
    all.extend(apalis_postgres::for_latency());
    all.extend(awa::for_latency());
    all.extend(graphile_worker::for_latency());
    all
}
