//! How an event lies in a file of the spool.
//!
//! A file begins with [`HEADER`]; then record after record: the payload's length
//! (u32), a CRC-32C over length and payload (u32), the payload. A payload is the
//! length of what is known of the event (u32), that as JSON, and the raw body.
//! Numbers are little-endian.

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use crc::{CRC_32_ISCSI, Crc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tallyline_model::Provider;
use uuid::Uuid;

use crate::receiver::group_commit::NewEvent;

/// The first bytes of every file.
pub const HEADER: &[u8] = b"tallyline spool 1\n";

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const FRAME_BYTES: usize = 8;

/// What is known of an event besides its body.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    user_id: Uuid,
    provider: String,
    endpoint: Arc<str>,
    headers: String,
    received_at_micros: i64,
}

/// An event cannot be written down: it has no time, or is larger than 4 GiB.
#[derive(Debug, thiserror::Error)]
#[error("the event cannot be written to the spool")]
pub struct Unwritable;

/// Appends the record of `event`, which must have the time when it was received.
///
/// # Errors
/// When it has none or is too large; nothing is appended then.
pub fn encode(event: &NewEvent, into: &mut Vec<u8>) -> Result<(), Unwritable> {
    let known = Known {
        user_id: event.user_id,
        provider: event.provider.as_str().to_owned(),
        endpoint: Arc::clone(&event.endpoint),
        headers: event.headers.clone(),
        received_at_micros: event.received_at.ok_or(Unwritable)?.timestamp_micros(),
    };
    let known = serde_json::to_vec(&known).map_err(|_| Unwritable)?;
    let known_length = u32::try_from(known.len()).map_err(|_| Unwritable)?;
    let length = u32::try_from(4 + known.len() + event.body.len()).map_err(|_| Unwritable)?;
    let mut digest = CRC.digest();
    for part in [&length.to_le_bytes()[..], &known_length.to_le_bytes(), &known, &event.body] {
        digest.update(part);
    }
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&digest.finalize().to_le_bytes());
    into.extend_from_slice(&known_length.to_le_bytes());
    into.extend_from_slice(&known);
    into.extend_from_slice(&event.body);
    Ok(())
}

/// What a file holds.
#[derive(Debug)]
pub struct Contents {
    /// The whole records from the beginning, in the order in which they were written.
    pub events: Vec<NewEvent>,
    /// Where the first record begins that is not whole; `None` when all are.
    pub damaged_at: Option<usize>,
}

/// Reads a file's records up to the first that is not whole. Nothing behind it
/// is looked for: a body may hold whatever its sender likes, a record too.
pub fn decode(file: &Bytes) -> Contents {
    let mut events = Vec::new();
    if !file.starts_with(HEADER) {
        // The process died before it had written the header: there is nothing.
        let begun = HEADER.starts_with(file);
        return Contents { events, damaged_at: (!begun).then_some(0) };
    }
    let mut at = HEADER.len();
    while at < file.len() {
        let Some((event, next)) = record(file, at) else {
            return Contents { events, damaged_at: Some(at) };
        };
        events.push(event);
        at = next;
    }
    Contents { events, damaged_at: None }
}

