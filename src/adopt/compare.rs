//! The old figures, the old rows counted now, and ours, side by side.

use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::read::OldFigures;
use super::{AdoptError, Old, OldTenant};

/// One figure of a tenant, over all time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    pub name: &'static str,
    /// What the old daily figures add up to.
    pub old_stored: i64,
    /// What the old rows come to when they are counted.
    pub old_counted: i64,
    pub ours: i64,
    /// Why the old figures are not what the old rows come to.
    pub why_stored: &'static str,
    /// Why ours are not what the old rows come to.
    pub why_ours: &'static str,
}

/// All figures of a tenant.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    pub email: String,
    pub figures: Vec<Figure>,
    /// Old calls that could not be taken over: without the platform's id, or in quarantine.
    pub without_id: i64,
    pub quarantined: i64,
}

impl Comparison {
    /// Whether every old call and lead is ours, as far as it can be.
    pub fn is_complete(&self) -> bool {
        let missing = |name: &str| {
            let of = self.figures.iter().find(|figure| figure.name == name);
            of.map_or(0, |figure| figure.old_counted - figure.ours)
        };
        missing("calls") <= self.without_id && self.quarantined == 0
    }
}

/// Compares a tenant that was taken over; call it when everything is applied.
///
/// # Errors
/// When a database is away.
pub async fn compare(old: &mut Old, new: &PgPool, tenant: &OldTenant, user_id: Uuid) -> Result<Comparison, AdoptError> {
    let theirs = old.figures(tenant).await.map_err(AdoptError::Old)?;
    let ours = sqlx::query_file!("sql/adopt/our_figures.sql", user_id).fetch_one(new).await?;
    let credits = (ours.credits_micros + 500_000).div_euclid(1_000_000);
    let figures = figures(&theirs, [ours.calls, ours.successful, ours.minutes, credits, ours.leads]);
    let (without_id, quarantined) = (theirs.without_id, ours.quarantined);
    Ok(Comparison { email: tenant.email.clone(), figures, without_id, quarantined })
}

fn figures(old: &OldFigures, [calls, successful, minutes, credits, leads]: [i64; 5]) -> Vec<Figure> {
    let figure = |name, old_stored, old_counted, ours, why_stored, why_ours| Figure {
        name,
        old_stored,
        old_counted,
        ours,
        why_stored,
        why_ours,
    };
    vec![
        figure(
            "calls",
            old.stored_calls,
            old.counted_calls,
            calls,
            "calls under way were not counted, changed ones twice, repeated updates again (defects 06, 07, 08)",
            "calls without the platform's id are not taken over; calls that our webhooks told of are more",
        ),
        figure(
            "successful",
            old.stored_successful,
            old.counted_successful,
            successful,
            "a call that flipped stayed counted (06)",
            "successful is who was spoken to: a completed call of 0 seconds is one that nobody answered",
        ),
        figure(
            "minutes",
            old.stored_minutes,
            old.counted_minutes,
            minutes,
            "added when a call completed, mostly still 0 then (05)",
            "begun minutes of the talk, call by call",
        ),
        figure(
            "credits",
            old.stored_credits,
            old.counted_credits,
            credits,
            "added when a call completed, mostly still 0 then (05); text here, whole numbers there (30)",
            "by the tenant's pulse and price; the balance is put right by one entry",
        ),
        figure(
            "leads",
            old.stored_leads,
            old.counted_leads,
            leads,
            "leads before their call were lost, others counted twice (09, 10, 14)",
            "a call that nobody answered is no lead (41)",
        ),
    ]
}
