//! `reconcile_calls`: what a tenant's providers know and no webhook has told us.
//!
//! The provider is asked, and what it answers goes into the inbox as if it had been
//! sent, so that merging and deduplication are those of webhooks. A watermark per
//! account says up to when the provider's list was read and stored; it moves only
//! then, so a run that dies is simply read again. No transaction is open while a
//! provider is asked.
//!
//! Single calls are asked for too: those that never ended, again and again ever more
//! seldom, and those of which two ends were told, once. The answer decides by the
//! order of events like any other.

mod bolna;
mod client;
mod failure;
mod inbox;
mod rate;
mod twilio;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_model::Provider;
use tallyline_queue::{Backoff, Hint, Job, JobContext, JobError};
use uuid::Uuid;

use self::client::Client;
pub use self::client::MAX_BODY_BYTES;
pub use self::failure::Failure;
pub use self::inbox::ENDPOINT;
use crate::Deps;
use crate::provider_accounts::{self, Account};

/// Refs looked up or fetched for by one statement.
const BATCH: i64 = 100;

/// The longest window that Bolna lists is 7 days; the overlap comes on top of this.
const MAX_WINDOW_HOURS: u32 = 7 * 24 - 1;

/// No provider is asked about the same call again sooner.
const LEAST_PAUSE_SECONDS: f64 = 60.0;

/// How providers are asked, and about what.
#[derive(Debug, Clone)]
pub struct Options {
    pub bolna_requests_per_minute: u32,
    pub twilio_requests_per_minute: u32,
    /// A call without an end is asked for by its id when it began so long ago …
    pub stuck_after_minutes: u32,
    /// … and no more when it began so long ago.
    pub stuck_days: u32,
    /// Read again before the watermark.
    pub look_back_hours: u32,
    /// How far back the first run goes.
    pub first_days: u32,
    /// Length of one window of Bolna's list; 167 at most.
    pub window_hours: u32,
    /// Ids held at once: a window with more executions is halved.
    pub max_window_ids: usize,
    /// Of one request, answer included.
    pub timeout: Duration,
    /// Before a request that failed is made again; doubled each time.
    pub retry_pause: Duration,
    /// Requests made for one answer.
    pub max_tries: u32,
}

/// The tenant is the job's own; the payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReconcileCalls {}

impl Job for ReconcileCalls {
    type State = Deps;
    const KIND: &'static str = "reconcile_calls";
    /// Of its own: who waits for providers keeps nobody else waiting.
    const QUEUE: &'static str = "reconcile";
    const MAX_ATTEMPTS: i32 = 5;
    const DEADLINE: Duration = Duration::from_secs(3600);
    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(60), cap: Duration::from_secs(1800) };
    const PRIORITY: i16 = 2;

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let Some(user_id) = ctx.job.user_id else {
            return Err(JobError::fatal("reconcile_calls needs a tenant"));
        };
        let deps = &ctx.state;
        let surroundings = Surroundings {
            pool: &deps.pool,
            http: &deps.http,
            sealing_key: &deps.sealing_key,
            inbox_hint: &deps.inbox_hint,
            options: &deps.reconcile,
        };
        run_tenant(&surroundings, user_id).await.map_err(Failure::into_job_error)
    }
}

/// What a run needs.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    pub pool: &'a PgPool,
    pub http: &'a reqwest::Client,
    pub sealing_key: &'a tallyline_secrets::SealingKey,
    pub inbox_hint: &'a Hint,
    pub options: &'a Options,
}

