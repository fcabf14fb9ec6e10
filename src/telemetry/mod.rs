//! What the process tells about itself: logs, metrics, health.

pub mod http;
pub mod liveness;
pub mod logs;
pub mod metrics;
pub mod names;
pub mod readiness;
pub mod routes;
pub mod service;
