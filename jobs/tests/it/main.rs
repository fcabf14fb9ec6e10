//! Behaviour of the jobs against a real database.

mod process;
mod roll_up;
mod support;
