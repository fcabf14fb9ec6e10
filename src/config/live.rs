//! The limits that change while a process runs, after SIGHUP.

use std::sync::{Arc, PoisonError, RwLock};

use super::Receiver;

/// Keys that take effect at once; every other one needs a restart.
///
/// They are read anew for each request, and nothing was sized by them: pools,
/// queues, listeners and drains keep what they were started with.
pub const RELOADED: [&str; 6] = [
    "log.level",
    "receiver.max_body_bytes",
    "receiver.max_json_depth",
    "receiver.max_in_flight_per_tenant",
    "receiver.tenant_requests_per_second",
    "receiver.tenant_burst_requests",
];

/// Limits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    pub max_body_bytes: usize,
    pub max_json_depth: usize,
    /// Of one tenant; 0: no limit.
    pub max_in_flight_per_tenant: usize,
    /// Of one tenant; 0: no limit.
    pub tenant_requests_per_second: u32,
    pub tenant_burst_requests: u32,
}

impl From<&Receiver> for RequestLimits {
    fn from(receiver: &Receiver) -> Self {
        RequestLimits {
            max_body_bytes: receiver.max_body_bytes,
            max_json_depth: receiver.max_json_depth,
            max_in_flight_per_tenant: receiver.max_in_flight_per_tenant,
            tenant_requests_per_second: receiver.tenant_requests_per_second,
            tenant_burst_requests: receiver.tenant_burst_requests,
        }
    }
}

/// The limits in force, shared by whoever reads them and whoever reloads.
/// Nothing is in it before the first reload.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<RwLock<Option<RequestLimits>>>);

impl Live {
    /// The limits in force; `None` while those hold that the process was started with.
    pub fn current(&self) -> Option<RequestLimits> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts others in force.
    pub fn replace(&self, limits: RequestLimits) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(limits);
    }
}
