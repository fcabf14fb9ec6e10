//! The statements of the queue as functions: claim, complete, rescue, leases.
//!
//! The runner is made of these. They are public for tools and benchmarks that
//! want the queue without handlers; whoever claims by hand keeps the lease
//! alive by hand.

mod cancel;
mod claim;
mod complete;
mod enqueue;
mod lease;
mod rescue;

pub use cancel::{Cancelled, CancelledJob, cancel, cancel_many, requested_cancels};
pub use claim::{
    ClaimTerms, ClaimedRow, LaneRow, LaneShare, claim, claim_from, free_permits, lanes, make_permits, release_unknown,
};
pub use complete::{Ending, Report, Verdict, complete};
pub(crate) use enqueue::{enqueue, key_holders};
pub(crate) use lease::register_serving;
pub use lease::{beat, register_lease, release_lease, sweep_leases};
pub use rescue::{RescueTerms, Rescued, ended_leases, rescue};
