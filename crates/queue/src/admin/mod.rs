//! The queue as operators see it: what there is, and what may be done about it.
//!
//! Everything here works on a connection or a transaction of the caller, so
//! that a change and its entry in a trail are one. Nothing reads the history
//! as a whole: lists are bounded in what they look at, single jobs go by the
//! index of jobs.

mod change;
mod list;
mod queues;
mod show;

pub use change::{
    Changed, Filter, KindCount, Replayed, Standing, count_letters, count_live, discard, due_now, next_letters,
    next_live, replay, standing, tops,
};
pub use list::{JobLine, Listing, Page, State, list};
pub use queues::{Idle, PausedKind, QueueLine, WorkerLine, is_served, paused_kinds, queues, workers};
pub use show::{Attempt, JobDetails, Letter, LiveJob, show};
