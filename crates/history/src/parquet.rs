//! Calls in a Parquet file, and back. Agents and contacts are written as the
//! text of their ids, times as timestamps (UTC), so that others can read it.

use std::fs::File;
use std::path::Path;

use polars::prelude::{DataFrame, DataType, NamedFrom, ParquetReader, ParquetWriter, SerReader, Series, TimeUnit};
use uuid::Uuid;

use crate::calls::Calls;
use crate::error::HistoryError;

/// Columns that hold positions in a list of ids, and what they are called in a file.
const AGENT: (&str, &str) = ("agent", "agent_id");
const CONTACT: (&str, &str) = ("contact", "contact_id");

/// Writes the calls to a new file and waits until it is on disk.
///
/// # Errors
/// When the file exists already or cannot be written.
pub fn write(calls: &Calls, path: &Path) -> Result<(), HistoryError> {
    let mut frame = calls.frame.clone();
    spell_out(&mut frame, AGENT, &calls.agents)?;
    spell_out(&mut frame, CONTACT, &calls.contacts)?;
    let instant = DataType::Datetime(TimeUnit::Microseconds, None);
    let started_at = frame.column("started_at")?.cast(&instant)?;
    frame.with_column(started_at)?;
    let file = File::create_new(path)?;
    ParquetWriter::new(&file).finish(&mut frame)?;
    file.sync_all()?;
    Ok(())
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// When the file cannot be read or is not such a file.
pub fn read(path: &Path) -> Result<Calls, HistoryError> {
    let mut frame = ParquetReader::new(File::open(path)?).finish()?;
    let agents = number(&mut frame, AGENT)?;
    let contacts = number(&mut frame, CONTACT)?;
    let started_at = frame.column("started_at")?.cast(&DataType::Int64)?;
    frame.with_column(started_at)?;
    Ok(Calls { frame, agents, contacts, identities: None })
}

fn spell_out(frame: &mut DataFrame, (from, to): (&str, &str), ids: &[Uuid]) -> Result<(), HistoryError> {
    let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    let spelled: Vec<Option<&str>> = frame
        .column(from)?
        .u32()?
        .iter()
        .map(|number| texts.get(usize::try_from(number?).ok()?).map(String::as_str))
        .collect();
    frame.replace(from, Series::new(from.into(), spelled).into())?;
    frame.rename(from, to.into())?;
    Ok(())
}

/// Numbers by first appearance, as the scan does.
fn number(frame: &mut DataFrame, (to, from): (&'static str, &str)) -> Result<Vec<Uuid>, HistoryError> {
    let mut ids = crate::calls::Dictionary::default();
    let mut numbers: Vec<Option<u32>> = Vec::with_capacity(frame.height());
    for text in frame.column(from)?.str()?.iter() {
        let id = text.map(Uuid::parse_str).transpose().map_err(|_| HistoryError::File("an id is no uuid"))?;
        numbers.push(id.map(|id| ids.number(to, id)).transpose()?);
    }
    frame.replace(from, Series::new(from.into(), numbers).into())?;
    frame.rename(from, to.into())?;
    Ok(ids.into_ids())
}
