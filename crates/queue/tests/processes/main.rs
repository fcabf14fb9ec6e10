//! Workers as processes that are frozen and killed while they work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod killed;
mod process;
mod worker;
mod zombies;
