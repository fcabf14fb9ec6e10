//! What the process tells about itself: logs, metrics, health.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod names;
pub mod otlp;
pub mod readiness;
mod repeats;
pub mod request_id;
pub mod routes;
pub mod service;
