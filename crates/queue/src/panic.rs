//! What a caught panic says.

use std::any::Any;

use crate::{error::storable, job::RunError};

/// Turns a caught panic into a failure. For apalis' `CatchPanicLayer`, whose
/// own handler would make it final.
#[allow(clippy::borrowed_box, reason = "the signature that CatchPanicLayer asks for")]
pub(crate) fn panic_text(payload: &Box<dyn Any + Send>) -> RunError {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    RunError::Panicked(storable(&text))
}
