//! Contacts, leads and customers of a tenant.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Item, Tenant};
use super::page::{Answer, Cursor, Found, Page, freshness, lines};
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

const CONTACTS: &str = "Contacts and leads";
const CUSTOMERS: &str = "Customers";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/api/v1/tenants/{id}/contacts",
            contacts,
            about(CONTACTS, "Contacts, by id").asked::<ContactsAsked>().answers::<Page<ContactLine>>(),
        )
        .get("/api/v1/tenants/{id}/contacts/{item}", contact, about(CONTACTS, "A contact").answers::<Contact>())
        .get(
            "/api/v1/tenants/{id}/leads",
            leads,
            about(CONTACTS, "Leads, by contact: what all calls of a contact come to")
                .asked::<LeadsAsked>()
                .answers::<Page<Lead>>(),
        )
        .get("/api/v1/tenants/{id}/leads/{item}", lead, about(CONTACTS, "The lead of a contact").answers::<Lead>())
        .get(
            "/api/v1/tenants/{id}/customers",
            customers,
            about(CUSTOMERS, "Customers with their lifetime figures, by reference")
                .asked::<PageAsked>()
                .answers::<Customers>(),
        )
        .get(
            "/api/v1/tenants/{id}/customers/{item}",
            customer,
            about(CUSTOMERS, "A customer with its lifetime figures").answers::<CustomerShown>(),
        )
}

/// A page of a list without filters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PageAsked {
    /// 1 to 200, by default 50
    pub(super) limit: Option<i64>,
    pub(super) cursor: Option<String>,
}

/// Which contacts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ContactsAsked {
    /// In E.164
    phone: Option<String>,
    /// Whatever its case
    email: Option<String>,
    /// 1 to 200, by default 50
    limit: Option<i64>,
    cursor: Option<String>,
}

/// A contact in a list.
#[derive(Debug, Serialize, ToSchema)]
struct ContactLine {
    id: Uuid,
    name: String,
    phone_number: Option<String>,
    phone_e164: Option<String>,
    email: Option<String>,
    company: Option<String>,
    is_customer: bool,
    last_contact_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A contact.
#[derive(Debug, Serialize, ToSchema)]
struct Contact {
    #[serde(flatten)]
    contact: ContactLine,
    notes: Option<String>,
    customer_id: Option<Uuid>,
    not_connected: i32,
    call_attempted_busy: i32,
    call_attempted_no_answer: i32,
    call_attempted_failed: i32,
}

async fn contacts(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    Asked(asked): Asked<ContactsAsked>,
) -> Answer<Page<ContactLine>> {
    let lines = lines(asked.limit)?;
    let cursor = Cursor { list: "contacts", tenant: tenant.id };
    let after = cursor.read::<Uuid>(asked.cursor.as_deref())?.unwrap_or_default();
    let mut tx = tenant.read(&gate).await?;
    let rows = sqlx::query_file!("sql/api/contacts.sql", tenant.id, after, asked.phone, asked.email, lines + 1)
        .fetch_all(&mut *tx)
        .await?;
    Ok(Found(cursor.page(
        rows,
        lines,
        |row| row.id,
        |row| ContactLine {
            id: row.id,
            name: row.name,
            phone_number: tenant.number(Some(row.phone_number)),
            phone_e164: tenant.number(row.phone_e164),
            email: row.email,
            company: row.company,
            is_customer: row.is_customer,
            last_contact_at: row.last_contact_at,
            created_at: row.created_at,
        },
    )))
}

async fn contact(State(gate): State<Arc<Gate>>, tenant: Tenant, Item(id): Item<Uuid>) -> Answer<Contact> {
    let mut tx = tenant.read(&gate).await?;
    let row = sqlx::query_file!("sql/api/contact.sql", tenant.id, id).fetch_optional(&mut *tx).await?;
    let row = row.ok_or(Fault::NotFound("no such contact"))?;
    let contact = ContactLine {
        id: row.id,
        name: row.name,
        phone_number: tenant.number(Some(row.phone_number)),
        phone_e164: tenant.number(row.phone_e164),
        email: row.email,
        company: row.company,
        is_customer: row.is_customer,
        last_contact_at: row.last_contact_at,
        created_at: row.created_at,
    };
    Ok(Found(Contact {
        contact,
        notes: row.notes,
        customer_id: row.customer_id,
        not_connected: row.not_connected,
        call_attempted_busy: row.call_attempted_busy,
        call_attempted_no_answer: row.call_attempted_no_answer,
        call_attempted_failed: row.call_attempted_failed,
    }))
}

/// Which leads.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct LeadsAsked {
    /// hot, warm, cold or unqualified
    quality: Option<String>,
    /// 1 to 200, by default 50
    limit: Option<i64>,
    cursor: Option<String>,
}

