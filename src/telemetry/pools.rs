//! The connection pools of the process, and how long one waits for them.

use std::time::{Duration, Instant};

use ::metrics::{gauge, histogram};
use sqlx::PgPool;

use super::names;

/// A pool and what the metrics call it.
pub type Named = (&'static str, PgPool);

/// A wait is not watched for longer; it counts as so long.
const LONGEST: Duration = Duration::from_secs(10);

/// Sets the gauges of the pools and waits for a connection of each, as anything
/// that needs one does.
pub(super) async fn probe(pools: &[Named]) {
    for (name, pool) in pools {
        let (size, idle) = (f64::from(pool.size()), pool.num_idle() as f64);
        gauge!(names::POOL_CONNECTIONS, "pool" => *name, "state" => "idle").set(idle);
        gauge!(names::POOL_CONNECTIONS, "pool" => *name, "state" => "used").set((size - idle).max(0.0));
        let most = f64::from(pool.options().get_max_connections());
        gauge!(names::POOL_CONNECTIONS, "pool" => *name, "state" => "max").set(most);
        let began = Instant::now();
        // An error took its time as well, and is told elsewhere.
        let _ = tokio::time::timeout(LONGEST, pool.acquire()).await;
        histogram!(names::POOL_WAIT, "pool" => *name).record(began.elapsed().as_secs_f64());
    }
}
