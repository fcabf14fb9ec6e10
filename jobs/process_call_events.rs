//! `process_call_events`: applies the inbox to calls and what hangs on them.
//!
//! A standing drain over `tally.inbox_pending`. Each batch is one transaction:
//! the lanes of its tenants are locked, the events filed under their calls, the
//! affected calls folded anew from all their events (`tallyline_model::merge`),
//! everything written set-based, and the pending rows deleted. So an event's
//! effect and the end of its pending row commit together or not at all.
//!
//! A batch that fails because of its data is split until the bad event is
//! alone; that one goes to quarantine with its SQLSTATE. Batches are counted on
//! the lane, in a committed transaction, before the work: a lane whose batches
//! keep dying with their process is worked through one event at a time. A batch
//! that fails while its process lives is no death, and is tried again whole.

mod analyses;
mod assign;
mod calls;
mod claim;
mod contacts;
mod details;
mod effects;
mod follow_ups;
mod intake;
mod ledger;
mod legs;
mod rows;

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool};
use tallyline_failpoints::{Point, pass};
use tallyline_queue::span;
use uuid::Uuid;

use self::claim::{Lane, PendingId};
use self::intake::Intake;

/// SQLSTATE of a change to calls that have gone to history.
const FROZEN: &str = "23T01";

/// How long one unit goes on with events one by one, all its lanes together: well within
/// a unit's deadline, or the last lanes would be interrupted for ever.
const ALONE: Duration = Duration::from_secs(20);

/// What one unit may do at most.
#[derive(Debug, Clone)]
pub struct Options {
    /// Events applied by one transaction.
    pub batch_events: i64,
    /// Bytes of their bodies together; one event may have more.
    pub batch_bytes: i64,
    /// Tenants that one transaction may serve.
    pub batch_tenants: i64,
    /// Seconds that a Twilio event waits for the Bolna execution of its call.
    pub twilio_wait_seconds: f64,
    /// Batches begun and not ended after which events are taken one by one.
    pub max_lane_claims: i32,
    /// Times that an event may be begun alone before it goes to quarantine.
    pub max_event_claims: i32,
    /// Days from a call to the follow-up that its analysis asks for without a date.
    pub follow_up_default_days: i32,
}

/// Why a batch was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("stored event of tenant {user_id} cannot be read back: {source}")]
    Facts { user_id: Uuid, source: serde_json::Error },
}

impl ProcessError {
    /// Whether the data, not the circumstances, made the batch fail: trying it
    /// again as it is would fail again.
    fn is_data(&self) -> Option<String> {
        match self {
            ProcessError::Facts { .. } => Some("facts".to_owned()),
            ProcessError::Database(error) => {
                let code = error.as_database_error()?.code()?;
                matches!(code.get(..2), Some("22" | "23" | "54")).then(|| code.into_owned())
            }
        }
    }

