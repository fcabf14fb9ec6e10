//! Which call each event belongs to.
//!
//! The execution id is the identity of a call; CallSids are aliases. A call that
//! only Twilio has spoken of is adopted by the new execution that names its
//! CallSid, or taken into the row that the execution has already.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::{Provider, normalise_e164};
use uuid::Uuid;

use super::ProcessError;
use super::claim::{Lanes, PendingId};
use super::intake::{Intake, Parsed};
use super::rows::EventRow;

/// Names under which call ids are made; the tenant is the namespace.
const EXECUTION_NAME: &str = "execution:";
const SID_NAME: &str = "call_sid:";

/// The calls that the batch touches.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// Tenant and call, each once, in order.
    pub(super) calls: Vec<(Uuid, Uuid)>,
    /// Agents of calls whose events name none, by the number's assignment.
    pub(super) agents_by_number: HashMap<(Uuid, Uuid), Uuid>,
}

/// What the database knows of the ids that the batch names.
#[derive(Debug, Default)]
struct Known {
    by_execution: HashMap<(Uuid, String), Uuid>,
    by_sid: HashMap<(Uuid, String), SidCall>,
    agents: HashSet<(Uuid, String)>,
    by_number: HashMap<(Uuid, String), Uuid>,
}

impl Known {
    /// The agent that the event's own number is assigned to, among the tenant's:
    /// the tenant is the endpoint's, whoever else has the number.
    fn agent_of_number(&self, parsed: &Parsed) -> Option<Uuid> {
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
struct SidCall {
    call_id: Uuid,
    has_execution: bool,
}

/// Takes out of quarantine what was there for want of a call or an agent that the
/// batch's executions bring; the next batch applies it.
pub(super) async fn release_quarantined(tx: &mut PgConnection, intake: &Intake) -> Result<(), sqlx::Error> {
    let named = intake.parsed.iter().filter(|p| p.event.provider == Provider::Bolna);
    let keys = named.flat_map(|p| [&p.event.call_sid, &p.event.execution_id].map(|key| (p.id.user_id, key.clone())));
    let (user_ids, keys): (Vec<Uuid>, Vec<String>) = keys.filter_map(|(user, key)| Some((user, key?))).unzip();
    sqlx::query_file!("../sql/process/release_quarantined.sql", &user_ids, &keys).execute(tx).await?;
    Ok(())
}

/// Twilio events that wait for a CallSid which the batch's executions name.
pub(super) async fn waiting_for(tx: &mut PgConnection, intake: &Intake) -> Result<Vec<PendingId>, sqlx::Error> {
    let named = intake.parsed.iter().filter(|p| p.event.provider == Provider::Bolna);
    let (user_ids, sids): (Vec<Uuid>, Vec<String>) =
        named.filter_map(|p| Some((p.id.user_id, p.event.call_sid.clone()?))).unzip();
    if sids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_file!("../sql/process/waiting_for_sids.sql", &user_ids, &sids).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| PendingId { user_id: row.user_id, inbox_id: row.inbox_id }).collect())
}

/// Files each event under its call; moves those that cannot be to `quarantined`
/// or `waiting`.
pub(super) async fn assign(
    tx: &mut PgConnection,
    lanes: &Lanes,
    intake: &mut Intake,
) -> Result<Assigned, ProcessError> {
    let mut known = look_up(tx, lanes, intake).await?;
    absorb(tx, &mut known, intake).await?;
    let mut assigned = Assigned::default();
    let mut rows = Vec::new();
    let adoptions = adoptions(&known, intake);
    let mut sid_calls: HashMap<(Uuid, String), Uuid> = HashMap::new();

    // Bolna first: its events say which execution a CallSid belongs to.
    let mut parsed = std::mem::take(&mut intake.parsed);
    // Those that name their agent before those that do not.
    parsed.sort_by_key(|p| (p.event.provider, p.event.agent_ref.is_none(), p.id.inbox_id));
    let mut placed_executions = HashSet::new();
    for event in parsed {
        let tenant = event.id.user_id;
        let placed = match event.event.provider {
            Provider::Bolna | Provider::Analysis => {
                place_execution(&known, &adoptions, &placed_executions, &event, &mut assigned)
            }
            Provider::Twilio => place_sid(&known, &sid_calls, &event, &mut assigned),
        };
        match placed {
            Place::Call(call_id) => {
                if event.event.provider == Provider::Bolna {
                    placed_executions.extend(event.event.execution_id.clone().map(|id| (tenant, id)));
                    sid_calls.extend(event.event.call_sid.clone().map(|sid| ((tenant, sid), call_id)));
                }
                assigned.calls.push((tenant, call_id));
                rows.push(EventRow::new(call_id, &event)?);
                intake.parsed.push(event);
            }
            Place::Wait(sid) => intake.waiting.push((event.id, sid)),
            Place::Quarantine(reason, wait_key) => intake.quarantine(&event, reason, wait_key),
        }
    }
    assigned.calls.sort_unstable();
    assigned.calls.dedup();
    adopt(tx, adoptions).await?;
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/insert_events.sql", Json(&rows) as _).execute(tx).await?;
    }
    Ok(assigned)
}

