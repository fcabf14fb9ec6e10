//! `/operate/jobs/many`: what a filter names is shown first, counted and with a
//! sample, and changed by a second confirmation, in batches that are each one
//! transaction.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use tallyline_queue::admin::{self, Filter, JobLine, KindCount, Listing};
use tallyline_queue::store;
use uuid::Uuid;

use super::jobs::lines;
use super::page::{Actor, Answer, AsAdmin, Stop, address, button, filled, page, reason, table, tenant_id};
use crate::accounts::guard::Gate;
use crate::dashboard::format::integer;

const PATH: &str = "/operate/jobs/many";

/// Jobs of one transaction: locks are held for a moment only.
const BATCH: i64 = 1_000;
/// Batches of one request; the rest is for the next.
const BATCHES: usize = 20;
/// Jobs that a preview names.
const SAMPLE: i64 = 20;

/// What may be done to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Replay,
    Discard,
    Cancel,
    DueNow,
}

impl What {
    fn of_dead(self) -> bool {
        matches!(self, What::Replay | What::Discard)
    }

    fn word(self) -> &'static str {
        match self {
            What::Replay => "replay",
            What::Discard => "discard",
            What::Cancel => "cancel",
            What::DueNow => "due-now",
        }
    }

    fn action(self) -> &'static str {
        match self {
            What::Replay => "job.replay",
            What::Discard => "job.discard",
            What::Cancel => "job.cancel",
            What::DueNow => "job.due_now",
        }
    }

    fn says(self) -> &'static str {
        match self {
            What::Replay => "put back into their queues, due now, with all their attempts",
            What::Discard => "removed for good",
            What::Cancel => "removed, or asked to end if they run",
            What::DueNow => "due now instead of after their delay",
        }
    }
}

/// Which jobs, and what is to be done to them.
#[derive(Debug, Deserialize)]
pub struct Asked {
    what: What,
    state: Option<String>,
    kind: Option<String>,
    queue: Option<String>,
    tenant: Option<String>,
    /// Highest id at the time of the preview: what came later is left alone.
    up_to: Option<i64>,
    reason: Option<String>,
}

impl Asked {
    fn filter(&self) -> Result<Filter, Stop> {
        let state = match (self.what, filled(self.state.as_ref())) {
            (What::DueNow, _) => Some("failing"),
            (What::Cancel, Some("waiting")) => Some("waiting"),
            (What::Cancel, Some("delayed")) => Some("delayed"),
            (What::Cancel, Some("running")) => Some("running"),
            _ => None,
        };
        Ok(Filter {
            state,
            kind: filled(self.kind.as_ref()).map(str::to_owned),
            queue: filled(self.queue.as_ref()).map(str::to_owned),
            tenant: tenant_id(self.tenant.as_ref())?,
        })
    }
}

async fn count(db: &mut PgConnection, what: What, filter: &Filter) -> Result<Vec<KindCount>, Stop> {
    Ok(if what.of_dead() { admin::count_letters(db, filter).await? } else { admin::count_live(db, filter).await? })
}

/// Some of those that the filter names, the newest.
async fn sample(db: &mut PgConnection, what: What, filter: &Filter) -> Result<(admin::State, Vec<JobLine>), Stop> {
    let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *db).await?;
    let state = match (what.of_dead(), filter.state) {
        (true, _) => admin::State::Dead,
        (false, Some("waiting")) => admin::State::Waiting,
        (false, Some("delayed" | "failing")) => admin::State::Delayed,
        (false, Some("running")) => admin::State::Running,
        _ => admin::State::Live,
    };
    let listing = Listing {
        state,
        kind: filter.kind.clone(),
        queue: filter.queue.clone(),
        tenant: filter.tenant,
        since: now,
        since_for_all: false,
        limit: SAMPLE,
        before: None,
    };
    let mut jobs = admin::list(db, &listing).await?.jobs;
    // Delayed without an attempt behind it is not failing.
    jobs.retain(|job| what != What::DueNow || job.attempt > 0);
    Ok((state, jobs))
}

/// Shows what would be changed. Only for who may change it.
pub async fn preview(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Query(asked): Query<Asked>) -> Answer {
    let filter = asked.filter()?;
    let mut db = gate.pool.acquire().await?;
    let (jobs_top, letters_top) = admin::tops(&mut db).await?;
    let kinds = count(&mut db, asked.what, &filter).await?;
    let (state, some) = sample(&mut db, asked.what, &filter).await?;
    drop(db);
    let total: i64 = kinds.iter().map(|kind| kind.jobs).sum();
    let up_to = if asked.what.of_dead() { letters_top } else { jobs_top };
    let content = html! {
        p { strong { (integer(total)) } " jobs would be " (asked.what.says()) "." }
        (by_kind(&kinds))
        @if total > 0 {
            h2 .part { "Some of them" }
            (lines(&some, state))
            div .actions { (confirm(&asked, &filter, up_to, total)) }
        }
        p .more { a href=(address("/operate/jobs", &list_filters(&asked))) { "Back to the list" } }
    };
    page(&gate, &actor.principal, "/operate/jobs", "Change many jobs", content).await
}

