//! A pooled connection on which somebody may stop waiting.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

/// Goes back to the pool only when [`Borrowed::done`] is called. Else its statement
/// was given up and may still run, or the database hangs: the connection is
/// closed, since it would keep its place in the pool until the network gives up.
#[derive(Debug)]
pub struct Borrowed {
    connection: PoolConnection<Postgres>,
    done: bool,
}

impl Borrowed {
    /// # Errors
    /// When no connection is free in time, or none can be made.
    pub async fn from(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self { connection: pool.acquire().await?, done: false })
    }

    pub fn get(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Its statements have been answered.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if !self.done {
            self.connection.close_on_drop();
        }
    }
}
