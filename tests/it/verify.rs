//! `verify` finds what is wrong with the figures, all of it and nothing else.

mod archive;
mod damage;
pub mod fixture;
mod metrics;
mod money;
mod people;
mod scope;
