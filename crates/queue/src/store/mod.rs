//! The statements of the queue as functions: claim, complete, rescue, leases.
//!
//! The runner is made of these. They are public for tools and benchmarks that
//! want the queue without handlers; whoever claims by hand keeps the lease
//! alive by hand.

mod claim;
mod complete;
mod lease;
mod rescue;

pub use claim::{ClaimTerms, ClaimedRow, claim, next_due, release_unknown};
pub use complete::{Ending, Report, Verdict, complete};
pub use lease::{beat, register_lease, release_lease, sweep_leases};
pub use rescue::{RescueTerms, Rescued, rescue};
