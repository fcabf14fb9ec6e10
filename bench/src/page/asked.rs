//! What each page and each GET of the API is asked for: typical filters, of several
//! tenants. A route that is not here is an error, so that none is forgotten.

use chrono::NaiveDate;
use uuid::Uuid;

/// A tenant and what its pages show.
#[derive(Debug, Clone)]
pub struct Sample {
    pub tenant: Uuid,
    pub agent: Uuid,
    /// One with events.
    pub call: Uuid,
    /// The one with most calls.
    pub contact: Uuid,
    /// A contact with an analysis of all its calls.
    pub lead: Uuid,
    pub customer: Uuid,
    pub quarantined: i64,
    /// Local days, the last today.
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
}

/// What pages of operators show.
#[derive(Debug, Clone)]
pub struct Platform {
    pub job: i64,
    pub schedule: String,
    pub backfill: Uuid,
    pub audit_entry: Uuid,
    pub account: Uuid,
}

/// The addresses under which `path` is asked for; none: nobody said how.
pub fn addresses(path: &str, samples: &[Sample], platform: &Platform) -> Option<Vec<String>> {
    if path == "/" || path.starts_with("/tenants/{id}") || path.starts_with("/api/v1/tenants/{id}") {
        let of_tenants: Option<Vec<Vec<String>>> = samples.iter().map(|sample| of_tenant(path, sample)).collect();
        return Some(of_tenants?.concat());
    }
    of_platform(path, samples, platform)
}

fn with(path: &str, queries: &[String]) -> Vec<String> {
    queries.iter().map(|query| format!("{path}{query}")).collect()
}

fn texts(queries: &[&str]) -> Vec<String> {
    queries.iter().map(|query| (*query).to_owned()).collect()
}

fn of_tenant(path: &str, s: &Sample) -> Option<Vec<String>> {
    let dates = format!("from={}&to={}", s.first_day, s.last_day);
    let month = format!("from={}&to={}", s.last_day - chrono::TimeDelta::days(29), s.last_day);
    let tenant = s.tenant.to_string();
    let here = path.replace("{id}", &tenant);
    let item = |id: String| here.replace("{item}", &id).replace("{call_id}", &id).replace("{contact_id}", &id);
    Some(match path {
        "/" => [7, 30, 90].map(|days| format!("/?tenant={tenant}&days={days}")).to_vec(),
        "/tenants/{id}/calls" => with(&here, &page_filters(s, &dates)),
        "/tenants/{id}/agents" => with(&here, &[String::new(), format!("?{dates}")]),
        "/tenants/{id}/agents/{agent_id}" => {
            with(&here.replace("{agent_id}", &s.agent.to_string()), &texts(&["", "?days=90"]))
        }
        "/tenants/{id}/leads" => with(&here, &texts(&["", "?sort=score"])),
        "/tenants/{id}/customers" => with(&here, &texts(&[""])),
        "/tenants/{id}/follow-ups" => {
            with(&here, &texts(&["", "?show=overdue", "?show=coming", "?show=completed", "?show=cancelled"]))
        }
        "/tenants/{id}/credits" => with(&here, &[String::new(), format!("?{dates}")]),
        "/tenants/{id}/calls/{call_id}" | "/api/v1/tenants/{id}/calls/{item}" => vec![item(s.call.to_string())],
        "/tenants/{id}/leads/{contact_id}" | "/api/v1/tenants/{id}/contacts/{item}" => {
            vec![item(s.contact.to_string()), item(s.lead.to_string())]
        }
        "/api/v1/tenants/{id}/leads/{item}" => vec![item(s.lead.to_string())],
        "/api/v1/tenants/{id}/customers/{item}" => vec![item(s.customer.to_string())],
        "/api/v1/tenants/{id}/quarantine/{item}" => vec![item(s.quarantined.to_string())],
        "/api/v1/tenants/{id}/calls" => with(&here, &api_filters(s, &dates)),
        "/api/v1/tenants/{id}/agents" | "/api/v1/tenants/{id}/credits/usage" => {
            with(&here, &[String::new(), format!("?{dates}")])
        }
        "/api/v1/tenants/{id}/figures" => with(
            &here,
            &[
                format!("?grain=hour&{month}"),
                format!("?grain=day&{dates}"),
                format!("?grain=day&{dates}&by_agent=true"),
                format!("?grain=day&{month}&sets=true"),
                format!("?grain=month&{dates}&sets=true"),
            ],
        ),
        "/api/v1/tenants/{id}/periods" => {
            with(&here, &[String::new(), format!("?type=weekly&{dates}"), format!("?type=monthly&{dates}")])
        }
        "/api/v1/tenants/{id}/leads" => with(&here, &texts(&["", "?quality=hot&limit=200"])),
        "/api/v1/tenants/{id}/contacts" => {
            with(&here, &texts(&["", "?limit=200", "?phone=%2B12020000001", "?email=contact-1@example.test"]))
        }
        "/api/v1/tenants/{id}/follow-ups" => with(&here, &texts(&["", "?status=completed&limit=200"])),
        "/api/v1/tenants/{id}/credits/ledger"
        | "/api/v1/tenants/{id}/customers"
        | "/api/v1/tenants/{id}/quarantine" => with(&here, &texts(&["", "?limit=200"])),
        "/api/v1/tenants/{id}"
        | "/api/v1/tenants/{id}/credits"
        | "/api/v1/tenants/{id}/endpoints"
        | "/api/v1/tenants/{id}/freshness"
        | "/api/v1/tenants/{id}/overview"
        | "/api/v1/tenants/{id}/trends" => vec![here],
        _ => return None,
    })
}