/// What all calls of a contact come to.
#[derive(Debug, Serialize, ToSchema)]
struct Lead {
    contact_id: Uuid,
    name: String,
    phone_number: String,
    company: Option<String>,
    quality: Option<String>,
    total_score: Option<i32>,
    score_scale: i16,
    lead_status_tag: Option<String>,
    intent_level: Option<String>,
    urgency_level: Option<String>,
    budget_constraint: Option<String>,
    fit_alignment: Option<String>,
    engagement_health: Option<String>,
    latest_call_id: Option<Uuid>,
    previous_calls_analyzed: i32,
    analysis_timestamp: Option<DateTime<Utc>>,
    demo_scheduled_at: Option<DateTime<Utc>>,
    transcript_summary: Option<String>,
}

impl Lead {
    fn shown(self, tenant: &Tenant) -> Self {
        let phone_number = tenant.number(Some(self.phone_number)).unwrap_or_default();
        Lead { phone_number, ..self }
    }
}

async fn leads(State(gate): State<Arc<Gate>>, tenant: Tenant, Asked(asked): Asked<LeadsAsked>) -> Answer<Page<Lead>> {
    let lines = lines(asked.limit)?;
    let cursor = Cursor { list: "leads", tenant: tenant.id };
    let after = cursor.read::<Uuid>(asked.cursor.as_deref())?.unwrap_or_default();
    let mut tx = tenant.read(&gate).await?;
    let none: Option<Uuid> = None;
    let rows = sqlx::query_file_as!(Lead, "sql/api/leads.sql", tenant.id, after, none, asked.quality, lines + 1)
        .fetch_all(&mut *tx)
        .await?;
    Ok(Found(cursor.page(rows, lines, |lead| lead.contact_id, |lead| lead.shown(&tenant))))
}

async fn lead(State(gate): State<Arc<Gate>>, tenant: Tenant, Item(id): Item<Uuid>) -> Answer<Lead> {
    let mut tx = tenant.read(&gate).await?;
    let none: Option<String> = None;
    let row = sqlx::query_file_as!(Lead, "sql/api/leads.sql", tenant.id, Uuid::nil(), Some(id), none, 1)
        .fetch_optional(&mut *tx)
        .await?;
    Ok(Found(row.ok_or(Fault::NotFound("no such lead"))?.shown(&tenant)))
}

/// A customer: counted from its calls, those in history included.
#[derive(Debug, Serialize, ToSchema)]
struct Customer {
    id: Uuid,
    contact_id: Uuid,
    reference: String,
    name: String,
    status: String,
    conversion_date: DateTime<Utc>,
    total_calls: i64,
    successful_calls: i64,
    talk_seconds: i64,
    total_duration_minutes: i64,
    credits_micros: i64,
    cost_micros: i64,
    leads_generated: i64,
    first_call_at: Option<DateTime<Utc>>,
    last_call_at: Option<DateTime<Utc>>,
    last_interaction_date: Option<DateTime<Utc>>,
}

/// A page of customers.
#[derive(Debug, Serialize, ToSchema)]
struct Customers {
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    #[serde(flatten)]
    page: Page<Customer>,
}

/// One.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerShown {
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    customer: Customer,
}

async fn customers(State(gate): State<Arc<Gate>>, tenant: Tenant, Asked(asked): Asked<PageAsked>) -> Answer<Customers> {
    let lines = lines(asked.limit)?;
    let cursor = Cursor { list: "customers", tenant: tenant.id };
    let after = cursor.read::<String>(asked.cursor.as_deref())?.unwrap_or_default();
    let fresh = freshness(&gate.pool, tenant.id).await?;
    let mut tx = tenant.read(&gate).await?;
    let none: Option<Uuid> = None;
    let rows = sqlx::query_file_as!(Customer, "sql/api/customers.sql", tenant.id, after, none, lines + 1)
        .fetch_all(&mut *tx)
        .await?;
    let page = cursor.page(rows, lines, |customer| customer.reference.clone(), |customer| customer);
    Ok(Found(Customers { as_of: fresh.as_of, complete_until: fresh.complete_until, page }))
}

async fn customer(State(gate): State<Arc<Gate>>, tenant: Tenant, Item(id): Item<Uuid>) -> Answer<CustomerShown> {
    let fresh = freshness(&gate.pool, tenant.id).await?;
    let mut tx = tenant.read(&gate).await?;
    let row = sqlx::query_file_as!(Customer, "sql/api/customers.sql", tenant.id, "", Some(id), 1)
        .fetch_optional(&mut *tx)
        .await?;
    let customer = row.ok_or(Fault::NotFound("no such customer"))?;
    Ok(Found(CustomerShown { as_of: fresh.as_of, complete_until: fresh.complete_until, customer }))
}
