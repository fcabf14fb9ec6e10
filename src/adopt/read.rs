//! The old database, read-only and in one snapshot.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// An open snapshot. Dropping it ends it; nothing was written.
pub struct Old(PgConnection);

/// A tenant of the old database.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct OldTenant {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    /// Where its version had one.
    pub timezone: Option<String>,
    /// Balance in millionths of a credit.
    pub credits_micros: i64,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct OldAgent {
    pub(super) bolna_agent_id: String,
    pub(super) name: String,
}

/// What the old daily figures add up to, and what the old rows come to now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct OldFigures {
    pub(super) stored_calls: i64,
    pub(super) stored_successful: i64,
    pub(super) stored_leads: i64,
    pub(super) stored_minutes: i64,
    pub(super) stored_credits: i64,
    pub(super) counted_calls: i64,
    pub(super) counted_successful: i64,
    pub(super) counted_leads: i64,
    pub(super) counted_minutes: i64,
    pub(super) counted_credits: i64,
    pub(super) without_id: i64,
}

/// Rows one after the other; each is a text, or nothing where a row says nothing.
pub(super) struct Texts<'a>(BoxStream<'a, Result<Option<String>, sqlx::Error>>);

impl Texts<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<Option<String>>, sqlx::Error> {
        self.0.try_next().await
    }
}

impl Old {
    /// Opens the snapshot.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut connection).await?;
        // Times as the statements write them: with their offset, whatever the role's zone.
        sqlx::query("SET LOCAL TimeZone = 'UTC'").execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Tenants that have agents or calls; of these addresses only, if any are given.
    ///
    /// # Errors
    /// When the tables are not there.
    pub async fn tenants(&mut self, emails: &[String]) -> Result<Vec<OldTenant>, sqlx::Error> {
        let all: Vec<OldTenant> =
            sqlx::query_as(include_str!("../../sql/adopt/old_tenants.sql")).fetch_all(&mut self.0).await?;
        let is_wanted = |tenant: &OldTenant| emails.iter().any(|email| email.eq_ignore_ascii_case(&tenant.email));
        Ok(all.into_iter().filter(|tenant| emails.is_empty() || is_wanted(tenant)).collect())
    }

    pub(super) async fn agents(&mut self, tenant: &OldTenant) -> Result<Vec<OldAgent>, sqlx::Error> {
        sqlx::query_as(include_str!("../../sql/adopt/old_agents.sql")).bind(tenant.id).fetch_all(&mut self.0).await
    }

    pub(super) async fn figures(&mut self, tenant: &OldTenant) -> Result<OldFigures, sqlx::Error> {
        sqlx::query_as(include_str!("../../sql/adopt/old_figures.sql")).bind(tenant.id).fetch_one(&mut self.0).await
    }

    pub(super) fn contacts(&mut self, tenant: &OldTenant) -> Texts<'_> {
        self.texts(include_str!("../../sql/adopt/old_contacts.sql"), tenant)
    }

    pub(super) fn calls(&mut self, tenant: &OldTenant) -> Texts<'_> {
        self.texts(include_str!("../../sql/adopt/old_calls.sql"), tenant)
    }

    pub(super) fn analyses(&mut self, tenant: &OldTenant) -> Texts<'_> {
        self.texts(include_str!("../../sql/adopt/old_analyses.sql"), tenant)
    }

    fn texts(&mut self, statement: &'static str, tenant: &OldTenant) -> Texts<'_> {
        Texts(sqlx::query_scalar(statement).bind(tenant.id).fetch(&mut self.0).boxed())
    }
}
