//! `analyze_leads`: makes the analyses that events asked for.
//!
//! A standing drain over `tally.call_analyses` and `tally.contact_analyses`. A unit
//! claims work of the tenant whose turn it is, in a transaction that commits before
//! anything is asked; then it asks the tenant's provider, with no transaction open;
//! then it ends the claim, if it is still its own. A claim has a number and a time
//! until which it holds: work of a process that died is taken back after that and
//! done again, and what a frozen one brings too late is dropped.
//!
//! An analysis of a call is an event like one that was posted: its body goes into the
//! inbox in the transaction that ends the claim. The body's time is of the call's
//! events, not of the clock, so a result that is made twice is the same event.
//!
//! A tenant's day may cost no more than its cap: a request counts with the most that
//! it may cost from its claim on, until its cost is known.

mod bolna;
mod claim;
pub mod control;
mod finish;
mod gate;
mod input;
mod openai;
mod openai_answer;
mod openai_schema;
mod provider;
mod retry;
mod rules;

use std::time::Duration;

use futures::future::join_all;
use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tallyline_queue::Hint;
use tallyline_secrets::SealingKey;
use uuid::Uuid;

use self::claim::{Claimed, Work};
pub use self::gate::BreakerOptions;
use self::gate::Gate;
use self::provider::{Failure, Outcome, Provider};

/// What bounds the work.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a claim holds; longer than a request may take.
    pub lease: Duration,
    /// A request that takes longer has failed.
    pub request_timeout: Duration,
    /// Attempts after which an analysis has failed.
    pub max_attempts: i32,
    /// The first wait before a retry lies between nothing and this; each next is twice as long.
    pub backoff: Duration,
    /// No wait of our own is longer.
    pub longest_backoff: Duration,
    /// Analyses without a request that one unit makes.
    pub batch: i64,
    /// Transcripts of one request, in bytes; what is beyond is cut out of the middle.
    pub max_transcript_bytes: usize,
    /// When an endpoint is taken to be out of order.
    pub breaker: BreakerOptions,
}

/// Why a unit could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The database refused or the connection broke.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What the drain works with; one a process, since it holds what is known of the
/// endpoints.
#[derive(Debug)]
pub struct Analyzer {
    pool: PgPool,
    http: reqwest::Client,
    sealing_key: SealingKey,
    options: Options,
    gate: Gate,
    /// Rung when analyses went into the inbox.
    inbox_hint: Hint,
}

/// What a tenant's API key is sealed for.
pub fn key_context(user_id: Uuid) -> String {
    format!("analysis key of {user_id}")
}

impl Analyzer {
    /// Nothing is known of any endpoint yet.
    pub fn new(
        pool: PgPool,
        http: reqwest::Client,
        sealing_key: SealingKey,
        options: Options,
        inbox_hint: Hint,
    ) -> Self {
        let gate = Gate::new(options.breaker.clone());
        Self { pool, http, sealing_key, options, gate, inbox_hint }
    }

    /// Makes the next analyses; returns how many were ended or put off.
    ///
    /// # Errors
    /// When the database refused; what was claimed is taken back when its time is over.
    pub async fn run_unit(&self) -> Result<usize, AnalysisError> {
        let Some(claimed) = claim::next(self).await? else { return Ok(0) };
        let Claimed { tenant, work, put_off, permit } = claimed;
        let Some(Work { provider, items, reserved }) = work else { return Ok(put_off) };
        pass::<sqlx::Error>(Point::AnalysesClaimed)?;
        let outcomes = join_all(items.into_iter().map(|item| {
            let provider = provider.as_ref();
            async move {
                let outcome = analyse(provider, &item).await;
                (item, outcome)
            }
        }))
        .await;
        let worked = outcomes.len();
        if let (Some(permit), [(item, outcome)]) = (permit, outcomes.as_slice()) {
            // Without a request nothing was learnt of the endpoint.
            if item.refusal.is_some() { permit.unused() } else { permit.end(tenant.user_id, outcome) }
        }
        let stored = finish::end(self, &tenant, provider.name(), reserved, outcomes).await?;
        if stored > 0 {
            self.inbox_hint.ring();
        }
        Ok(worked + put_off)
    }
}

/// One item, unless it is spent already.
async fn analyse(provider: &dyn Provider, item: &claim::Item) -> Outcome {
    if let Some(reason) = item.refusal {
        return Outcome { result: Err(Failure::of(reason)), usage: None };
    }
    let begun = tokio::time::Instant::now();
    let outcome = provider.analyse(&item.input).await;
    let result = match &outcome.result {
        Ok(_) => "succeeded",
        Err(failure) => failure.code,
    };
    metrics::counter!("tallyline_analysis_requests_total", "provider" => provider.name(), "result" => result)
        .increment(1);
    metrics::histogram!("tallyline_analysis_request_seconds", "provider" => provider.name())
        .record(begun.elapsed().as_secs_f64());
    outcome
}
