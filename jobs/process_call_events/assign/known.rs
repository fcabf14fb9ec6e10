//! What the database knows of the ids that a batch names.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use tallyline_model::{Event, Provider, normalise_e164};
use uuid::Uuid;

use crate::process_call_events::claim::Lanes;
use crate::process_call_events::intake::{Intake, Parsed};

/// Names by tenant.
type Names = (Vec<Uuid>, Vec<String>);

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) by_execution: HashMap<(Uuid, String), Uuid>,
    /// Calls by the sids of their own dials.
    pub(super) by_sid: HashMap<(Uuid, String), SidCall>,
    /// Calls by the sids of their other legs.
    pub(super) by_leg: HashMap<(Uuid, String), Uuid>,
    pub(super) agents: HashSet<(Uuid, String)>,
    pub(super) by_number: HashMap<(Uuid, String), Uuid>,
}

impl Known {
    /// The agent that the event's own number is assigned to, among the tenant's:
    /// the tenant is the endpoint's, whoever else has the number.
    pub(super) fn agent_of_number(&self, parsed: &Parsed) -> Option<Uuid> {
        let number = parsed.event.facts.agent_number.clone()?;
        self.by_number.get(&(parsed.id.user_id, number)).copied()
    }
}

/// Whether nothing but its number may tell whose call an event is.
fn asks_its_number(parsed: &Parsed) -> bool {
    match parsed.event.provider {
        Provider::Bolna => parsed.event.agent_ref.is_none(),
        Provider::Twilio => parsed.waited,
        Provider::Analysis => false,
    }
}

#[derive(Debug)]
pub(super) struct SidCall {
    pub(super) call_id: Uuid,
    pub(super) has_execution: bool,
}

/// The sids that a Bolna event says are its execution's: of the dial and of the
/// leg that the caller was handed over to.
pub(super) fn named_sids(event: &Event) -> impl Iterator<Item = &String> {
    event.call_sid.iter().chain(event.facts.transfer.as_ref().and_then(|transfer| transfer.call_sid.as_ref()))
}

fn names<'a, I: Iterator<Item = &'a String>>(intake: &'a Intake, of: impl Fn(&'a Parsed) -> I) -> Names {
    let named: HashSet<(Uuid, &String)> =
        intake.parsed.iter().flat_map(|p| of(p).map(|name| (p.id.user_id, name))).collect();
    named.into_iter().map(|(user_id, name)| (user_id, name.clone())).unzip()
}

pub(super) async fn look_up(tx: &mut PgConnection, lanes: &Lanes, intake: &Intake) -> Result<Known, sqlx::Error> {
    let mut known = Known::default();

    let (user_ids, executions) = names(intake, |p| p.event.execution_id.iter());
    let rows =
        sqlx::query_file!("../sql/process/calls_by_execution.sql", &user_ids, &executions).fetch_all(&mut *tx).await?;
    known.by_execution = rows.into_iter().map(|row| ((row.user_id, row.execution_id), row.id)).collect();

    let (user_ids, sids) = names(intake, |p| named_sids(&p.event).chain(&p.event.parent_call_sid));
    let rows = sqlx::query_file!("../sql/process/calls_by_sid.sql", &user_ids, &sids).fetch_all(&mut *tx).await?;
    for row in rows {
        let call = SidCall { call_id: row.call_id, has_execution: row.execution_id.is_some() };
        known.by_sid.insert((row.user_id, row.call_sid), call);
    }

    let by_carrier = |p: &&Parsed| p.event.provider == Provider::Twilio;
    let (user_ids, sids) = names(intake, |p| {
        Some(p).filter(by_carrier).into_iter().flat_map(|p| p.event.call_sid.iter().chain(&p.event.parent_call_sid))
    });
    if !sids.is_empty() {
        let rows = sqlx::query_file!("../sql/process/legs_by_sid.sql", &user_ids, &sids).fetch_all(&mut *tx).await?;
        known.by_leg = rows.into_iter().map(|row| ((row.user_id, row.leg_key), row.call_id)).collect();
    }

    let (user_ids, refs) = names(intake, |p| p.event.agent_ref.iter());
    let rows = sqlx::query_file!("../sql/process/agents_by_ref.sql", &user_ids, &refs).fetch_all(&mut *tx).await?;
    known.agents = rows.into_iter().map(|row| (row.user_id, row.bolna_agent_id)).collect();

    known.by_number = agents_by_number(tx, lanes, intake).await?;
    Ok(known)
}

async fn agents_by_number(
    tx: &mut PgConnection,
    lanes: &Lanes,
    intake: &Intake,
) -> Result<HashMap<(Uuid, String), Uuid>, sqlx::Error> {
    let (user_ids, numbers) = names(intake, |p| p.event.facts.agent_number.iter().filter(|_| asks_its_number(p)));
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let country_code = |user_id| lanes.get(user_id)?.default_country_code.as_deref();
    let normalised = user_ids.iter().zip(&numbers).map(|(user_id, number)| {
        // Short codes and names have no such form, and are compared as they stand.
        normalise_e164(number, country_code(user_id)).unwrap_or_default()
    });
    let e164: Vec<String> = normalised.collect();
    let rows =
        sqlx::query_file!("../sql/process/agents_by_number.sql", &user_ids, &numbers, &e164).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| ((row.user_id, row.given), row.id)).collect())
}
