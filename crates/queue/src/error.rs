//! Errors of the queue's own interface.

/// What can go wrong when the queue is used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The database refused or was away.
    #[error("queue: {0}")]
    Database(#[from] sqlx::Error),
    /// This claim is no longer held: the job was taken back, or has ended.
    #[error("queue: claim of job {job_id} is no longer held")]
    Fenced {
        /// The job in question.
        job_id: i64,
    },
    /// A unique key was held and free by turns; the job was not enqueued.
    #[error("queue: a unique key is taken and freed too fast to tell who holds it")]
    Busy,
    /// A payload could not be written as JSON.
    #[error("queue: the payload of kind {kind} cannot be encoded as JSON")]
    Encode {
        /// Kind of the job.
        kind: &'static str,
    },
    /// No registered kind has this name.
    #[error("there is no kind of job {0:?}")]
    UnknownKind(String),
    /// A payload is none of its kind.
    #[error("the payload is none of kind {kind}: {reason}")]
    Payload {
        /// Kind of the job.
        kind: String,
        /// Why; it may quote the payload.
        reason: String,
    },
    /// A page of a list begins at a place of another list.
    #[error("this is no place in this list: pass on what the page before it gave")]
    Place,
    /// A schedule is not valid.
    #[error("schedule {name}: {reason}")]
    Schedule {
        /// Name of the schedule.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no schedule of this name.
    #[error("there is no schedule {name:?}{}", hint(.nearest.as_deref()))]
    UnknownSchedule {
        /// The name.
        name: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// Two jobs of one registry have the same kind.
    #[error("job kind {0} is registered twice")]
    DuplicateKind(&'static str),
    /// The thread that keeps the lease could not be started.
    #[error("the lease thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

/// Any error, as handlers give it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The longest error text that is stored, in characters.
const STORED_ERROR_CHARS: usize = 2_000;

/// Makes a text fit to be stored: bounded, and without NUL, which `text` cannot hold.
pub(crate) fn storable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(STORED_ERROR_CHARS).collect()
}

/// Writes an error with its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
