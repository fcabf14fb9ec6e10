//! What a handler is given: the tenant, if it is theirs; the operator, if they are
//! one; query and body, checked.

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};
use tallyline_jobs::admin_log;
use uuid::Uuid;

use super::problem::Fault;
use crate::accounts::guard::Gate;
use crate::accounts::{Principal, Role, Source};

const NO_TENANT: Fault = Fault::NotFound("no such tenant");

fn principal_of(parts: &Parts) -> Result<Principal, Fault> {
    let found = parts.extensions.get::<Principal>().cloned();
    found.ok_or_else(|| Fault::Other(StatusCode::UNAUTHORIZED, "sign in, or send an API token".to_owned()))
}

async fn path_part(parts: &mut Parts, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    params.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

/// The tenant `{id}` of the path. Whoever may not read it is answered as if it were
/// not there: a handler that takes this cannot forget to ask.
pub(super) struct Tenant {
    pub(super) id: Uuid,
    /// Its time zone.
    pub(super) zone: String,
    pub(super) principal: Principal,
}

impl FromRequestParts<Arc<Gate>> for Tenant {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Fault> {
        let principal = principal_of(parts)?;
        let text = path_part(parts, "id").await.ok_or(NO_TENANT)?;
        let id = text.parse::<Uuid>().ok().filter(|id| principal.may_read(*id)).ok_or(NO_TENANT)?;
        let zone = sqlx::query_file_scalar!("sql/dashboard/zone.sql", id).fetch_optional(&gate.pool).await?;
        Ok(Tenant { id, zone: zone.ok_or(NO_TENANT)?, principal })
    }
}

impl Tenant {
    /// A transaction that sees this tenant's rows and no others.
    pub(super) async fn read(&self, gate: &Gate) -> Result<Transaction<'static, Postgres>, Fault> {
        Ok(tallyline_db::pool::tenant_tx(&gate.pool, self.id).await?)
    }

    /// Fails unless they may change what is the tenant's.
    pub(super) fn change(&self) -> Result<(), Fault> {
        let own = self.principal.account.user_id == self.id;
        let least = if own { Role::User } else { Role::Admin };
        if self.principal.may_change(least) { Ok(()) } else { Err(Fault::Forbidden) }
    }

    /// A number as they may see it: whole to the tenant itself, its end to others.
    pub(super) fn number(&self, number: Option<String>) -> Option<String> {
        if self.principal.account.user_id == self.id { number } else { number.map(|number| masked(&number)) }
    }
}

/// The last four characters.
fn masked(number: &str) -> String {
    let count = number.chars().count();
    let end: String = number.chars().skip(count.saturating_sub(4)).collect();
    if count > 4 { format!("…{end}") } else { "…".to_owned() }
}

/// Somebody who runs the installation; for others the route is not there.
pub(super) struct Operator(pub(super) Principal);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let principal = principal_of(parts)?;
        if principal.is_operator() { Ok(Operator(principal)) } else { Err(Fault::NotFound("no such thing")) }
    }
}

/// An operator who may change things, and where they are.
pub(super) struct Changer {
    pub(super) principal: Principal,
    pub(super) source: Source,
}

impl FromRequestParts<Arc<Gate>> for Changer {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Fault> {
        let Operator(principal) = Operator::from_request_parts(parts, gate).await?;
        if !principal.may_change(Role::Admin) {
            return Err(Fault::Forbidden);
        }
        Ok(Changer { principal, source: source_of(parts, gate).await? })
    }
}

/// Where a request comes from, or what is wrong with what it says of that.
pub(super) async fn source_of(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Source, Fault> {
    let found = Source::from_request_parts(parts, gate).await;
    found.map_err(|status| Fault::Other(status, "the address of the client cannot be told".to_owned()))
}

/// [`Source`], turned away as a problem.
pub(super) struct Sent(pub(super) Source);

impl FromRequestParts<Arc<Gate>> for Sent {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Fault> {
        Ok(Sent(source_of(parts, gate).await?))
    }
}

/// One change, for the trail of operators' changes.
pub(super) struct Change<'a> {
    pub(super) action: &'a str,
    /// Type and id.
    pub(super) of: (&'a str, String),
    /// The tenant that it concerns.
    pub(super) tenant: Option<Uuid>,
    /// Before and after.
    pub(super) details: Value,
}

/// Records a change in the transaction that makes it.
pub(super) async fn record(
    db: &mut PgConnection,
    principal: &Principal,
    source: &Source,
    change: Change<'_>,
) -> Result<(), sqlx::Error> {
    let entry = admin_log::Entry {
        admin_user_id: principal.account.user_id,
        action: change.action,
        resource_type: change.of.0,
        resource_id: Some(change.of.1),
        target_user_id: change.tenant,
        details: change.details,
        address: Some(source.address_text()),
        user_agent: source.agent_text(),
    };
    admin_log::record(db, &entry).await
}

/// The part `{item}` of the path; one that cannot be an id is one that is not there.
pub(super) struct Item<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Item<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let text = path_part(parts, "item").await;
        text.and_then(|text| text.parse().ok()).map(Item).ok_or(Fault::NotFound("no such thing"))
    }
}

/// The query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(asked)| Asked(asked)).map_err(|error: QueryRejection| Fault::bad(error.body_text()))
    }
}

/// The body, JSON.
pub(super) struct Given<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(given)| Given(given)).map_err(|error: JsonRejection| match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => Fault::bad(error.body_text()),
            status => Fault::Other(status, error.body_text()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_number_the_end_is_shown() {
        assert_eq!(masked("+491701234567"), "…4567");
        assert_eq!(masked("1234"), "…");
        assert_eq!(masked(""), "…");
    }
}