/// The record at `at`, and where the next one begins.
fn record(file: &Bytes, at: usize) -> Option<(NewEvent, usize)> {
    let begin = at.checked_add(FRAME_BYTES)?;
    let length = number(file.get(at..at + 4)?)?;
    let crc = number(file.get(at + 4..begin)?)?;
    let end = begin.checked_add(usize::try_from(length).ok()?)?;
    let payload = file.get(begin..end)?;
    let mut digest = CRC.digest();
    digest.update(&length.to_le_bytes());
    digest.update(payload);
    if digest.finalize() != crc {
        return None;
    }
    let body_at = 4_usize.checked_add(usize::try_from(number(payload.get(..4)?)?).ok()?)?;
    let known: Known = serde_json::from_slice(payload.get(4..body_at)?).ok()?;
    let body = file.slice(begin + body_at..end);
    let event = NewEvent {
        user_id: known.user_id,
        provider: known.provider.parse::<Provider>().ok()?,
        endpoint: known.endpoint,
        body_sha256: Sha256::digest(&body).into(),
        headers: known.headers,
        received_at: Some(DateTime::from_timestamp_micros(known.received_at_micros)?),
        body,
    };
    Some((event, end))
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u8) -> NewEvent {
        // A body that looks like a record does no harm.
        let mut body = format!("{{\"id\":\"e-{n}\"}}").into_bytes();
        if n == 1 {
            let inner = NewEvent { body: Bytes::from_static(b"forged"), ..event(9) };
            encode(&inner, &mut body).unwrap();
        }
        NewEvent {
            user_id: Uuid::from_u128(n.into()),
            provider: Provider::ALL[usize::from(n) % 3],
            endpoint: Arc::from("endpoint-0123"),
            body_sha256: Sha256::digest(&body).into(),
            headers: r#"{"key":"current"}"#.to_owned(),
            received_at: DateTime::from_timestamp_micros(1_760_000_000_000_001 + i64::from(n)),
            body: body.into(),
        }
    }

    /// A file of three events, and where each record ends.
    fn file() -> (Vec<u8>, Vec<NewEvent>, Vec<usize>) {
        let (mut file, mut ends) = (HEADER.to_vec(), Vec::new());
        let events: Vec<NewEvent> = (0..3).map(event).collect();
        for event in &events {
            encode(event, &mut file).unwrap();
            ends.push(file.len());
        }
        (file, events, ends)
    }

    fn same(a: &[NewEvent], b: &[NewEvent]) -> bool {
        let all = |events: &[NewEvent]| format!("{:?}", events.iter().map(|e| (e, &e.body)).collect::<Vec<_>>());
        all(a) == all(b)
    }

    #[test]
    fn events_come_back_as_they_were() {
        let (file, events, _) = file();
        let read = decode(&file.into());
        assert!(same(&read.events, &events) && read.damaged_at.is_none());
        let timeless = NewEvent { received_at: None, ..event(0) };
        assert!(encode(&timeless, &mut Vec::new()).is_err());
    }

    /// Broken by hand: with a partial record taken for the end, no damage is told.
    #[test]
    fn of_a_file_that_ends_anywhere_the_whole_records_are_read() {
        let (file, events, ends) = file();
        for length in 0..file.len() {
            let read = decode(&Bytes::copy_from_slice(&file[..length]));
            let whole = ends.iter().filter(|end| **end <= length).count();
            assert!(same(&read.events, &events[..whole]), "{length} bytes");
            let is_edge = length <= HEADER.len() || ends.contains(&length);
            let last = ends[..whole].last().copied().unwrap_or(HEADER.len());
            assert_eq!(read.damaged_at, (!is_edge).then_some(last), "{length} bytes");
        }
    }

    /// Broken by hand: with the CRC not compared, events are read that nobody sent.
    #[test]
    fn of_a_file_with_a_flipped_bit_the_records_before_it_are_read_and_nothing_is_invented() {
        let (file, events, ends) = file();
        for position in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[position] ^= 1 << bit;
                let read = decode(&flipped.into());
                let whole = ends.iter().filter(|end| **end <= position).count();
                assert!(same(&read.events, &events[..whole]), "bit {bit} of byte {position}");
                let at =
                    if position < HEADER.len() { 0 } else { ends[..whole].last().copied().unwrap_or(HEADER.len()) };
                assert_eq!(read.damaged_at, Some(at), "bit {bit} of byte {position}");
            }
        }
    }

    #[test]
    fn zeros_and_noise_at_the_end_are_no_records() {
        let (file, events, ends) = file();
        for tail in [vec![0; 4096], (0..=255).collect::<Vec<u8>>(), vec![0xFF; 9]] {
            let read = decode(&[file.clone(), tail].concat().into());
            assert!(same(&read.events, &events));
            assert_eq!(read.damaged_at, Some(ends[2]));
        }
    }
}
