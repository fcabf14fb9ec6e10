//! The schema as the database has it: columns, keys, checks, rights, the calendar, triggers.

mod access;
mod calendar;
mod checks;
mod columns;
pub mod fixture;
mod foreign_rows;
mod histogram;
mod holes;
mod keys;
mod reversible;
mod triggers;
mod uniques;
