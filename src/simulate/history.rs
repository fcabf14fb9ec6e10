//! Every delivery with its answer, for whoever checks what became of it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SimulateError;

/// One delivery, a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    pub user_id: Uuid,
    /// The last part of the path that it was sent to says the same.
    pub provider: String,
    /// Of the body, in hex: what the receiver knows an event by.
    pub sha256: String,
    /// From the start of the run, as is the next.
    pub sent_milliseconds: u64,
    pub answered_milliseconds: u64,
    /// The answer's status; none where no answer came.
    pub status: Option<u16>,
}

/// Where deliveries are noted, if anywhere.
pub(super) struct History(Option<Mutex<File>>);

impl History {
    pub(super) fn create(path: Option<&Path>) -> Result<Self, SimulateError> {
        Ok(Self(path.map(File::create).transpose().map_err(SimulateError::History)?.map(Mutex::new)))
    }

    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn enter(&self, delivered: &Delivered) -> Result<(), SimulateError> {
        let Some(file) = &self.0 else { return Ok(()) };
        let mut line = serde_json::to_vec(delivered).map_err(|error| SimulateError::History(error.into()))?;
        line.push(b'\n');
        file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line).map_err(SimulateError::History)
    }
}
