//! Checks of what the database holds. Each is a statement that returns what is
//! not as it should be, with the command that mends it; no row: all is well.

use sqlx::PgPool;

use super::{About, Check, Limits, State, some};
use crate::config::Config;

/// One of them.
pub(super) struct Rule {
    pub(super) about: About,
    /// What a row of the statement comes to.
    severity: State,
    /// Parameter `$1` of the statement, if it has one.
    limit: Option<fn(&Config, &Limits) -> f64>,
    sql: &'static str,
}

impl Rule {
    /// Looks; what cannot be looked at says so.
    pub(super) async fn look(&self, pool: &PgPool, config: &Config, limits: &Limits) -> Check {
        let mut query = sqlx::query_as::<_, (String, String)>(self.sql);
        if let Some(limit) = self.limit {
            query = query.bind(limit(config, limits));
        }
        let rows = match query.fetch_all(pool).await {
            Ok(rows) => rows,
            Err(error) => return self.about.unknown(error),
        };
        let findings: Vec<String> = rows.iter().map(|(finding, _)| finding.clone()).collect();
        match rows.into_iter().next() {
            None => self.about.ok("nothing found"),
            Some((_, mend)) => self.about.end(self.severity, some(&findings), Some(mend)),
        }
    }
}

macro_rules! rule {
    ($severity:ident, $name:literal, $file:literal, $limit:expr, $looks_at:literal, $meaning:literal) => {
        Rule {
            about: About { name: $name, looks_at: $looks_at, meaning: $meaning },
            severity: State::$severity,
            limit: $limit,
            sql: include_str!(concat!("../../", $file)),
        }
    };
}

