//! The jobs, one file each, and the registry that names them.
//!
//! Four of them are standing drains, which work through state and have no rows
//! of their own: [`process_call_events`] over the inbox, [`roll_up`] over the
//! marks, [`backfill`] over its units, [`deliver_notifications`] over what tenants are to be told. The others are kinds of the queue. A new job is a new file and a line
//! in [`registry`].

pub mod admin_log;
pub mod analyze_leads;
pub mod analyze_trends;
pub mod archive_calls;
pub mod audit_rollups;
pub mod backfill;
pub mod complete_leads;
pub mod deliver_notifications;
pub mod exact;
pub mod extend_calendar;
pub mod http;
mod lead_columns;
pub mod notify;
pub mod process_call_events;
pub mod provider_accounts;
pub mod purge_expired;
pub mod rebuild_all_dashboards;
pub mod rebuild_dashboards;
pub mod reconcile_all;
pub mod reconcile_calls;
pub mod refresh_kpi_summary;
pub mod remind_follow_ups;
pub mod requalify_leads;
pub mod roll_up;
pub mod settings;
pub mod verify;
pub mod verify_rollups;

pub use deliver_notifications::DeliverNotifications;

use sqlx::PgPool;
use tallyline_queue::{BoxError, Drain, DrainWork, Drained, Hint, QueueError, Registry};
use tallyline_secrets::SealingKey;

/// What jobs share.
#[derive(Debug)]
pub struct Deps {
    pub pool: PgPool,
    /// Speaks to other services.
    pub http: reqwest::Client,
    /// Opens keys that are sealed in the database.
    pub sealing_key: SealingKey,
    /// What the platform is set to at run time.
    pub settings: settings::SettingsHandle,
    /// Seconds after which a dashboard cache is rebuilt whether anything changed or not.
    pub dashboards_expire_seconds: u32,
    pub retention: purge_expired::Retention,
    pub audit: audit_rollups::Options,
    pub archive: archive_calls::Options,
    pub reconcile: reconcile_calls::Options,
    /// Rung when a job has put events into the inbox.
    pub inbox_hint: Hint,
}

/// Every kind of job, one line each.
///
/// # Errors
/// When two jobs have the same kind.
pub fn registry() -> Result<Registry<Deps>, QueueError> {
    Registry::new()
        .register::<analyze_trends::AnalyzeTrends>()?
        .register::<archive_calls::ArchiveCalls>()?
        .register::<audit_rollups::AuditRollups>()?
        .register::<extend_calendar::ExtendCalendar>()?
        .register::<purge_expired::PurgeExpired>()?
        .register::<rebuild_all_dashboards::RebuildAllDashboards>()?
        .register::<rebuild_dashboards::RebuildDashboards>()?
        .register::<reconcile_all::ReconcileAll>()?
        .register::<reconcile_calls::ReconcileCalls>()?
        .register::<refresh_kpi_summary::RefreshKpiSummary>()?
        .register::<requalify_leads::RequalifyLeads>()?
        .register::<remind_follow_ups::RemindFollowUps>()?
        .register::<verify_rollups::VerifyRollups>()
}

/// The drain over the inbox; wakes the roll-ups when it has changed calls.
pub struct ProcessCallEvents {
    pub pool: PgPool,
    pub options: process_call_events::Options,
    pub settings: settings::SettingsHandle,
    /// Rung after each batch.
    pub rollup_hint: Hint,
    /// The same for analyses that are to be made and contacts that are to be folded.
    pub leads_hint: Hint,
}

impl DrainWork for ProcessCallEvents {
    const NAME: &'static str = "process_call_events";

    async fn drain(&self) -> Result<Drained, BoxError> {
        let follow_up_default_days = self.settings.current().follow_up_default_days;
        let options = process_call_events::Options { follow_up_default_days, ..self.options.clone() };
        let worked = process_call_events::run_unit(&self.pool, &options).await?;
        if worked > 0 {
            self.rollup_hint.ring();
            self.leads_hint.ring();
        }
        Ok(Drained { worked })
    }
}

/// The drain over the analyses that are to be made.
pub struct AnalyzeLeads {
    pub analyzer: analyze_leads::Analyzer,
}

impl DrainWork for AnalyzeLeads {
    const NAME: &'static str = "analyze_leads";

    async fn drain(&self) -> Result<Drained, BoxError> {
        Ok(Drained { worked: self.analyzer.run_unit().await? })
    }
}

/// The drain over the marks of contacts.
pub struct CompleteLeads {
    pub pool: PgPool,
}

impl DrainWork for CompleteLeads {
    const NAME: &'static str = "complete_leads";

    async fn drain(&self) -> Result<Drained, BoxError> {
        Ok(Drained { worked: complete_leads::run_unit(&self.pool).await? })
    }
}

/// The drain over the marks.
pub struct RollUp {
    pub pool: PgPool,
    pub options: roll_up::Options,
}

impl DrainWork for RollUp {
    const NAME: &'static str = "roll_up";

    async fn drain(&self) -> Result<Drained, BoxError> {
        Ok(Drained { worked: roll_up::run_unit(&self.pool, &self.options).await? })
    }
}

/// The drain over the units of backfills; wakes the roll-ups for the marks that it leaves.
pub struct Backfill {
    pool: PgPool,
    options: backfill::Options,
    rollup_hint: Hint,
    pause: backfill::Pause,
}

impl Backfill {
    pub fn new(pool: PgPool, options: backfill::Options, rollup_hint: Hint) -> Self {
        Self { pool, options, rollup_hint, pause: backfill::Pause::default() }
    }
}

impl DrainWork for Backfill {
    const NAME: &'static str = "backfill";

    async fn drain(&self) -> Result<Drained, BoxError> {
        let worked = backfill::run_unit(&self.pool, &self.options, &self.pause).await?;
        if worked > 0 {
            self.rollup_hint.ring();
        }
        Ok(Drained { worked })
    }
}

/// The drain of events with its concurrency.
pub fn process_drain(work: ProcessCallEvents, inbox_hint: &Hint, concurrency: usize) -> Drain<ProcessCallEvents> {
    Drain::new(work).hint(inbox_hint).concurrency(concurrency)
}

/// The drain of analyses; each unit may be a request, so its concurrency bounds those.
pub fn analyze_drain(work: AnalyzeLeads, leads_hint: &Hint, concurrency: usize) -> Drain<AnalyzeLeads> {
    Drain::new(work).hint(leads_hint).concurrency(concurrency)
}

/// The drain of contacts' marks.
pub fn complete_drain(work: CompleteLeads, leads_hint: &Hint) -> Drain<CompleteLeads> {
    Drain::new(work).hint(leads_hint)
}

/// The drain of marks with its concurrency.
pub fn roll_up_drain(work: RollUp, rollup_hint: &Hint, concurrency: usize) -> Drain<RollUp> {
    Drain::new(work).hint(rollup_hint).concurrency(concurrency)
}

/// The drain of backfills with its concurrency.
pub fn backfill_drain(work: Backfill, concurrency: usize) -> Drain<Backfill> {
    Drain::new(work).concurrency(concurrency)
}
