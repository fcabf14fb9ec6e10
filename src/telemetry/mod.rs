//! What the process tells about itself: logs, metrics, health.

mod database;
pub mod election;
pub mod http;
pub mod liveness;
pub mod logs;
mod metric;
pub mod metrics;
pub mod names;
pub mod otlp;
pub mod page;
pub mod pools;
mod process;
pub mod readiness;
mod repeats;
pub mod request_id;
pub mod routes;
pub mod service;
