//! `deliver_notifications`: posts notifications to the tenants' endpoints, signed as
//! Standard Webhooks 1.0.0 says.
//!
//! A standing drain. A unit hands waiting notifications out to their endpoints and
//! posts one delivery: it is claimed in a transaction of its own, posted while none
//! is open, and settled under the number of the claim. A claim that lapses (its
//! process died, or was frozen) is taken by somebody else, and the first holder's
//! settling changes nothing: a notification arrives at least once, always under the
//! same `webhook-id`.
//!
//! Endpoints take turns and get few requests at once; those that fail come last,
//! get one at a time, and never have all of a process' units.

mod answer;
mod claim;
mod message;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tallyline_queue::{BoxError, Drain, DrainWork, Drained};
use tallyline_secrets::SealingKey;
use tokio::sync::Semaphore;

use crate::notify::{self, NotifyError};
use answer::{Ending, Judged};
use claim::Claimed;

/// Beyond its request's time-out, what a claim lasts.
const CLAIM_MARGIN: Duration = Duration::from_secs(15);

/// Notifications of a tenant that one unit hands out.
const HAND_OUT: i64 = 200;

/// How deliveries are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Units at once in one process.
    pub concurrency: usize,
    /// Requests at once to one endpoint, over all processes.
    pub per_endpoint: i64,
    /// A request that has no answer by then has failed.
    pub request_timeout: Duration,
    /// Before the second attempt, the third, and so on; after the last one a
    /// delivery has failed. Each is varied by a tenth, so that not all come at once.
    pub retry_delays: Vec<Duration>,
    /// Days after which what waits for an endpoint is too old for it.
    pub retention_days: i32,
}

/// Why a unit did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Endpoint(#[from] NotifyError),
}

/// The drain.
pub struct DeliverNotifications {
    pool: PgPool,
    http: reqwest::Client,
    key: SealingKey,
    options: Options,
    /// Units that may be at endpoints that fail.
    failing: Arc<Semaphore>,
}

impl DeliverNotifications {
    pub fn new(pool: PgPool, http: reqwest::Client, key: SealingKey, mut options: Options) -> Self {
        options.concurrency = options.concurrency.max(1);
        let half = (options.concurrency / 2).max(1);
        // An endpoint of which nobody knows yet that it is dead leaves room for others.
        options.per_endpoint = options.per_endpoint.clamp(1, i64::try_from(half).unwrap_or(i64::MAX));
        Self { pool, http, key, options, failing: Arc::new(Semaphore::new(half)) }
    }

    /// This drain with its concurrency.
    pub fn into_drain(self) -> Drain<Self> {
        let concurrency = self.options.concurrency;
        Drain::new(self).concurrency(concurrency)
    }

    /// Hands out what waits and makes one delivery; returns how many things it did.
    ///
    /// # Errors
    /// When the database refuses. A delivery that fails is no error.
    pub async fn run_unit(&self) -> Result<usize, DeliverError> {
        let handed_out = sqlx::query_file_scalar!("../sql/notify/hand_out.sql", HAND_OUT, self.options.retention_days)
            .fetch_one(&self.pool)
            .await?;
        let mut permit = self.failing.try_acquire().ok();
        let claimed = claim::claim(&self.pool, &self.options, permit.is_some()).await?;
        let delivered = match claimed {
            None => 0,
            Some(claimed) => {
                if !claimed.is_failing {
                    permit.take();
                }
                self.deliver(&claimed).await?;
                1
            }
        };
        Ok(usize::try_from(handed_out).unwrap_or(usize::MAX).saturating_add(delivered))
    }

    async fn deliver(&self, claimed: &Claimed) -> Result<(), DeliverError> {
        pass::<sqlx::Error>(Point::NotificationClaimed)?;
        let judged = match message::request(&self.http, &self.key, claimed) {
            Ok(request) => answer::judge(request.timeout(self.options.request_timeout).send().await, claimed.at),
            Err(reason) => Judged::unsendable(reason),
        };
        pass::<sqlx::Error>(Point::NotificationSent)?;
        self.settle(claimed, judged).await
    }

    async fn settle(&self, claimed: &Claimed, judged: Judged) -> Result<(), DeliverError> {
        let (user_id, endpoint) = (claimed.user_id, claimed.endpoint_id);
        let wait = self.wait(claimed, &judged);
        let (state, outcome) = match judged.ending {
            Ending::Delivered => ("delivered", "delivered"),
            Ending::Gone => ("failed", "gone"),
            Ending::Failed { .. } if wait.is_none() => ("failed", "failed"),
            Ending::Failed { .. } => ("pending", "retried"),
        };
        let mut tx = self.pool.begin().await?;
        match notify::lock_endpoint(&mut tx, user_id, endpoint).await {
            // The tenant is gone, and so is the delivery.
            Err(NotifyError::UnknownEndpoint) => return Ok(()),
            locked => locked?,
        }
        let settled = sqlx::query_file!(
            "../sql/notify/settle.sql",
            user_id,
            claimed.notification_id,
            endpoint,
            claimed.claim,
            state,
            wait.unwrap_or_default().as_secs_f64(),
            judged.status,
            judged.error,
        );
        if settled.execute(&mut *tx).await?.rows_affected() == 0 {
            tx.rollback().await?;
            count("fenced");
            return Ok(());
        }
        let failed = judged.ending != Ending::Delivered;
        sqlx::query!(
            "UPDATE tally.notification_endpoints SET failures = CASE WHEN $3 THEN failures + 1 ELSE 0 END
             WHERE user_id = $1 AND id = $2 AND ($3 OR failures > 0)",
            user_id,
            endpoint,
            failed
        )
        .execute(&mut *tx)
        .await?;
        if judged.ending == Ending::Gone {
            notify::disable_endpoint(&mut tx, user_id, endpoint, notify::GONE).await?;
            tracing::warn!(%user_id, %endpoint, "endpoint is gone and was disabled");
        }
        tx.commit().await?;
        count(outcome);
        if state == "failed" {
            tracing::warn!(%user_id, %endpoint, notification = %claimed.notification_id, attempts = claimed.attempts,
                "notification could not be delivered");
        }
        Ok(())
    }

    /// How long until the next attempt: as the schedule says, or as long as the
    /// receiver asks for, if that is longer. `None` when there is no other.
    fn wait(&self, claimed: &Claimed, judged: &Judged) -> Option<Duration> {
        let Ending::Failed { retry_after } = judged.ending else { return None };
        let made = usize::try_from(claimed.attempts).unwrap_or(0).saturating_sub(1);
        let delay = self.options.retry_delays.get(made)?;
        let varied = delay.mul_f64(0.9 + 0.2 * rand::random::<f64>());
        Some(varied.max(retry_after.unwrap_or_default()))
    }
}

impl DrainWork for DeliverNotifications {
    const NAME: &'static str = "deliver_notifications";

    async fn drain(&self) -> Result<Drained, BoxError> {
        Ok(Drained { worked: self.run_unit().await? })
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("tallyline_notification_attempts_total", "outcome" => outcome).increment(1);
}
