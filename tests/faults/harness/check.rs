//! The judge: what was acknowledged beside what is stored and counted, invariant by
//! invariant. The numbers are those of the design; `mutations.rs` breaks each.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::evidence::{EventKey, Evidence};
use super::process::Place;

/// In which way something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Acknowledged, and not there.
    Lost,
    /// There or counted more than once.
    Twice,
    /// There, and never sent.
    Invented,
    /// Behind, and not saying so.
    Stale,
    /// Any other figure or state that is not what it must be.
    Different,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The invariant and what of it, such as `I1 stored`.
    pub check: &'static str,
    pub kind: Kind,
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}): {}", self.check, self.kind, self.detail)
    }
}

/// A question to the database whose every row is a finding, said in one text.
struct Question {
    check: &'static str,
    kind: Kind,
    sql: &'static str,
}

const fn question(check: &'static str, kind: Kind, sql: &'static str) -> Question {
    Question { check, kind, sql }
}

/// What must hold at every instant, faults or not.
const ALWAYS: &[Question] = &[
    question("I3 an event is in one call", Kind::Twice, include_str!("../checks/event_in_two_calls.sql")),
    question("I3 an execution is one call", Kind::Twice, include_str!("../checks/execution_twice.sql")),
    question("I2 a call has events", Kind::Invented, include_str!("../checks/call_without_event.sql")),
    question("I12 an event is in sight", Kind::Lost, include_str!("../checks/event_out_of_sight.sql")),
    question("I7 a claim ends once", Kind::Twice, include_str!("../checks/claim_ended_twice.sql")),
    question("I9 a fire has its job", Kind::Lost, include_str!("../checks/fire_without_job.sql")),
    question("I9 no minute is left out", Kind::Lost, include_str!("../checks/minutes_left_out.sql")),
    question("I13 a call is charged once", Kind::Different, include_str!("../checks/charges.sql")),
    question("I13 a balance is its ledger", Kind::Different, include_str!("../checks/balances.sql")),
];

/// What must hold when everything is healed and drained.
const AT_REST: &[Question] = &[
    question("I6 outcomes are a partition", Kind::Different, include_str!("../checks/outcomes.sql")),
    question("I6 agents are the tenant", Kind::Different, include_str!("../checks/agents.sql")),
    question("I6 hours are the day", Kind::Different, include_str!("../checks/hours.sql")),
    question("I8 nothing waits for ever", Kind::Stale, include_str!("../checks/left_waiting.sql")),
    question("I8 permits are free", Kind::Different, include_str!("../checks/permits.sql")),
    question("I12 caches are fresh", Kind::Stale, include_str!("../checks/caches.sql")),
];

pub const STORED: &str = "I1 an acknowledged event is stored";
pub const SENT: &str = "I2 a stored event was sent";
pub const FIGURES: &str = "I5 figures are the calls";
/// The same while the run goes on: what differs must be marked.
pub const HONEST: &str = "I12 what is behind is marked";

/// Names of all checks, for who shows that each can fail.
pub fn names() -> BTreeSet<&'static str> {
    let asked = ALWAYS.iter().chain(AT_REST).map(|question| question.check);
    asked.chain([STORED, SENT, FIGURES]).collect()
}

/// What must hold at every instant.
pub async fn always(db: &PgPool) -> Vec<Finding> {
    ask(db, ALWAYS).await
}

/// What must hold in the end.
pub async fn at_rest(db: &PgPool) -> Vec<Finding> {
    ask(db, AT_REST).await
}

async fn ask(db: &PgPool, questions: &[Question]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Question { check, kind, sql } in questions {
        let details: Vec<String> = sqlx::query_scalar(*sql).fetch_all(db).await.unwrap();
        findings.extend(details.into_iter().map(|detail| Finding { check, kind: *kind, detail }));
    }
    findings
}

/// I1 and I2: the histories beside the inbox. Only of the tenants that were sent for.
pub async fn stored(db: &PgPool, evidence: &Evidence) -> Vec<Finding> {
    let tenants: Vec<Uuid> =
        evidence.events.keys().map(|(user_id, _, _)| *user_id).collect::<BTreeSet<_>>().into_iter().collect();
    // What the daemon itself has analysed was sent by nobody; its event says so.
    let rows: Vec<EventKey> = sqlx::query_as(
        "SELECT user_id, provider, encode(body_sha256, 'hex') FROM tally.inbox
         WHERE user_id = ANY($1) AND endpoint <> 'analyze_leads'",
    )
    .bind(&tenants)
    .fetch_all(db)
    .await
    .unwrap();
    let stored: BTreeSet<EventKey> = rows.into_iter().collect();
    let describe = |(user_id, provider, sha256): &EventKey| format!("{provider} {sha256} of {user_id}");
    let lost = evidence.events.iter().filter(|(key, acknowledged)| **acknowledged && !stored.contains(*key));
    let lost = lost.map(|(key, _)| Finding { check: STORED, kind: Kind::Lost, detail: describe(key) });
    let invented = stored.iter().filter(|key| !evidence.events.contains_key(*key));
    let invented = invented.map(|key| Finding { check: SENT, kind: Kind::Invented, detail: describe(key) });
    lost.chain(invented).collect()
}

/// I5 by `tallyline verify`, beside a ledger if there is one. In the middle of a run
/// only what is unmarked is compared, and what differs is stale.
pub async fn verified(place: &Place, ledger: Option<&str>, in_the_middle: bool) -> Vec<Finding> {
    let mut arguments = vec!["verify", "--json", "--wait", if in_the_middle { "0" } else { "120" }];
    if let Some(ledger) = ledger {
        arguments.extend(["--ledger", ledger]);
    }
    let output = place.run(&arguments).await;
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        let detail = String::from_utf8_lossy(&output.stderr).into_owned();
        return vec![Finding { check: FIGURES, kind: Kind::Different, detail: format!("verify failed: {detail}") }];
    };
    let (check, kind) = if in_the_middle { (HONEST, Kind::Stale) } else { (FIGURES, Kind::Different) };
    let differences = report["differences"].as_array().unwrap().iter();
    let mut findings: Vec<Finding> = differences
        .map(|difference| Finding { check, kind, detail: difference.as_str().unwrap_or_default().to_owned() })
        .collect();
    if !in_the_middle && report["settled"] != true {
        findings.push(Finding { check, kind: Kind::Stale, detail: "not settled within two minutes".to_owned() });
    }
    findings
}