    /// Whether the rows of one tenant may be to blame: the database answered, and not
    /// that it has no room, is stopping, was cancelled or found a conflict.
    fn is_of_one_lane(&self) -> bool {
        let ProcessError::Database(error) = self else { return true };
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| !["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)))
    }

    /// Whether a statement took longer than it may.
    fn is_timeout(&self) -> bool {
        let ProcessError::Database(error) = self else { return false };
        error.as_database_error().and_then(|error| error.code()).as_deref() == Some("57014")
    }
}

/// Applies one batch; returns how many events were taken from the inbox.
///
/// # Errors
/// When the database refused for a reason that is not the data's; what failed
/// was not applied then, and is still pending.
pub async fn run_unit(pool: &PgPool, options: &Options) -> Result<usize, ProcessError> {
    let lanes = claim::claim_lanes(pool, options.batch_tenants).await?;
    if !lanes.is_empty() {
        pass::<sqlx::Error>(Point::LanesClaimed)?;
    }
    let (suspect, sound): (Vec<Lane>, Vec<Lane>) =
        lanes.into_iter().partition(|lane| lane.claims > options.max_lane_claims);

    let mut taken = 0;
    let mut failed = None;
    if !sound.is_empty() {
        match apply_batch(pool, &sound, options).await {
            Ok(count) => taken += count,
            Err(error) => failed = Some(error),
        }
    }
    // One tenant's trouble is not another's.
    let share = ALONE / u32::try_from(suspect.len()).unwrap_or(u32::MAX).max(1);
    for lane in suspect {
        match apply_alone(pool, &lane, share, options).await {
            Ok(count) => taken += count,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(taken), Err)
}

/// Applies a batch of several lanes; where the database refuses it for a reason that one
/// of them may be to blame for, each lane by itself, so that it holds up no other.
async fn apply_batch(pool: &PgPool, lanes: &[Lane], options: &Options) -> Result<usize, ProcessError> {
    match apply_lanes(pool, lanes, options).await {
        Err(error) if lanes.len() > 1 && error.is_of_one_lane() => {}
        Err(error) => {
            unclaim(pool, lanes, &error).await;
            return Err(error);
        }
        applied => return applied,
    }
    let (mut taken, mut failed) = (0, None);
    for lane in lanes.iter().map(std::slice::from_ref) {
        match apply_lanes(pool, lane, options).await {
            Ok(count) => taken += count,
            Err(error) => {
                unclaim(pool, lane, &error).await;
                failed = failed.or(Some(error));
            }
        }
    }
    match failed {
        // An error would make the others wait, and them it does not concern.
        Some(error) if taken > 0 => tracing::warn!(%error, "a tenant's events cannot be applied, others' were"),
        Some(error) => return Err(error),
        None => {}
    }
    Ok(taken)
}

async fn apply_lanes(pool: &PgPool, lanes: &[Lane], options: &Options) -> Result<usize, ProcessError> {
    let due = claim::due_events(pool, lanes, per_lane(options.batch_events, lanes.len())).await?;
    let (begun, fresh): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, was_begun)| *was_begun);
    let fresh = fresh.into_iter().map(|(id, _)| id).collect();
    let mut taken = apply_or_split(pool, fresh, options, Release::Lanes).await?;
    if !begun.is_empty() {
        // What somebody died with is no company for others.
        for (id, _) in begun {
            taken += apply_one(pool, id, options).await?;
        }
        claim::note_ended(pool, lanes).await?;
    }
    Ok(taken)
}

/// The process lives, so this was no death. A batch that takes too long stays counted:
/// taken one by one its events may be quick enough.
async fn unclaim(pool: &PgPool, lanes: &[Lane], error: &ProcessError) {
    if !error.is_timeout() {
        let user_ids: Vec<Uuid> = lanes.iter().map(|lane| lane.user_id).collect();
        claim::unclaim_lanes(pool, &user_ids).await;
    }
}

fn per_lane(batch_events: i64, lanes: usize) -> i64 {
    (batch_events / i64::try_from(lanes).unwrap_or(i64::MAX)).max(1)
}

/// Applies a batch; where its data makes it fail, halves it (an explicit stack
/// instead of recursion) until single events are left over for quarantine.
async fn apply_or_split(
    pool: &PgPool,
    ids: Vec<PendingId>,
    options: &Options,
    release: Release,
) -> Result<usize, ProcessError> {
    let mut taken = 0;
    let mut stack = vec![ids];
    while let Some(mut batch) = stack.pop() {
        if batch.is_empty() {
            continue;
        }
        match apply(pool, &batch, options, release).await {
            Ok(count) => taken += count,
            Err(error) => {
                let Some(code) = error.is_data() else { return Err(error) };
                if batch.len() == 1 {
                    tracing::warn!(sqlstate = %code, inbox_id = batch[0].inbox_id, "event refused by the database, quarantined");
                    let reason = if code == FROZEN { "frozen" } else { "data_error" };
                    taken += quarantine_alone(pool, batch[0], reason, &format!("SQLSTATE {code}"), release).await?;
                } else {
                    metrics::counter!("tallyline_process_batches_split_total").increment(1);
                    let second = batch.split_off(batch.len() / 2);
                    stack.push(second);
                    stack.push(batch);
                }
            }
        }
    }
    Ok(taken)
}

/// The events of a lane whose batches did not end, one by one, each counted by
/// itself. The lane is released at the end only: if the process dies on the way,
/// the next one goes on like this, and soon knows which event it is.
async fn apply_alone(pool: &PgPool, lane: &Lane, share: Duration, options: &Options) -> Result<usize, ProcessError> {
    let (mut taken, began) = (0, Instant::now());
    let lane = std::slice::from_ref(lane);
    for (id, _) in claim::due_events(pool, lane, options.batch_events).await? {
        if taken > 0 && began.elapsed() > share {
            // The lane stays as it is: the next unit goes on.
            return Ok(taken);
        }
        // To the end, even if another worker is at the lane: workers who got out of each
        // other's way would never release it.
        taken += apply_one(pool, id, options).await?;
    }
    claim::note_ended(pool, lane).await?;
    Ok(taken)
}

