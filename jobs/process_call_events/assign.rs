//! Which call each event belongs to.
//!
//! The execution id is the identity of a call; CallSids are aliases. A call that
//! only Twilio has spoken of is adopted by the new execution that names its
//! CallSid, or taken into the row that the execution has already. An event of a
//! child leg goes where its parent is, and never makes a call.

mod joins;
mod known;

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::Provider;
use uuid::Uuid;

use self::joins::Joins;
use self::known::{Known, named_sids};
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

/// Twilio events that wait for a CallSid which the batch's executions name, as many
/// as have bodies of `room_bytes`; the others are left to the next batch.
pub(super) async fn free_waiting(
    tx: &mut PgConnection,
    intake: &Intake,
    room_bytes: i64,
) -> Result<Vec<PendingId>, sqlx::Error> {
    let named = intake.parsed.iter().filter(|p| p.event.provider == Provider::Bolna);
    let (user_ids, sids): (Vec<Uuid>, Vec<String>) =
        named.flat_map(|p| named_sids(&p.event).map(|sid| (p.id.user_id, sid.clone()))).unzip();
    if sids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_file!("../sql/process/waiting_for_sids.sql", &user_ids, &sids, room_bytes)
        .fetch_all(&mut *tx)
        .await?;
    let (fitting, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.fits);
    if !others.is_empty() {
        let (user_ids, inbox_ids): (Vec<Uuid>, Vec<i64>) =
            others.into_iter().map(|row| (row.user_id, row.inbox_id)).unzip();
        sqlx::query_file!("../sql/process/wake_events.sql", &user_ids, &inbox_ids).execute(tx).await?;
    }
    Ok(fitting.into_iter().map(|row| PendingId { user_id: row.user_id, inbox_id: row.inbox_id }).collect())
}

/// Files each event under its call; moves those that cannot be to `quarantined`
/// or `waiting`.
pub(super) async fn assign(
    tx: &mut PgConnection,
    lanes: &Lanes,
    intake: &mut Intake,
) -> Result<Assigned, ProcessError> {
    let mut known = known::look_up(tx, lanes, intake).await?;
    let joins = joins::find(&known, intake);
    joins.absorb(tx, &mut known).await?;
    let mut filing = Filing { known, joins, ..Filing::default() };

    // Bolna first: its events say which execution a CallSid belongs to.
    let mut parsed = std::mem::take(&mut intake.parsed);
    // Those that name their agent before those that do not.
    parsed.sort_by_key(|p| (p.event.provider, p.event.agent_ref.is_none(), p.id.inbox_id));
    let (mut children, others): (Vec<Parsed>, Vec<Parsed>) =
        parsed.into_iter().partition(|p| p.event.parent_call_sid.is_some());
    for event in others {
        match filing.place(&event) {
            Place::Call(call_id) => filing.file(intake, event, call_id)?,
            Place::Wait(sid) => intake.waiting.push((event.id, sid)),
            Place::Quarantine(reason, wait_key) => intake.quarantine(&event, reason, wait_key),
        }
    }
    // Legs of legs come after the legs that they are of.
    loop {
        let found;
        (found, children) = children.into_iter().partition(|event| filing.call_of_leg(event).is_some());
        if found.is_empty() {
            break;
        }
        for event in found {
            if let Some(call_id) = filing.call_of_leg(&event) {
                filing.file(intake, event, call_id)?;
            }
        }
    }
    for event in children {
        let parent = event.event.parent_call_sid.clone().unwrap_or_default();
        match event.waited {
            true => intake.quarantine(&event, "no_call", Some(parent)),
            false => intake.waiting.push((event.id, parent)),
        }
    }
    filing.write(tx).await
}

enum Place {
    Call(Uuid),
    Wait(String),
    Quarantine(&'static str, Option<String>),
}

/// The batch's events on the way to their calls.
#[derive(Debug, Default)]
struct Filing {
    known: Known,
    joins: Joins,
    assigned: Assigned,
    rows: Vec<EventRow>,
    /// Executions of which an event is filed.
    executions: HashSet<(Uuid, String)>,
    /// Calls by the sids that this batch has named for their dials and legs.
    by_sid: HashMap<(Uuid, String), Uuid>,
    by_leg: HashMap<(Uuid, String), Uuid>,
    /// Executions and sids that an event in quarantine may be there for want of.
    brought: HashSet<(Uuid, String)>,
    /// Sids that only the carrier has named, and nobody before this batch.
    new_sids: HashSet<(Uuid, String)>,
}

impl Filing {
    fn place(&mut self, parsed: &Parsed) -> Place {
        match parsed.event.provider {
            Provider::Bolna | Provider::Analysis => self.place_execution(parsed),
            Provider::Twilio => self.place_sid(parsed),
        }
    }

    /// Where an event goes that names its execution.
    fn place_execution(&mut self, parsed: &Parsed) -> Place {
        let tenant = parsed.id.user_id;
        let Some(execution) = &parsed.event.execution_id else {
            return Place::Quarantine("no_id", None);
        };
        let own_id = execution_call_id(tenant, execution);
        let existing = self.known.by_execution.get(&(tenant, execution.clone())).copied();
        let adopted = self.joins.adopted.get(&(tenant, own_id)).copied();
        let call_id = existing.or(adopted).unwrap_or(own_id);
        if parsed.event.provider == Provider::Bolna {
            match &parsed.event.agent_ref {
                Some(agent) if !self.known.agents.contains(&(tenant, agent.clone())) => {
                    return Place::Quarantine("unknown_agent", Some(agent.clone()));
                }
                None if existing.is_none() && !self.executions.contains(&(tenant, execution.clone())) => {
                    let Some(agent_id) = self.known.agent_of_number(parsed) else {
                        return Place::Quarantine("no_agent", Some(execution.clone()));
                    };
                    self.assigned.agents_by_number.insert((tenant, call_id), agent_id);
                }
                _ => {}
            }
        }
        Place::Call(call_id)
    }