enum Place {
    Call(Uuid),
    Wait(String),
    Quarantine(&'static str, Option<String>),
}

/// Where an event goes that names its execution.
fn place_execution(
    known: &Known,
    adoptions: &HashMap<(Uuid, Uuid), Uuid>,
    placed: &HashSet<(Uuid, String)>,
    parsed: &Parsed,
    assigned: &mut Assigned,
) -> Place {
    let tenant = parsed.id.user_id;
    let Some(execution) = &parsed.event.execution_id else {
        return Place::Quarantine("no_id", None);
    };
    let own_id = execution_call_id(tenant, execution);
    let existing = known.by_execution.get(&(tenant, execution.clone())).copied();
    let call_id = existing.or_else(|| adoptions.get(&(tenant, own_id)).copied()).unwrap_or(own_id);
    if parsed.event.provider == Provider::Bolna {
        match &parsed.event.agent_ref {
            Some(agent) if !known.agents.contains(&(tenant, agent.clone())) => {
                return Place::Quarantine("unknown_agent", Some(agent.clone()));
            }
            None if existing.is_none() && !placed.contains(&(tenant, execution.clone())) => {
                let Some(agent_id) = known.agent_of_number(parsed) else {
                    return Place::Quarantine("no_agent", Some(execution.clone()));
                };
                assigned.agents_by_number.insert((tenant, call_id), agent_id);
            }
            _ => {}
        }
    }
    Place::Call(call_id)
}

/// New executions that name the CallSid of a call which only Twilio has spoken
/// of: from the call id that the execution would get to that call's.
fn adoptions(known: &Known, intake: &Intake) -> HashMap<(Uuid, Uuid), Uuid> {
    let mut found = HashMap::new();
    // A call is one execution's: the first that names it.
    let mut taken: HashMap<(Uuid, Uuid), &str> = HashMap::new();
    for parsed in intake.parsed.iter().filter(|p| p.event.provider == Provider::Bolna) {
        let tenant = parsed.id.user_id;
        let (Some(execution), Some(sid)) = (&parsed.event.execution_id, &parsed.event.call_sid) else { continue };
        let is_new = !known.by_execution.contains_key(&(tenant, execution.clone()));
        if let Some(call) = known.by_sid.get(&(tenant, sid.clone())).filter(|call| is_new && !call.has_execution)
            && *taken.entry((tenant, call.call_id)).or_insert(execution) == execution
        {
            found.insert((tenant, execution_call_id(tenant, execution)), call.call_id);
        }
    }
    found
}

fn execution_call_id(tenant: Uuid, execution: &str) -> Uuid {
    Uuid::new_v5(&tenant, format!("{EXECUTION_NAME}{execution}").as_bytes())
}

/// Where a Twilio event goes: to the call of its CallSid, else it waits, and
/// in the end becomes a call of its own if its number belongs to an agent.
fn place_sid(
    known: &Known,
    sid_calls: &HashMap<(Uuid, String), Uuid>,
    parsed: &Parsed,
    assigned: &mut Assigned,
) -> Place {
    let tenant = parsed.id.user_id;
    let Some(sid) = &parsed.event.call_sid else {
        return Place::Quarantine("bad_sid", None);
    };
    let key = (tenant, sid.clone());
    if let Some(&call_id) = sid_calls.get(&key) {
        return Place::Call(call_id);
    }
    if let Some(call) = known.by_sid.get(&key) {
        return Place::Call(call.call_id);
    }
    if !parsed.waited {
        return Place::Wait(sid.clone());
    }
    match known.agent_of_number(parsed) {
        Some(agent_id) => {
            let call_id = Uuid::new_v5(&tenant, format!("{SID_NAME}{sid}").as_bytes());
            assigned.agents_by_number.insert((tenant, call_id), agent_id);
            Place::Call(call_id)
        }
        None => Place::Quarantine("no_call", Some(sid.clone())),
    }
}

async fn look_up(tx: &mut PgConnection, lanes: &Lanes, intake: &Intake) -> Result<Known, sqlx::Error> {
    let pairs = |of: fn(&Parsed) -> Option<String>| -> (Vec<Uuid>, Vec<String>) {
        let named: HashSet<(Uuid, String)> =
            intake.parsed.iter().filter_map(|p| Some((p.id.user_id, of(p)?))).collect();
        named.into_iter().unzip()
    };
    let mut known = Known::default();

    let (user_ids, executions) = pairs(|p| p.event.execution_id.clone());
    let rows =
        sqlx::query_file!("../sql/process/calls_by_execution.sql", &user_ids, &executions).fetch_all(&mut *tx).await?;
    known.by_execution = rows.into_iter().map(|row| ((row.user_id, row.execution_id), row.id)).collect();

    let (user_ids, sids) = pairs(|p| p.event.call_sid.clone());
    let rows = sqlx::query_file!("../sql/process/calls_by_sid.sql", &user_ids, &sids).fetch_all(&mut *tx).await?;
    for row in rows {
        let call = SidCall { call_id: row.call_id, has_execution: row.execution_id.is_some() };
        known.by_sid.insert((row.user_id, row.call_sid), call);
    }

    let (user_ids, refs) = pairs(|p| p.event.agent_ref.clone());
    let rows = sqlx::query_file!("../sql/process/agents_by_ref.sql", &user_ids, &refs).fetch_all(&mut *tx).await?;
    known.agents = rows.into_iter().map(|row| (row.user_id, row.bolna_agent_id)).collect();

    let (user_ids, numbers) = pairs(|p| p.event.facts.agent_number.clone().filter(|_| asks_its_number(p)));
    if !numbers.is_empty() {
        let country_code = |user_id| lanes.get(user_id)?.default_country_code.as_deref();
        let normalised = user_ids.iter().zip(&numbers).map(|(user_id, number)| {
            // Short codes and names have no such form, and are compared as they stand.
            normalise_e164(number, country_code(user_id)).unwrap_or_default()
        });
        let e164: Vec<String> = normalised.collect();
        let rows =
            sqlx::query_file!("../sql/process/agents_by_number.sql", &user_ids, &numbers, &e164).fetch_all(tx).await?;
        known.by_number = rows.into_iter().map(|row| ((row.user_id, row.given), row.id)).collect();
    }
    Ok(known)
}

/// Executions that have a row already and turn out to be the call of a CallSid
/// that only Twilio has spoken of: two rows become one.
async fn absorb(tx: &mut PgConnection, known: &mut Known, intake: &Intake) -> Result<(), sqlx::Error> {
    let mut absorbed: HashMap<(Uuid, Uuid), Uuid> = HashMap::new();
    for parsed in intake.parsed.iter().filter(|p| p.event.provider == Provider::Bolna) {
        let tenant = parsed.id.user_id;
        let (Some(execution), Some(sid)) = (&parsed.event.execution_id, &parsed.event.call_sid) else { continue };
        let Some(&call_id) = known.by_execution.get(&(tenant, execution.clone())) else { continue };
        if let Some(call) = known.by_sid.get(&(tenant, sid.clone())).filter(|call| !call.has_execution) {
            absorbed.entry((tenant, call.call_id)).or_insert(call_id);
        }
    }
    if absorbed.is_empty() {
        return Ok(());
    }
    for ((tenant, _), call) in &mut known.by_sid {
        if let Some(&into) = absorbed.get(&(*tenant, call.call_id)) {
            *call = SidCall { call_id: into, has_execution: true };
        }
    }
    let (mut user_ids, mut gone, mut into) = (Vec::new(), Vec::new(), Vec::new());
    for ((user_id, absorbed), call_id) in absorbed {
        user_ids.push(user_id);
        gone.push(absorbed);
        into.push(call_id);
    }
    sqlx::query_file!("../sql/process/absorb_calls.sql", &user_ids, &gone, &into).fetch_one(tx).await?;
    Ok(())
}

async fn adopt(tx: &mut PgConnection, adoptions: HashMap<(Uuid, Uuid), Uuid>) -> Result<(), sqlx::Error> {
    if adoptions.is_empty() {
        return Ok(());
    }
    let (mut user_ids, mut old_ids, mut new_ids) = (Vec::new(), Vec::new(), Vec::new());
    for ((user_id, old_id), new_id) in adoptions {
        user_ids.push(user_id);
        old_ids.push(old_id);
        new_ids.push(new_id);
    }
    sqlx::query_file!("../sql/process/adopt_events.sql", &user_ids, &old_ids, &new_ids).execute(tx).await?;
    Ok(())
}