fn page_filters(s: &Sample, dates: &str) -> Vec<String> {
    vec![
        String::new(),
        format!("?{dates}"),
        format!("?{dates}&agent={}", s.agent),
        format!("?{dates}&outcome=busy"),
        format!("?{dates}&lead=hot"),
        format!("?{dates}&min_s=600"),
        format!("?{dates}&weekday=1&hour=10"),
        format!("?{dates}&outcome=answered&direction=inbound&source=internet"),
        format!("?{dates}&agent={}&lead=qualified&direction=inbound", s.agent),
        // Nothing passes: as much is looked at as a page ever looks at.
        format!("?{dates}&outcome=cancelled"),
    ]
}

fn api_filters(s: &Sample, dates: &str) -> Vec<String> {
    vec![
        String::new(),
        format!("?{dates}&limit=200"),
        format!("?{dates}&agent={}", s.agent),
        format!("?{dates}&contact={}", s.contact),
        format!("?{dates}&outcome=busy&direction=inbound"),
        format!("?{dates}&outcome=cancelled"),
    ]
}

fn of_platform(path: &str, samples: &[Sample], p: &Platform) -> Option<Vec<String>> {
    let tenant = samples.first()?.tenant;
    let states = ["", "?state=dead", "?state=failed", "?state=succeeded", "?state=delayed"];
    Some(match path {
        "/operate/jobs" => {
            [with(path, &texts(&states)), vec![format!("{path}?tenant={tenant}&state=succeeded")]].concat()
        }
        "/operate/jobs/many" => with(path, &texts(&["?what=replay", "?what=cancel&state=delayed"])),
        "/operate/jobs/{id}" | "/api/v1/jobs/{item}" => {
            vec![path.replace("{id}", &p.job.to_string()).replace("{item}", &p.job.to_string())]
        }
        "/operate/schedules/{name}" | "/api/v1/schedules/{item}/history" => {
            vec![path.replace("{name}", &p.schedule).replace("{item}", &p.schedule)]
        }
        "/operate/backfills/{id}" | "/api/v1/backfills/{item}" => {
            vec![path.replace("{id}", &p.backfill.to_string()).replace("{item}", &p.backfill.to_string())]
        }
        "/operate/backfills/preview" => with(path, &[format!("?tenant={tenant}&mode=all"), "?mode=all".to_owned()]),
        "/operate/quarantine" => {
            with(path, &[String::new(), "?reason=unknown_agent".to_owned(), format!("?tenant={tenant}")])
        }
        "/operate/quarantine/{id}" => {
            samples.iter().map(|s| path.replace("{id}", &s.quarantined.to_string())).collect()
        }
        "/operate/tenants" => with(path, &texts(&["", "?q=tenant-7"])),
        "/operate/tenants/{id}" => samples.iter().map(|s| path.replace("{id}", &s.tenant.to_string())).collect(),
        "/operate/accounts/{id}" => vec![path.replace("{id}", &p.account.to_string())],
        "/operate/audit" => with(path, &[String::new(), "?action=queue".to_owned(), format!("?tenant={tenant}")]),
        "/operate/audit/{id}" => vec![path.replace("{id}", &p.audit_entry.to_string())],
        "/api/v1/audit-log" => with(path, &[String::new(), format!("?tenant={tenant}&limit=200")]),
        "/api/v1/jobs" => {
            [with(path, &texts(&states)), vec![format!("{path}?tenant={tenant}&state=succeeded&limit=200")]].concat()
        }
        "/operate" | "/operate/queues" | "/operate/schedules" | "/operate/backfills" | "/operate/quality"
        | "/operate/accounts" | "/account" | "/api/v1/api-tokens" | "/api/v1/backfills" | "/api/v1/me"
        | "/api/v1/queues" | "/api/v1/schedules" | "/api/v1/sessions" | "/api/v1/tenants" => vec![path.to_owned()],
        _ => return None,
    })
}