/// One event, counted by itself.
async fn apply_one(pool: &PgPool, id: PendingId, options: &Options) -> Result<usize, ProcessError> {
    let claims = claim::claim_event(pool, id).await?;
    if claims == 0 {
        // Another worker has ended it meanwhile.
        return Ok(0);
    }
    if claims > options.max_event_claims {
        tracing::error!(inbox_id = id.inbox_id, claims, "event was begun too often and never ended, quarantined");
        let detail = format!("begun {claims} times");
        return quarantine_alone(pool, id, "never_ended", &detail, Release::Nothing).await;
    }
    let applied = apply_or_split(pool, vec![id], options, Release::Nothing).await;
    if matches!(applied, Ok(0) | Err(_)) {
        // Another worker is at its lane, so that nothing was begun, or the process lives:
        // neither counts, or the events of a busy lane would soon be taken for poison.
        claim::unclaim_event(pool, id).await;
    }
    applied
}

/// Whether a transaction that ends its events also ends its lanes' batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    Lanes,
    Nothing,
}

/// Applies a batch in one transaction, or as much of it as there is room for its bodies;
/// returns how many events it took. The others are still pending.
async fn apply(pool: &PgPool, ids: &[PendingId], options: &Options, release: Release) -> Result<usize, ProcessError> {
    let mut tx = pool.begin().await?;
    match apply_in(&mut tx, ids, options, release).await {
        Ok(None) => Ok(0),
        Ok(Some(intake)) => {
            tx.commit().await?;
            pass::<sqlx::Error>(Point::BatchAfterCommit)?;
            intake.record_metrics();
            Ok(intake.len())
        }
        Err(error) => {
            // Waited for: dropped, it would let go of the lanes at some later time, and
            // the halves of the batch would be passed by as somebody else's.
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// None when another worker is at the lanes.
async fn apply_in(
    tx: &mut PgConnection,
    ids: &[PendingId],
    options: &Options,
    release: Release,
) -> Result<Option<Intake>, ProcessError> {
    let lanes = claim::lock_lanes(tx, ids).await?;
    let held: Vec<PendingId> = ids.iter().copied().filter(|id| lanes.contains_key(&id.user_id)).collect();
    if held.is_empty() {
        return Ok(None);
    }
    let mut intake = intake::fetch(tx, &held, options.batch_bytes).await?;
    pass::<sqlx::Error>(Point::BatchLoaded)?;
    let freed = assign::free_waiting(tx, &intake, options.batch_bytes - intake.bytes).await?;
    if !freed.is_empty() {
        intake.extend(intake::fetch(tx, &freed, i64::MAX).await?);
    }
    span::carry_in(tx).await?;
    let assigned = assign::assign(tx, &lanes, &mut intake).await?;
    pass::<sqlx::Error>(Point::BatchAssigned)?;
    let states = calls::fold(tx, &assigned).await?;
    effects::write(tx, &lanes, states, options).await?;
    pass::<sqlx::Error>(Point::EffectsWritten)?;
    finish(tx, &intake, options).await?;
    if release == Release::Lanes {
        claim::release_lanes(tx, &lanes).await?;
    }
    pass::<sqlx::Error>(Point::BatchBeforeCommit)?;
    Ok(Some(intake))
}

/// Ends the batch's pending rows: applied, in quarantine, or waiting.
async fn finish(tx: &mut PgConnection, intake: &Intake, options: &Options) -> Result<(), ProcessError> {
    intake::insert_quarantine(tx, &intake.quarantined).await?;
    intake::set_waiting(tx, &intake.waiting, options.twilio_wait_seconds).await?;
    claim::delete_pending(tx, &intake.ended()).await?;
    Ok(())
}

async fn quarantine_alone(
    pool: &PgPool,
    id: PendingId,
    reason: &'static str,
    detail: &str,
    release: Release,
) -> Result<usize, ProcessError> {
    let mut tx = pool.begin().await?;
    let lanes = claim::lock_lanes(&mut tx, &[id]).await?;
    if lanes.is_empty() {
        return Ok(0);
    }
    let quarantined = intake::quarantine_unparsed(&mut tx, id, reason, detail).await?;
    claim::delete_pending(&mut tx, &[id]).await?;
    if release == Release::Lanes {
        claim::release_lanes(&mut tx, &lanes).await?;
    }
    tx.commit().await?;
    metrics::counter!("tallyline_events_quarantined_total", "reason" => reason).increment(1);
    Ok(quarantined)
}
