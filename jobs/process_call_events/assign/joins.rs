//! Calls that only Twilio has spoken of, and executions that name their CallSids:
//! what was two calls, or more, becomes one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::PgConnection;
use tallyline_model::Provider;
use uuid::Uuid;

use super::execution_call_id;
use super::known::{Known, SidCall, named_sids};
use crate::process_call_events::intake::{Intake, Parsed};

/// What the batch's executions bring together.
#[derive(Debug, Default)]
pub(super) struct Joins {
    /// New executions that take over a call's row: from the call id that they
    /// would get to that call's.
    pub(super) adopted: HashMap<(Uuid, Uuid), Uuid>,
    /// Tenant, call that goes, call that it goes into.
    absorbed: Vec<(Uuid, Uuid, Uuid)>,
}

/// Finds them. A call is one execution's: the first that names it.
pub(super) fn find(known: &Known, intake: &Intake) -> Joins {
    let filed = filed_executions(known, intake);
    let mut taken: HashMap<(Uuid, Uuid), &String> = HashMap::new();
    let mut named: BTreeMap<(Uuid, &String), BTreeSet<Uuid>> = BTreeMap::new();
    for parsed in by_bolna(intake).filter(|p| !has_foreign_agent(known, p)) {
        let tenant = parsed.id.user_id;
        let Some(execution) = parsed.event.execution_id.as_ref().filter(|id| filed.contains(&(tenant, *id))) else {
            continue;
        };
        for sid in named_sids(&parsed.event) {
            let call = known.by_sid.get(&(tenant, sid.clone())).filter(|call| !call.has_execution);
            if let Some(call) = call
                && *taken.entry((tenant, call.call_id)).or_insert(execution) == execution
            {
                named.entry((tenant, execution)).or_default().insert(call.call_id);
            }
        }
    }
    let mut joins = Joins::default();
    for ((tenant, execution), calls) in named {
        let existing = known.by_execution.get(&(tenant, execution.clone())).copied();
        let Some(into) = existing.or_else(|| calls.first().copied()) else { continue };
        if existing.is_none() {
            joins.adopted.insert((tenant, execution_call_id(tenant, execution)), into);
        }
        joins.absorbed.extend(calls.into_iter().filter(|gone| *gone != into).map(|gone| (tenant, gone, into)));
    }
    joins
}

fn by_bolna(intake: &Intake) -> impl Iterator<Item = &Parsed> {
    intake.parsed.iter().filter(|p| p.event.provider == Provider::Bolna)
}

fn has_foreign_agent(known: &Known, parsed: &Parsed) -> bool {
    let agent = parsed.event.agent_ref.as_ref();
    agent.is_some_and(|agent| !known.agents.contains(&(parsed.id.user_id, agent.clone())))
}

/// Executions that have a call, or get one by this batch.
fn filed_executions<'a>(known: &Known, intake: &'a Intake) -> HashSet<(Uuid, &'a String)> {
    let named = by_bolna(intake).filter_map(|p| Some((p, (p.id.user_id, p.event.execution_id.as_ref()?))));
    let has_call = |(tenant, execution): (Uuid, &String)| known.by_execution.contains_key(&(tenant, execution.clone()));
    let gets_one = |p: &Parsed| p.event.agent_ref.is_some() && !has_foreign_agent(known, p);
    named.filter(|(p, key)| has_call(*key) || gets_one(p)).map(|(_, key)| key).collect()
}

impl Joins {
    /// Takes calls into others, in the database and in what is known of it.
    pub(super) async fn absorb(&self, tx: &mut PgConnection, known: &mut Known) -> Result<(), sqlx::Error> {
        if self.absorbed.is_empty() {
            return Ok(());
        }
        let into: HashMap<(Uuid, Uuid), Uuid> =
            self.absorbed.iter().map(|&(tenant, gone, into)| ((tenant, gone), into)).collect();
        for ((tenant, _), call) in &mut known.by_sid {
            if let Some(&into) = into.get(&(*tenant, call.call_id)) {
                *call = SidCall { call_id: into, has_execution: true };
            }
        }
        for ((tenant, _), call_id) in &mut known.by_leg {
            *call_id = into.get(&(*tenant, *call_id)).copied().unwrap_or(*call_id);
        }
        let (mut user_ids, mut gone, mut stay) = (Vec::new(), Vec::new(), Vec::new());
        for &(user_id, absorbed, call_id) in &self.absorbed {
            user_ids.push(user_id);
            gone.push(absorbed);
            stay.push(call_id);
        }
        sqlx::query_file!("../sql/process/absorb_calls.sql", &user_ids, &gone, &stay).fetch_one(tx).await?;
        Ok(())
    }

    /// Gives what was filed under an execution's own call id, such as an early
    /// analysis, to the call that it has adopted.
    pub(super) async fn adopt(&self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.adopted.is_empty() {
            return Ok(());
        }
        let (mut user_ids, mut old_ids, mut new_ids) = (Vec::new(), Vec::new(), Vec::new());
        for (&(user_id, old_id), &new_id) in &self.adopted {
            user_ids.push(user_id);
            old_ids.push(old_id);
            new_ids.push(new_id);
        }
        sqlx::query_file!("../sql/process/adopt_events.sql", &user_ids, &old_ids, &new_ids).execute(tx).await?;
        Ok(())
    }
}