pub(super) const RULES: [Rule; 35] = [
    rule!(
        Warning,
        "long-transactions",
        "sql/doctor/long_transactions.sql",
        Some(|_, limits| limits.transaction_seconds),
        "transactions that stay open",
        "rows that are gone cannot be vacuumed away, and a claim of a job reads over all of them"
    ),
    rule!(
        Problem,
        "table-vacuum",
        "sql/doctor/table_vacuum.sql",
        None,
        "tables of ours whose vacuum somebody turned off",
        "they grow without end, and everything that reads them gets slower"
    ),
    rule!(
        Warning,
        "dead-rows",
        "sql/doctor/dead_rows.sql",
        Some(|_, limits| limits.dead_rows),
        "rows that are gone, in tables whose rows come and go",
        "vacuum does not keep up, or a transaction holds it back; claims get slower"
    ),
    rule!(
        Warning,
        "history-partitions",
        "sql/doctor/history_partitions.sql",
        None,
        "that job_history has a partition for tomorrow",
        "what ends tomorrow lands in the default partition, where it can only be deleted row by row"
    ),
    rule!(
        Problem,
        "calendar",
        "sql/doctor/calendar.sql",
        None,
        "that the calendar of every zone in use reaches a year ahead",
        "calls on days without a calendar are in no day and no month"
    ),
    rule!(
        Problem,
        "zones",
        "sql/doctor/zones.sql",
        None,
        "that the server knows every tenant's time zone",
        "no hour, day or month of these tenants can be told from another"
    ),
    rule!(
        Problem,
        "workers",
        "sql/doctor/workers.sql",
        None,
        "that a process is alive",
        "nothing is applied, recomputed or sent"
    ),
    rule!(
        Problem,
        "queues-served",
        "sql/doctor/queues_served.sql",
        None,
        "that queues with due jobs are served by a living process",
        "these jobs wait for ever, since no process was started to take them"
    ),
    rule!(
        Warning,
        "jobs-late",
        "sql/doctor/jobs_late.sql",
        Some(|_, limits| limits.job_seconds),
        "jobs that have been due for long in a served queue",
        "there is more work than the processes do; what it makes is late"
    ),
    rule!(
        Problem,
        "jobs-overdue",
        "sql/doctor/jobs_overdue.sql",
        Some(|_, limits| limits.late_seconds),
        "jobs that run past their deadline",
        "their process neither ended them nor gave them back; they hold a place and a lease"
    ),
    rule!(
        Warning,
        "queues-paused",
        "sql/doctor/queues_paused.sql",
        None,
        "queues and kinds of jobs that were paused",
        "their jobs wait until somebody lets them go on"
    ),
    rule!(
        Warning,
        "dead-jobs",
        "sql/doctor/dead_jobs.sql",
        None,
        "jobs that were given up",
        "what they should have done was not done"
    ),
    rule!(
        Warning,
        "schedules-paused",
        "sql/doctor/schedules_paused.sql",
        None,
        "schedules that were paused",
        "what they start does not run, over restarts too"
    ),
    rule!(
        Problem,
        "schedules-late",
        "sql/doctor/schedules_late.sql",
        Some(|_, limits| limits.late_seconds),
        "schedules whose time has passed",
        "no scheduler is alive, or it cannot read them: nothing starts by the clock"
    ),
    rule!(
        Warning,
        "inbox-lag",
        "sql/doctor/inbox_lag.sql",
        Some(|_, limits| limits.lag_seconds),
        "webhooks that wait to be applied",
        "calls of the last minutes are in no figure yet"
    ),
    rule!(
        Warning,
        "marks-lag",
        "sql/doctor/marks_lag.sql",
        Some(|_, limits| limits.lag_seconds),
        "buckets that wait to be recomputed",
        "stored figures are behind by that much; pages and API say so"
    ),
    rule!(
        Problem,
        "failing-buckets",
        "sql/doctor/failing_buckets.sql",
        None,
        "buckets that cannot be recomputed",
        "their figures are old and stay so until the cause is mended"
    ),
    rule!(
        Warning,
        "spools",
        "sql/doctor/spools.sql",
        None,
        "webhooks in the spools of receivers",
        "they were answered 202 and are in no figure yet"
    ),
    rule!(
        Warning,
        "unknown-agents",
        "sql/doctor/unknown_agents.sql",
        None,
        "webhooks of agents that nobody added",
        "their calls are counted when the agent is, and not before"
    ),
    rule!(
        Warning,
        "quarantine",
        "sql/doctor/quarantine.sql",
        None,
        "webhooks that could not be applied, or were refused at the door",
        "what they tell is in no figure"
    ),
    rule!(
        Warning,
        "tenants-without-endpoint",
        "sql/doctor/tenants_without_endpoint.sql",
        None,
        "that every active tenant has an endpoint in use",
        "no provider can send anything of these tenants"
    ),
    rule!(
        Warning,
        "tenants-without-agent",
        "sql/doctor/tenants_without_agent.sql",
        None,
        "that every active tenant has an agent",
        "all of its webhooks wait in quarantine"
    ),
    rule!(
        Warning,
        "previous-secrets",
        "sql/doctor/previous_secrets.sql",
        Some(|_, limits| limits.expiry_seconds),
        "previous secrets that are still accepted for long",
        "who knows the old secret can still send webhooks"
    ),
    rule!(
        Problem,
        "verify-differences",
        "sql/doctor/verify_differences.sql",
        None,
        "figures that differed from the calls in the last 26 hours",
        "figures were wrong; they have been marked, so they are recomputed, but the cause is still there"
    ),
    rule!(
        Warning,
        "verify-stale",
        "sql/doctor/verify_stale.sql",
        Some(|_, limits| limits.verify_seconds),
        "that everything has been verified lately",
        "nobody has counted the calls again: a wrong figure would not be known"
    ),
    rule!(
        Warning,
        "kpi-view",
        "sql/doctor/kpi_view.sql",
        Some(|_, limits| limits.view_seconds),
        "when the KPI view was refreshed",
        "its rolling windows end before today"
    ),
    rule!(
        Warning,
        "dashboards",
        "sql/doctor/dashboards.sql",
        Some(|_, limits| limits.view_seconds),
        "dashboard caches that nobody has rebuilt",
        "pages show old figures, with their age, or compute them anew at each visit"
    ),
    rule!(
        Warning,
        "backfills",
        "sql/doctor/backfills.sql",
        None,
        "backfills that are paused or have failed",
        "days that somebody wanted made anew are not"
    ),
    rule!(
        Warning,
        "super-admin",
        "sql/doctor/super_admin.sql",
        None,
        "that somebody can sign in as super_admin",
        "whoever gets hold of the first-run link, which is good until then, becomes the first one"
    ),
    rule!(
        Warning,
        "api-tokens",
        "sql/doctor/api_tokens.sql",
        Some(|_, limits| limits.expiry_seconds),
        "API tokens that end soon",
        "programs that use them are answered 401 from then on"
    ),
    rule!(
        Warning,
        "analyses-without-provider",
        "sql/doctor/analyses_without_provider.sql",
        None,
        "analyses that wait though the tenant has no provider for them",
        "these calls never become leads"
    ),
    rule!(
        Warning,
        "analyses-failed",
        "sql/doctor/analyses_failed.sql",
        None,
        "analyses that failed in the last day",
        "these calls have no lead"
    ),
    rule!(
        Warning,
        "notification-endpoints",
        "sql/doctor/notification_endpoints.sql",
        None,
        "tenants' endpoints that were taken out of use since they answered that they are gone",
        "these tenants are told nothing any more"
    ),
    rule!(
        Warning,
        "provider-accounts",
        "sql/doctor/provider_accounts.sql",
        None,
        "accounts at providers that cannot be asked",
        "what no webhook told stays unknown"
    ),
    rule!(
        Warning,
        "retention",
        "sql/doctor/retention.sql",
        Some(|config, _| f64::from(config.retention.inbox_body_days + 2)),
        "raw bodies past retention.inbox_body_days",
        "the nightly purge does not run: personal data is kept for longer than was said"
    ),
];
