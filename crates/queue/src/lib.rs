//! The job queue of Tallyline: PostgreSQL tables behind apalis workers.
//!
//! * **Jobs** ([`Job`], [`Registry`], [`Queue`]) are rows. They run at least
//!   once; whoever wants the effect exactly once completes the job in the
//!   transaction of the effect ([`JobContext::complete_in`]).
//! * **Drains** ([`Drain`]) are standing work without rows: repeated while a
//!   query finds something.
//! * **Schedules** ([`ScheduleSpec`], [`Scheduler`]) fire each due time once;
//!   [`schedules`] is what an operator sees and does of them.
//!
//! A [`Runner`] starts all of it. Each process start has a random lease; a claim
//! is named by (job, claims, lease), and every write that ends one carries that
//! name, so a process that was frozen and taken for dead changes nothing when it
//! wakes. The crate knows nothing of calls.

mod ack;
pub mod admin;
mod backend;
mod canceller;
mod claimed;
mod claimer;
mod completer;
mod context;
pub mod cron;
mod cron_field;
mod drain;
mod error;
mod execute;
mod fire;
mod handle;
mod heartbeat;
mod hint;
mod jitter;
mod job;
mod lanes;
mod lease;
mod limits;
mod log;
mod maintainer;
mod new_job;
mod notify;
mod pace;
mod panic;
mod policy;
mod registry;
mod rescuer;
mod runner;
mod schedule;
mod scheduler;
pub mod schedules;
pub mod span;
mod stats;
pub mod store;
mod telemetry;
mod timing;
mod trace;

pub use context::JobContext;
pub use cron::{Cron, CronError};
pub use drain::{Drain, DrainWork, Drained};
pub use error::{BoxError, QueueError};
pub use handle::Queue;
pub use heartbeat::{BEAT, Beat, Heartbeats, Silent};
pub use hint::{Hint, HintListener};
pub use job::{Job, JobError, JobInfo};
pub use lease::LeaseTiming;
pub use log::JobLog;
pub use maintainer::keep_history;
pub use new_job::{Enqueued, NewJob, Unique, UniqueScope};
pub use notify::{announce_cancel, announce_jobs};
pub use pace::Backoff;
pub use policy::{Fold, Gap, Missed, Overlap, PolicyError};
pub use registry::Registry;
pub use runner::{Runner, RunnerBuilder, Timing};
pub use schedule::ScheduleSpec;
pub use scheduler::Scheduler;
pub use span::Span;
pub use stats::{Bloat, DeadStats, QueueStats, ScheduleStats, Stats, TableBloat, bloat, stats};
pub use telemetry::{Counters, describe_metrics};
pub use trace::TraceContext;
