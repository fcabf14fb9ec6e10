//! Tenants for made-up traffic: fresh ones each time, so that a ledger speaks
//! of everything that they have.

use sqlx::{Acquire, PgConnection, PgPool};
use tallyline_jobs::provider_accounts::{self, NewAccount};
use tallyline_model::Provider;
use tallyline_secrets::SealingKey;
use uuid::Uuid;

use crate::simulate::{EndpointSecret, LeadsBy, StandIn, Target, TargetAgent, TwilioSecret, stand_in};
use crate::tenants::{self, AnalysisChange, CreatedEndpoint, NewTenant, TwilioAccount};

/// Name, zone, currency, pulse in seconds, total scale, single scale, agents.
type Profile = (&'static str, &'static str, &'static str, i32, i16, i16, usize);

/// Zones of whole, half and quarter hours, with and without summer time, of turns at
/// midnight and on either side of the date line.
const PROFILES: [Profile; 12] = [
    ("Marigold Estates", "Asia/Kolkata", "INR", 60, 15, 3, 4),
    ("Hudson Dental", "America/New_York", "USD", 30, 15, 3, 3),
    ("Annapurna Travel", "Asia/Kathmandu", "NPR", 60, 100, 20, 2),
    ("Spreewald Solar", "Europe/Berlin", "EUR", 20, 15, 3, 3),
    ("Howe Island Tours", "Australia/Lord_Howe", "AUD", 60, 15, 3, 1),
    ("Avalon Fisheries", "America/St_Johns", "CAD", 6, 100, 20, 2),
    ("Upolu Insurance", "Pacific/Apia", "WST", 60, 15, 3, 2),
    ("Mapocho Clinics", "America/Santiago", "CLP", 30, 15, 3, 3),
    ("Nile Motors", "Africa/Cairo", "EGP", 60, 100, 20, 2),
    ("Faial Shipping", "Atlantic/Azores", "EUR", 15, 15, 3, 1),
    ("Malecon Rentals", "America/Havana", "CUP", 60, 15, 3, 2),
    ("Rekohu Farms", "Pacific/Chatham", "NZD", 60, 100, 20, 1),
];

/// Creates `count` tenants with agents and gives what a sender needs of them. Their
/// leads come from everywhere in turn; from a model, and from the platform's own list
/// of executions, only where something stands in for these.
pub(super) async fn provision(
    pool: &PgPool,
    key: &SealingKey,
    count: usize,
    stand_in: Option<&StandIn>,
) -> anyhow::Result<Vec<Target>> {
    let ways = [LeadsBy::Webhook, LeadsBy::Bolna, LeadsBy::Rules, LeadsBy::OpenAi];
    let ways = if stand_in.is_some() { &ways[..] } else { &ways[..3] };
    let mut targets = Vec::with_capacity(count);
    let mut conn = pool.acquire().await?;
    for i in 0..count {
        let profile = PROFILES[i % PROFILES.len()];
        let round = i / PROFILES.len();
        let name = if round == 0 { profile.0.to_owned() } else { format!("{} {}", profile.0, round + 1) };
        // A step more each round, so that no zone always has the same way.
        let leads_by = ways[(i + round) % ways.len()];
        let mut tx = conn.begin().await?;
        let target = provision_one(&mut tx, key, profile, (name, leads_by)).await?;
        connect(&mut tx, key, &target, stand_in).await?;
        tx.commit().await?;
        targets.push(target);
    }
    Ok(targets)
}

/// Says who analyses the tenant's calls, and where its provider is asked.
async fn connect(
    conn: &mut PgConnection,
    key: &SealingKey,
    target: &Target,
    stand_in: Option<&StandIn>,
) -> anyhow::Result<()> {
    let mut analysis = AnalysisChange {
        provider: Some(target.leads_by.as_str().to_owned()),
        concurrency: Some(8),
        ..AnalysisChange::default()
    };
    if let Some(stand_in) = stand_in {
        if target.leads_by == LeadsBy::OpenAi {
            analysis.base_url = Some(stand_in.model_url());
            analysis.model = Some("model-x".to_owned());
            analysis.api_key = Some(stand_in::KEY.to_owned());
        }
        let account = NewAccount {
            user_id: target.user_id,
            provider: Provider::Bolna,
            base_url: &stand_in.bolna_url(target.user_id),
            account_sid: None,
            key: stand_in::KEY,
        };
        provider_accounts::set(conn, key, &account).await?;
    }
    tenants::set_analysis(conn, key, target.user_id, &analysis).await?;
    Ok(())
}

async fn provision_one(
    conn: &mut PgConnection,
    key: &SealingKey,
    (_, zone, currency, pulse, score_scale, dimension_scale, agents): Profile,
    (name, leads_by): (String, LeadsBy),
) -> anyhow::Result<Target> {
    let run = Uuid::new_v4().simple().to_string();
    let account_sid = format!("AC{run}");
    let tenant = NewTenant {
        timezone: zone.to_owned(),
        currency: currency.to_owned(),
        score_scale,
        dimension_scale,
        billing_pulse_seconds: pulse,
        twilio: TwilioAccount { auth_token: None, account_sid: Some(account_sid.clone()) },
        ..NewTenant::new(&name, format!("owner-{run}@example.com"))
    };
    let created = tenants::create_tenant(conn, key, tenant.clone()).await?;
    let mut target_agents = Vec::new();
    for n in 1..=agents {
        let bolna_agent_id = Uuid::new_v4().to_string();
        let agent_name = format!("{} {n}", ["Reception", "Follow-up", "Booking", "Support"][(n - 1) % 4]);
        let id = tenants::add_agent(conn, created.user_id, &bolna_agent_id, &agent_name).await?;
        target_agents.push(TargetAgent { id, bolna_agent_id, name: agent_name });
    }
    let endpoint = |provider: Provider| -> anyhow::Result<&CreatedEndpoint> {
        created
            .endpoints
            .iter()
            .find(|e| e.provider == provider)
            .ok_or_else(|| anyhow::anyhow!("tenant has no endpoint for {}", provider.as_str()))
    };
    let secret = |e: &CreatedEndpoint| EndpointSecret { endpoint: e.endpoint.clone(), secret: e.secret.clone() };
    let twilio = endpoint(Provider::Twilio)?;
    Ok(Target {
        user_id: created.user_id,
        name,
        timezone: zone.to_owned(),
        billing_pulse_seconds: pulse,
        credits_per_minute_micros: tenant.credits_per_minute_micros,
        score_scale: i32::from(score_scale),
        dimension_scale: i32::from(dimension_scale),
        hot_threshold_percent: 80,
        warm_threshold_percent: 60,
        cold_threshold_percent: 40,
        bolna: secret(endpoint(Provider::Bolna)?),
        twilio: Some(TwilioSecret {
            endpoint: twilio.endpoint.clone(),
            auth_token: twilio.secret.clone(),
            account_sid,
        }),
        analysis: Some(secret(endpoint(Provider::Analysis)?)),
        leads_by,
        agents: target_agents,
    })
}
