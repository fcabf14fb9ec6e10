//! What a call adds to a fingerprint, computed here once more: the same digest
//! as `tally.fingerprint` of the same fields, so that the sums of both can be compared.
//!
//! Each field is its text with its length in characters in front, `-` for none,
//! with `;` in between; the whole is hashed with MD5. The roll-ups sum the first
//! and the second 32 bits apart.

use md5::{Digest, Md5};
use uuid::Uuid;

use crate::calls::{CallRow, LEAD_TYPES, OUTCOMES, QUALITIES, SOURCES};

const MICROS_PER_SECOND: u64 = 1_000_000;
/// Fields that are empty for a call without a lead.
const LEAD_FIELDS: usize = 15;

/// The digest of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The first 32 bits, as an unsigned number.
    pub fn hi(self) -> i64 {
        let [a, b, c, d, ..] = self.0;
        i64::from(u32::from_be_bytes([a, b, c, d]))
    }

    /// The 32 bits after them.
    pub fn lo(self) -> i64 {
        let [_, _, _, _, a, b, c, d, ..] = self.0;
        i64::from(u32::from_be_bytes([a, b, c, d]))
    }

    /// All 128 bits.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

/// The fingerprint of a call. `text` is memory for the hashed text, which may be
/// used again for the next call.
pub fn of(row: &CallRow, text: &mut Vec<u8>) -> Fingerprint {
    text.clear();
    let mut fields = Fields(text);
    fields.uuid(row.call_id);
    fields.uuid(row.agent_id);
    fields.epoch(row.started_at_micros);
    fields.code(&OUTCOMES, Some(row.outcome));
    fields.number(row.duration_seconds.into());
    fields.number(row.duration_minutes.into());
    fields.number(row.credits_micros);
    fields.number(row.cost_micros);
    fields.code(&LEAD_TYPES, row.lead_type);
    fields.code(&SOURCES, Some(row.call_source));
    fields.optional(row.contact_id, Fields::uuid);
    match &row.lead {
        None => (0..LEAD_FIELDS).for_each(|_| fields.none()),
        Some(lead) => {
            fields.uuid(lead.lead_id);
            fields.code(&QUALITIES, lead.quality);
            fields.optional(lead.company_name.as_deref(), Fields::text);
            fields.number(lead.dimension_scale.into());
            for score in lead.scores {
                fields.optional(score.map(i64::from), Fields::number);
            }
            for click in lead.clicks {
                fields.ascii(if click { b"true" } else { b"false" });
            }
        }
    }
    Fingerprint(Md5::digest(&*text).into())
}

/// Appends fields to the text that is hashed.
struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    fn separate(&mut self) {
        if !self.0.is_empty() {
            self.0.push(b';');
        }
    }

    fn none(&mut self) {
        self.separate();
        self.0.push(b'-');
    }

    fn optional<T>(&mut self, value: Option<T>, push: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => push(self, value),
            None => self.none(),
        }
    }

    fn prefixed(&mut self, characters: usize, bytes: &[u8]) {
        self.separate();
        push_number(self.0, characters as u64);
        self.0.push(b':');
        self.0.extend_from_slice(bytes);
    }

    fn ascii(&mut self, bytes: &[u8]) {
        self.prefixed(bytes.len(), bytes);
    }

    fn text(&mut self, value: &str) {
        self.prefixed(value.chars().count(), value.as_bytes());
    }

    fn uuid(&mut self, value: Uuid) {
        let mut digits = [0; 36];
        let digits = value.hyphenated().encode_lower(&mut digits);
        self.ascii(digits.as_bytes());
    }

    fn number(&mut self, value: i64) {
        let mut digits = Digits::default();
        digits.push(value.unsigned_abs(), 1);
        digits.sign(value);
        self.ascii(digits.as_bytes());
    }

    /// Seconds since the Unix epoch with six decimals, as `extract(epoch …)::text`.
    fn epoch(&mut self, micros: i64) {
        let mut digits = Digits::default();
        digits.push(micros.unsigned_abs() % MICROS_PER_SECOND, 6);
        digits.byte(b'.');
        digits.push(micros.unsigned_abs() / MICROS_PER_SECOND, 1);
        digits.sign(micros);
        self.ascii(digits.as_bytes());
    }

    /// The text at a position; a position that is none was refused when it was read.
    fn code(&mut self, list: &[&str], position: Option<i32>) {
        let text = position.and_then(|p| list.get(usize::try_from(p).ok()?));
        self.optional(text, |fields, text| fields.ascii(text.as_bytes()));
    }
}

fn push_number(text: &mut Vec<u8>, value: u64) {
    let mut digits = Digits::default();
    digits.push(value, 1);
    text.extend_from_slice(digits.as_bytes());
}

/// A number written from its end.
struct Digits {
    bytes: [u8; 32],
    start: usize,
}

impl Default for Digits {
    fn default() -> Self {
        Digits { bytes: [0; 32], start: 32 }
    }
}

impl Digits {
    fn byte(&mut self, byte: u8) {
        // 32 bytes hold more than the longest number.
        self.start = self.start.saturating_sub(1);
        self.bytes[self.start] = byte;
    }

    fn push(&mut self, mut value: u64, at_least: usize) {
        let mut written = 0;
        while value > 0 || written < at_least {
            let digit = u8::try_from(value % 10).unwrap_or(0);
            self.byte(b'0' + digit);
            value /= 10;
            written += 1;
        }
    }

    fn sign(&mut self, value: i64) {
        if value < 0 {
            self.byte(b'-');
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(push: impl FnOnce(&mut Fields)) -> String {
        let mut text = Vec::new();
        push(&mut Fields(&mut text));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn numbers_and_times_are_written_as_the_database_writes_them() {
        assert_eq!(written(|f| f.number(i64::MIN)), "20:-9223372036854775808");
        assert_eq!(written(|f| f.number(0)), "1:0");
        // Fails when whole and fraction are signed apart.
        assert_eq!(written(|f| f.epoch(-500_000)), "9:-0.500000");
        assert_eq!(written(|f| f.epoch(0)), "8:0.000000");
        assert_eq!(written(|f| f.epoch(1_500_000_000_000_001)), "17:1500000000.000001");
    }

    #[test]
    fn lengths_are_in_characters_and_none_differs_from_empty() {
        // Fails with the length in bytes.
        assert_eq!(written(|f| f.text("Ñandú 株式会社")), "10:Ñandú 株式会社");
        assert_eq!(written(|f| f.text("")), "0:");
        assert_eq!(written(|f| f.optional(None, Fields::text)), "-");
    }
}