/// Reconciles every account in use of a tenant. One that fails does not keep the next from its turn.
///
/// # Errors
/// The first failure that another run may not meet. A key that is refused is none: its account is
/// taken out of use, with the reason.
pub async fn run_tenant(with: &Surroundings<'_>, user_id: Uuid) -> Result<(), Failure> {
    let found = provider_accounts::in_use(with.pool, with.sealing_key, user_id).await?;
    if found.is_empty() {
        metrics::counter!("tallyline_reconcile_skipped_total").increment(1);
        tracing::info!(%user_id, "tenant has no provider account in use, or is not active: nothing to reconcile");
    }
    let mut failed = None;
    for found in found {
        let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(with.pool).await?;
        let outcome = match &found.account {
            Ok(account) => run_account(with, account, now).await,
            Err(_) => Err(Failure::KeyNotOpened),
        };
        let code = outcome.as_ref().err().map(Failure::code);
        sqlx::query_file!("../sql/reconcile/note_run.sql", user_id, found.provider.as_str(), now, code)
            .execute(with.pool)
            .await?;
        match outcome {
            Ok(()) => {}
            Err(Failure::Unauthorized(status)) => disable(with.pool, &found, user_id, status).await?,
            Err(failure) => {
                tracing::warn!(%user_id, provider = found.provider.as_str(), %failure, "reconciliation failed");
                failed = failed.or(Some(failure));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn run_account(with: &Surroundings<'_>, account: &Account, now: DateTime<Utc>) -> Result<(), Failure> {
    let run = Run {
        pool: with.pool,
        inbox_hint: with.inbox_hint,
        client: Client::new(with.http, account, with.options),
        account,
        options: with.options,
        now,
    };
    match account.provider {
        Provider::Twilio => twilio::reconcile(&run).await,
        _ => bolna::reconcile(&run).await,
    }
}

/// A key that is refused today is refused tomorrow: the account rests until somebody sets it again. One
/// that was set while we asked with the old key stays in use.
async fn disable(
    pool: &PgPool,
    found: &provider_accounts::Found,
    user_id: Uuid,
    status: u16,
) -> Result<(), sqlx::Error> {
    let provider = found.provider.as_str();
    let reason = format!("http_{status}");
    let done =
        sqlx::query_file!("../sql/reconcile/disable_account.sql", user_id, provider, reason, Some(&found.sealed_key))
            .execute(pool)
            .await?;
    if done.rows_affected() > 0 {
        metrics::counter!("tallyline_reconcile_accounts_disabled_total", "provider" => provider).increment(1);
        tracing::error!(%user_id, provider, status, "the provider refuses the key; its account is out of use until it is set again");
    }
    Ok(())
}

/// One run over one account.
struct Run<'a> {
    pool: &'a PgPool,
    inbox_hint: &'a Hint,
    client: Client<'a>,
    account: &'a Account,
    options: &'a Options,
    /// The database's time at which it began.
    now: DateTime<Utc>,
}

/// An execution or CallSid to ask about.
#[derive(Debug)]
struct Wanted {
    id: String,
    /// Status and seconds of the list that it is asked for by.
    listed: Option<String>,
    /// Digest of the contradicting ends that it is asked for because of.
    conflict: Option<String>,
}

impl Wanted {
    /// One that has not ended.
    fn stuck(id: String) -> Self {
        Self { id, listed: None, conflict: None }
    }

    fn conflict(id: String, ends: String) -> Self {
        Self { id, listed: None, conflict: Some(ends) }
    }
}

/// What a provider said about one execution or CallSid.
struct Check {
    wanted: Wanted,
    result: &'static str,
}

impl Check {
    fn found(wanted: Wanted) -> Self {
        Self { wanted, result: "found" }
    }

    /// The provider does not know it: seen on the status screen, and asked again ever more seldom. Nothing is made up.
    fn unknown(wanted: Wanted) -> Self {
        Self { wanted: Wanted { listed: None, ..wanted }, result: "unknown" }
    }

    /// The answer cannot be used: too large, or about something else.
    fn refused(wanted: Wanted) -> Self {
        Self { wanted, result: "refused" }
    }
}

impl Run<'_> {
    /// From when on the provider's list is read.
    fn start(&self) -> DateTime<Utc> {
        let start = match self.account.reconciled_until {
            Some(until) => until - TimeDelta::hours(i64::from(self.options.look_back_hours)),
            None => self.now - TimeDelta::days(i64::from(self.options.first_days)),
        };
        self.account.frozen_before.map_or(start, |frozen| start.max(frozen))
    }

    /// Calls that began between these and have not ended, or ended in two ways, are asked for by their ids.
    fn stuck_between(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let oldest = self.now - TimeDelta::days(i64::from(self.options.stuck_days));
        let oldest = self.account.frozen_before.map_or(oldest, |frozen| oldest.max(frozen));
        (oldest, self.now - TimeDelta::minutes(i64::from(self.options.stuck_after_minutes)))
    }

    /// Moves the watermark: everything up to `until` was read and is stored.
    async fn advance(&self, until: DateTime<Utc>) -> Result<(), Failure> {
        let provider = self.account.provider.as_str();
        sqlx::query_file!(
            "../sql/reconcile/advance.sql",
            self.account.user_id,
            provider,
            until,
            self.account.stored_base_url,
            self.account.account_sid,
        )
        .execute(self.pool)
        .await?;
        metrics::counter!("tallyline_reconcile_windows_total", "provider" => provider).increment(1);
        Ok(())
    }

    async fn note(&self, checks: Vec<Check>) -> Result<(), Failure> {
        if checks.is_empty() {
            return Ok(());
        }
        let (mut ids, mut results, mut listed, mut conflicts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for Check { wanted, result } in checks {
            ids.push(wanted.id);
            results.push(result);
            listed.push(wanted.listed);
            conflicts.push(wanted.conflict);
        }
        let pause_seconds = (f64::from(self.options.stuck_after_minutes) * 60.0).max(LEAST_PAUSE_SECONDS);
        sqlx::query_file!(
            "../sql/reconcile/note_checks.sql",
            self.account.user_id,
            self.account.provider.as_str(),
            &ids,
            &results as &[&str],
            &listed as &[Option<String>],
            self.now,
            pause_seconds,
            &conflicts as &[Option<String>],
        )
        .execute(self.pool)
        .await?;
        Ok(())
    }

    /// Forgets that calls were unknown whose end has come since.
    async fn forget_known(&self) -> Result<(), Failure> {
        let provider = self.account.provider.as_str();
        sqlx::query_file!(
            "../sql/reconcile/forget_known.sql",
            self.account.user_id,
            provider,
            &twilio::ENDS as &[&str]
        )
        .execute(self.pool)
        .await?;
        Ok(())
    }

    fn count_page(&self) {
        metrics::counter!("tallyline_reconcile_pages_total", "provider" => self.account.provider.as_str()).increment(1);
    }

    fn count_oversized(&self) {
        metrics::counter!("tallyline_reconcile_oversized_total", "provider" => self.account.provider.as_str())
            .increment(1);
    }
}