    /// Where a Twilio event goes: to the call of its CallSid, else it waits, and
    /// in the end becomes a call of its own if its number belongs to an agent.
    fn place_sid(&mut self, parsed: &Parsed) -> Place {
        let tenant = parsed.id.user_id;
        let Some(sid) = &parsed.event.call_sid else {
            return Place::Quarantine("bad_sid", None);
        };
        if let Some(call_id) = self.call_of(tenant, sid) {
            return Place::Call(call_id);
        }
        if !parsed.waited {
            return Place::Wait(sid.clone());
        }
        match self.known.agent_of_number(parsed) {
            Some(agent_id) => {
                let call_id = Uuid::new_v5(&tenant, format!("{SID_NAME}{sid}").as_bytes());
                self.assigned.agents_by_number.insert((tenant, call_id), agent_id);
                Place::Call(call_id)
            }
            None => Place::Quarantine("no_call", Some(sid.clone())),
        }
    }

    /// The call of a child leg: its parent's, or the one whose record names it.
    fn call_of_leg(&self, parsed: &Parsed) -> Option<Uuid> {
        let tenant = parsed.id.user_id;
        let sids = [&parsed.event.parent_call_sid, &parsed.event.call_sid];
        let parent = sids[0].as_ref().and_then(|parent| self.call_of(tenant, parent));
        parent.or_else(|| self.call_with_leg(tenant, sids[1].as_ref()?))
    }

    /// The call that has a sid for a dial, or else for a leg.
    fn call_of(&self, tenant: Uuid, sid: &str) -> Option<Uuid> {
        let key = (tenant, sid.to_owned());
        let known = || self.known.by_sid.get(&key).map(|call| call.call_id);
        self.by_sid.get(&key).copied().or_else(known).or_else(|| self.call_with_leg(tenant, sid))
    }

    fn call_with_leg(&self, tenant: Uuid, sid: &str) -> Option<Uuid> {
        let key = (tenant, sid.to_owned());
        self.by_leg.get(&key).or_else(|| self.known.by_leg.get(&key)).copied()
    }

    fn file(&mut self, intake: &mut Intake, parsed: Parsed, call_id: Uuid) -> Result<(), ProcessError> {
        let (tenant, event) = (parsed.id.user_id, &parsed.event);
        let keyed = |name: &Option<String>| name.clone().map(|name| (tenant, name));
        match event.provider {
            Provider::Bolna => {
                self.brought.extend(named_sids(event).chain(&event.execution_id).map(|name| (tenant, name.clone())));
                self.executions.extend(keyed(&event.execution_id));
                self.by_sid.extend(keyed(&event.call_sid).map(|key| (key, call_id)));
                let transfer = event.facts.transfer.as_ref().and_then(|transfer| keyed(&transfer.call_sid));
                self.by_leg.extend(transfer.map(|key| (key, call_id)));
            }
            Provider::Twilio => {
                if let Some(sid) = &event.call_sid
                    && self.call_of(tenant, sid).is_none()
                {
                    self.new_sids.insert((tenant, sid.clone()));
                    let by_sid = if event.parent_call_sid.is_some() { &mut self.by_leg } else { &mut self.by_sid };
                    by_sid.insert((tenant, sid.clone()), call_id);
                }
            }
            Provider::Analysis => {}
        }
        self.assigned.calls.push((tenant, call_id));
        self.rows.push(EventRow::new(call_id, &parsed)?);
        intake.parsed.push(parsed);
        Ok(())
    }

    async fn write(self, tx: &mut PgConnection) -> Result<Assigned, ProcessError> {
        self.joins.adopt(tx).await?;
        if !self.rows.is_empty() {
            sqlx::query_file!("../sql/process/insert_events.sql", Json(&self.rows) as _).execute(&mut *tx).await?;
        }
        // Only what was filed brings anything: two events that lack the same would
        // take each other out of quarantine for ever.
        let new_sids = self.new_sids.iter().cloned();
        let (user_ids, keys): (Vec<Uuid>, Vec<String>) = self.brought.into_iter().chain(new_sids).unzip();
        if !keys.is_empty() {
            sqlx::query_file!("../sql/process/release_quarantined.sql", &user_ids, &keys).execute(&mut *tx).await?;
        }
        if !self.new_sids.is_empty() {
            // Legs of a call that only Twilio speaks of may have come before it.
            let (user_ids, sids): (Vec<Uuid>, Vec<String>) = self.new_sids.into_iter().unzip();
            sqlx::query_file!("../sql/process/wake_waiting.sql", &user_ids, &sids).execute(tx).await?;
        }
        let mut assigned = self.assigned;
        assigned.calls.sort_unstable();
        assigned.calls.dedup();
        Ok(assigned)
    }
}

fn execution_call_id(tenant: Uuid, execution: &str) -> Uuid {
    Uuid::new_v5(&tenant, format!("{EXECUTION_NAME}{execution}").as_bytes())
}
