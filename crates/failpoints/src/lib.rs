//! Named points on the way of the data at which a test can end, freeze or fail a process.
//!
//! In a debug build one point can be armed by the environment at the start:
//! `TALLYLINE_FAILPOINT=name:n:action` does `abort`, `freeze` or `error` at every n-th
//! pass of that point. Without the variable nothing happens, and a release build has
//! none of it: [`pass`] and [`reach`] are empty there.

/// Declares the points once, with the names by which they are armed.
macro_rules! points {
    ($($(#[$doc:meta])* $point:ident => $name:literal),+ $(,)?) => {
        /// Where a process can be struck. Every point is passed by the fault tests' traffic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point { $($(#[$doc])* $point),+ }

        impl Point {
            /// All of them, in the order of the way of the data.
            pub const ALL: &[Point] = &[$(Point::$point),+];

            /// The name by which it is armed.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Point::$point => $name),+ }
            }
        }
    };
}

points! {
    /// A group of webhooks is about to be written.
    ReceiverBeforeCommit => "receiver_before_commit",
    /// It is committed, and nobody was answered yet.
    ReceiverAfterCommit => "receiver_after_commit",
    /// Webhooks are in the spool's file and not on the disk.
    SpoolAppended => "spool_appended",
    /// They are on the disk and not acknowledged.
    SpoolSynced => "spool_synced",
    /// A file has reached its size, and the next one is not begun.
    SpoolRotated => "spool_rotated",
    /// A file was read back, and nothing of it is in the inbox.
    SpoolRead => "spool_read",
    /// All of a file is in the inbox, and the file is there.
    SpoolCommitted => "spool_committed",
    /// The file is gone.
    SpoolRemoved => "spool_removed",
    /// Lanes of the inbox are claimed and counted.
    LanesClaimed => "lanes_claimed",
    /// A batch of events is read.
    BatchLoaded => "batch_loaded",
    /// Its events are filed under their calls.
    BatchAssigned => "batch_assigned",
    /// The calls are written, and nothing that hangs on them.
    CallsWritten => "calls_written",
    /// All effects are written, the pending rows are there.
    EffectsWritten => "effects_written",
    /// The transaction of a batch is about to commit.
    BatchBeforeCommit => "batch_before_commit",
    /// It has committed.
    BatchAfterCommit => "batch_after_commit",
    /// Marks of contacts are consumed and their rows written, not committed.
    ContactsFolded => "contacts_folded",
    /// Analyses are claimed, the claim is committed.
    AnalysesClaimed => "analyses_claimed",
    /// They are made and written, not committed.
    AnalysesEnded => "analyses_ended",
    /// Buckets are locked.
    RollUpLocked => "roll_up_locked",
    /// Their marks are consumed.
    RollUpConsumed => "roll_up_consumed",
    /// Their rows are replaced.
    RollUpReplaced => "roll_up_replaced",
    /// Their parents are marked and who follows is asked for.
    RollUpBeforeCommit => "roll_up_before_commit",
    /// It has committed.
    RollUpAfterCommit => "roll_up_after_commit",
    /// The KPI view is refreshed, not committed.
    KpiRefreshed => "kpi_refreshed",
    /// A tenant's caches are written, not committed.
    CachesWritten => "caches_written",
    /// Jobs are claimed, and no handler knows.
    JobsClaimed => "jobs_claimed",
    /// Ended jobs are about to be reported.
    JobsBeforeReport => "jobs_before_report",
    /// They are reported, and this process does not know it yet.
    JobsAfterReport => "jobs_after_report",
    /// Jobs of lost processes were looked for and given back.
    JobsRescued => "jobs_rescued",
    /// A lease is registered.
    LeaseRegistered => "lease_registered",
    /// A schedule is locked, its fires are not written.
    ScheduleTaken => "schedule_taken",
    /// Fires and jobs are written, not committed.
    ScheduleBeforeCommit => "schedule_before_commit",
    /// They are committed.
    ScheduleAfterCommit => "schedule_after_commit",
    /// A unit of a backfill is locked.
    BackfillClaimed => "backfill_claimed",
    /// Its rows are written, not committed.
    BackfillBeforeCommit => "backfill_before_commit",
    /// A notification is claimed and not sent.
    NotificationClaimed => "notification_claimed",
    /// It was sent, and that is not noted.
    NotificationSent => "notification_sent",
    /// One batch of a purge is gone.
    PurgeBatch => "purge_batch",
}

/// Arms a point; see the page of this crate.
pub const VARIABLE: &str = "TALLYLINE_FAILPOINT";

/// A point that can fail.
///
/// # Errors
/// When it was armed with `error` and this is one of the passes.
#[inline(always)]
#[cfg(not(debug_assertions))]
pub fn pass<E: From<std::io::Error>>(_: Point) -> Result<(), E> {
    Ok(())
}

/// A point where nothing can fail; `error` does nothing there.
#[inline(always)]
#[cfg(not(debug_assertions))]
pub fn reach(_: Point) {}

#[cfg(debug_assertions)]
pub use armed::{pass, reach};

#[cfg(debug_assertions)]
mod armed {
    use std::io;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Point, VARIABLE};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Action {
        /// The process ends, as by `kill -9`.
        Abort,
        /// It stands still until somebody sends SIGCONT.
        Freeze,
        /// The caller is given an error.
        Error,
    }

    #[derive(Debug)]
    pub(super) struct Plan {
        pub(super) point: Point,
        pub(super) every: u64,
        pub(super) action: Action,
        passes: AtomicU64,
    }

    /// A point that can fail.
    ///
    /// # Errors
    /// When it was armed with `error` and this is one of the passes.
    pub fn pass<E: From<io::Error>>(point: Point) -> Result<(), E> {
        match strike(point) {
            Some(Action::Error) => {
                Err(io::Error::new(io::ErrorKind::ConnectionReset, format!("failpoint {}", point.name())).into())
            }
            _ => Ok(()),
        }
    }

    /// A point where nothing can fail; `error` does nothing there.
    pub fn reach(point: Point) {
        strike(point);
    }

    fn strike(point: Point) -> Option<Action> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let plan = PLAN.get_or_init(from_environment).as_ref().filter(|plan| plan.point == point)?;
        let passes = plan.passes.fetch_add(1, Ordering::Relaxed) + 1;
        if !passes.is_multiple_of(plan.every) {
            return None;
        }
        eprintln!("failpoint {} passed {passes} times: {:?}", point.name(), plan.action);
        match plan.action {
            Action::Abort => std::process::abort(),
            Action::Freeze => {
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
            }
            Action::Error => {}
        }
        Some(plan.action)
    }

    #[expect(clippy::disallowed_methods, reason = "no setting: only tests arm points, and only debug builds know them")]
    fn from_environment() -> Option<Plan> {
        let text = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty())?;
        let plan = parse(&text);
        if plan.is_none() {
            // A test that strikes nothing proves nothing.
            eprintln!("{VARIABLE}={text} is not name:n:abort|freeze|error");
            std::process::abort();
        }
        plan
    }

    pub(super) fn parse(text: &str) -> Option<Plan> {
        let mut parts = text.split(':');
        let (name, every, action) = (parts.next()?, parts.next()?, parts.next()?);
        let action = match action {
            "abort" => Action::Abort,
            "freeze" => Action::Freeze,
            "error" => Action::Error,
            _ => return None,
        };
        let point = Point::ALL.iter().copied().find(|point| point.name() == name)?;
        let every = every.parse().ok().filter(|every| *every > 0)?;
        parts.next().is_none().then(|| Plan { point, every, action, passes: AtomicU64::new(0) })
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::Point;
    use super::armed::{Action, parse};

    #[test]
    fn a_plan_names_a_point_a_number_and_an_action() {
        let plan = parse("batch_loaded:3:freeze").unwrap();
        assert_eq!((plan.point, plan.every, plan.action), (Point::BatchLoaded, 3, Action::Freeze));
        for text in ["batch_loaded", "batch_loaded:0:abort", "nothing:1:abort", "batch_loaded:1:burn", "a:1:abort:x"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn names_differ() {
        let names: std::collections::BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