fn list_filters(asked: &Asked) -> [(&str, Option<&str>); 4] {
    [
        ("state", filled(asked.state.as_ref())),
        ("kind", filled(asked.kind.as_ref())),
        ("queue", filled(asked.queue.as_ref())),
        ("tenant", filled(asked.tenant.as_ref())),
    ]
}

fn by_kind(kinds: &[KindCount]) -> Markup {
    let rows = html! { @for kind in kinds { tr { th scope="row" { (kind.kind) } td .n { (integer(kind.jobs)) } } } };
    html! { @if !kinds.is_empty() { (table("By kind", &["Kind", "#Jobs"], &rows)) } }
}

fn confirm(asked: &Asked, filter: &Filter, up_to: i64, total: i64) -> Markup {
    let up_to = up_to.to_string();
    let tenant = filter.tenant.map(|id: Uuid| id.to_string()).unwrap_or_default();
    let hidden = [
        ("what", asked.what.word()),
        ("state", asked.state.as_deref().unwrap_or_default()),
        ("kind", filter.kind.as_deref().unwrap_or_default()),
        ("queue", filter.queue.as_deref().unwrap_or_default()),
        ("tenant", tenant.as_str()),
        ("up_to", up_to.as_str()),
    ];
    button(PATH, &format!("Confirm: {} {}", asked.what.word(), integer(total)), &hidden, &reason("many-reason"))
}

/// Changes what the preview showed.
pub async fn act(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Form(asked): Form<Asked>) -> Answer {
    let filter = asked.filter()?;
    let up_to = asked.up_to.ok_or(Stop::refused("Look at the preview first."))?;
    let reason = filled(asked.reason.as_ref()).ok_or(Stop::refused("Say why."))?;
    let mut db = gate.pool.acquire().await?;
    let (mut after, mut seen, mut changed) = (0, 0, 0);
    let mut is_over = false;
    for _ in 0..BATCHES {
        let ids = match asked.what.of_dead() {
            true => admin::next_letters(&mut db, &filter, after, up_to, BATCH).await?,
            false => admin::next_live(&mut db, &filter, after, up_to, BATCH).await?,
        };
        let Some(last) = ids.last() else {
            is_over = true;
            break;
        };
        after = *last;
        seen += ids.len();
        changed += one_batch(&mut db, &actor, &asked, &filter, &ids, reason).await?;
    }
    drop(db);
    gate.means.tell_of_jobs(&gate.pool).await;
    gate.means.tell_of_cancels(&gate.pool).await;
    done(&gate, &actor, &asked, Came { seen, changed, is_over }).await
}

async fn one_batch(
    db: &mut PgConnection,
    actor: &Actor,
    asked: &Asked,
    filter: &Filter,
    ids: &[i64],
    reason: &str,
) -> Result<usize, Stop> {
    use sqlx::Acquire as _;
    let mut tx = db.begin().await?;
    let jobs = match asked.what {
        What::Replay => admin::replay(&mut tx, ids).await?.len(),
        What::Discard => admin::discard(&mut tx, ids, reason).await?.len(),
        What::Cancel => store::cancel_many(&mut *tx, ids, reason).await?.len(),
        What::DueNow => admin::due_now(&mut tx, ids).await?.len(),
    };
    let details = json!({ "filter": filter, "jobs": jobs, "reason": reason });
    actor.record(&mut tx, asked.what.action(), ("job", "many".to_owned()), filter.tenant, details).await?;
    tx.commit().await?;
    Ok(jobs)
}

struct Came {
    seen: usize,
    changed: usize,
    is_over: bool,
}

async fn done(gate: &Gate, actor: &Actor, asked: &Asked, came: Came) -> Result<Response, Stop> {
    let left = came.seen - came.changed;
    let mut again = list_filters(asked).to_vec();
    again.push(("what", Some(asked.what.word())));
    let content = html! {
        p .done role="status" { strong { (came.changed) } " jobs: " (asked.what.says()) "." }
        @if left > 0 { p { (left) " had ended meanwhile, or somebody else held them." } }
        @if !came.is_over { p { "There are more: " a href=(address(PATH, &again)) { "go on" } "." } }
        p .more { a href=(address("/operate/jobs", &list_filters(asked))) { "Back to the list" } }
    };
    page(gate, &actor.principal, "/operate/jobs", "Change many jobs", content).await
}
