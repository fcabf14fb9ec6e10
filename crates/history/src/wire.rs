//! PostgreSQL's binary COPY format, as far as it is needed: framing and the few
//! types that [`crate::scan`] asks for. Chunks may be cut anywhere. Nothing in
//! the stream is believed: every length is checked before it is used, and bad
//! data is an error that names the kind of fault but never a value.

use chrono::{DateTime, Utc};
use uuid::Uuid;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the header extension.
const HEADER_LEN: usize = 11 + 4 + 4;
/// Flags in the upper half must be understood by the reader; we understand none.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
/// No column that is read is longer than this; a longer one means a broken stream.
/// The longest is a company's name: 255 characters of at most four bytes.
const MAX_FIELD_LEN: usize = 1024;
/// Microseconds from the Unix epoch to that of PostgreSQL, 2000-01-01.
pub(crate) const PG_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Fault of a COPY stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The stream is not binary COPY.
    #[error("bad signature")]
    Signature,
    /// The header asks for something unknown.
    #[error("unknown header flags or extension")]
    Header,
    /// A row has another number of columns than asked for.
    #[error("a row has {found} columns, not {expected}")]
    ColumnCount {
        /// What the statement selects.
        expected: usize,
        /// What the row says.
        found: i16,
    },
    /// A column's length is negative or out of bounds.
    #[error("column {column}: bad length")]
    FieldLength {
        /// Position in the row, from 0.
        column: usize,
    },
    /// The stream ended inside a row or without its trailer.
    #[error("the stream ended too early")]
    Truncated,
    /// Bytes came after the trailer.
    #[error("data after the end of the stream")]
    Trailing,
    /// A column that cannot be NULL is.
    #[error("column {0} is NULL")]
    Null(&'static str),
    /// A column's bytes do not fit its type.
    #[error("column {0} has an unknown value or a wrong size")]
    Value(&'static str),
    /// There are more different agents or contacts than can be numbered.
    #[error("too many different values in column {0}")]
    TooMany(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    Ended,
}

/// Cuts a COPY stream of rows of `N` columns, fed in pieces of any size.
#[derive(Debug)]
pub struct RowCutter<const N: usize> {
    state: State,
    pending: Vec<u8>,
}

impl<const N: usize> Default for RowCutter<N> {
    fn default() -> Self {
        RowCutter { state: State::Header, pending: Vec::new() }
    }
}

impl<const N: usize> RowCutter<N> {
    /// Takes the next piece and calls `row` for each row that is complete with it.
    ///
    /// # Errors
    /// On a damaged stream, and whatever `row` returns.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut row: impl FnMut([Option<&[u8]>; N]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.pending.extend_from_slice(chunk);
        let mut used = 0;
        if self.state == State::Header {
            match header_len(&self.pending)? {
                Some(len) => used = len,
                None => return Ok(()),
            }
            self.state = State::Rows;
        }
        while self.state == State::Rows {
            match cut_row(&self.pending[used..])? {
                Cut::More => break,
                Cut::End(len) => {
                    used += len;
                    self.state = State::Ended;
                }
                Cut::Row(fields, len) => {
                    row(fields)?;
                    used += len;
                }
            }
        }
        if self.state == State::Ended && used < self.pending.len() {
            return Err(WireError::Trailing);
        }
        self.pending.drain(..used);
        Ok(())
    }

    /// Says whether the stream was complete.
    ///
    /// # Errors
    /// [`WireError::Truncated`] if the trailer has not been seen.
    pub fn finish(self) -> Result<(), WireError> {
        if self.state == State::Ended { Ok(()) } else { Err(WireError::Truncated) }
    }
}

/// Length of the header once it is complete.
fn header_len(bytes: &[u8]) -> Result<Option<usize>, WireError> {
    let seen = bytes.len().min(SIGNATURE.len());
    if bytes[..seen] != SIGNATURE[..seen] {
        return Err(WireError::Signature);
    }
    let Some(header) = bytes.get(..HEADER_LEN) else { return Ok(None) };
    let flags = u32::from_be_bytes([header[11], header[12], header[13], header[14]]);
    let extension = i32::from_be_bytes([header[15], header[16], header[17], header[18]]);
    // No server writes an extension; one that did would have to be skipped unread.
    if flags & CRITICAL_FLAGS != 0 || extension != 0 {
        return Err(WireError::Header);
    }
    Ok(Some(HEADER_LEN))
}

enum Cut<'a, const N: usize> {
    More,
    End(usize),
    Row([Option<&'a [u8]>; N], usize),
}

fn cut_row<const N: usize>(bytes: &[u8]) -> Result<Cut<'_, N>, WireError> {
    let Some(&count) = bytes.first_chunk::<2>() else { return Ok(Cut::More) };
    match i16::from_be_bytes(count) {
        -1 => return Ok(Cut::End(2)),
        found if usize::try_from(found) != Ok(N) => {
            return Err(WireError::ColumnCount { expected: N, found });
        }
        _ => {}
    }
    let mut fields = [None; N];
    let mut at = 2;
    for (column, field) in fields.iter_mut().enumerate() {
        let Some(&len) = bytes[at..].first_chunk::<4>() else { return Ok(Cut::More) };
        at += 4;
        let len = i32::from_be_bytes(len);
        if len == -1 {
            continue;
        }
        let len = usize::try_from(len).map_err(|_| WireError::FieldLength { column })?;
        if len > MAX_FIELD_LEN {
            return Err(WireError::FieldLength { column });
        }
        let Some(value) = bytes.get(at..at + len) else { return Ok(Cut::More) };
        *field = Some(value);
        at += len;
    }
    Ok(Cut::Row(fields, at))
}

/// The columns of one row, taken from left to right.
pub struct Fields<'a, const N: usize> {
    fields: [Option<&'a [u8]>; N],
    next: usize,
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Starts at the first column.
    pub fn new(fields: [Option<&'a [u8]>; N]) -> Self {
        Fields { fields, next: 0 }
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let field = self.fields.get(self.next).copied().flatten();
        self.next += 1;
        field
    }

    fn optional<const LEN: usize>(&mut self, name: &'static str) -> Result<Option<[u8; LEN]>, WireError> {
        match self.take() {
            None => Ok(None),
            Some(bytes) => bytes.try_into().map(Some).map_err(|_| WireError::Value(name)),
        }
    }

    fn required<const LEN: usize>(&mut self, name: &'static str) -> Result<[u8; LEN], WireError> {
        self.optional(name)?.ok_or(WireError::Null(name))
    }

    /// `integer`.
    ///
    /// # Errors
    /// On NULL or another size; so do all that follow.
    pub fn int4(&mut self, name: &'static str) -> Result<i32, WireError> {
        self.required(name).map(i32::from_be_bytes)
    }

    /// `integer` or NULL.
    ///
    /// # Errors
    /// On another size.
    pub fn int4_or_null(&mut self, name: &'static str) -> Result<Option<i32>, WireError> {
        Ok(self.optional(name)?.map(i32::from_be_bytes))
    }

    /// `bigint`.
    ///
    /// # Errors
    /// On NULL or another size.
    pub fn int8(&mut self, name: &'static str) -> Result<i64, WireError> {
        self.required(name).map(i64::from_be_bytes)
    }

    /// `boolean`.
    ///
    /// # Errors
    /// On NULL, another size or value.
    pub fn boolean(&mut self, name: &'static str) -> Result<bool, WireError> {
        match self.required::<1>(name)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(WireError::Value(name)),
        }
    }

    /// `text` or `varchar`, or NULL.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text_or_null(&mut self, name: &'static str) -> Result<Option<String>, WireError> {
        let Some(bytes) = self.take() else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| WireError::Value(name))?;
        Ok(Some(text.to_owned()))
    }

    /// `uuid` or NULL.
    ///
    /// # Errors
    /// On another size.
    pub fn uuid_or_null(&mut self, name: &'static str) -> Result<Option<Uuid>, WireError> {
        Ok(self.optional(name)?.map(Uuid::from_bytes))
    }

    /// `uuid`.
    ///
    /// # Errors
    /// On NULL or another size.
    pub fn uuid(&mut self, name: &'static str) -> Result<Uuid, WireError> {
        self.uuid_or_null(name)?.ok_or(WireError::Null(name))
    }

    /// `timestamptz` in microseconds since the Unix epoch.
    ///
    /// # Errors
    /// On NULL, another size, an infinite time, or one that no calendar can hold.
    pub fn micros(&mut self, name: &'static str) -> Result<i64, WireError> {
        let since_2000 = self.required(name).map(i64::from_be_bytes)?;
        let micros = since_2000.checked_add(PG_EPOCH_MICROS).ok_or(WireError::Value(name))?;
        if since_2000 == i64::MIN || DateTime::<Utc>::from_timestamp_micros(micros).is_none() {
            return Err(WireError::Value(name));
        }
        Ok(micros)
    }

    /// A text out of a closed list, as its position there; or NULL.
    ///
    /// # Errors
    /// On a text that is not in the list.
    pub fn code_or_null(&mut self, name: &'static str, list: &[&str]) -> Result<Option<i32>, WireError> {
        let Some(bytes) = self.take() else { return Ok(None) };
        let position = list.iter().position(|text| text.as_bytes() == bytes);
        position.and_then(|p| i32::try_from(p).ok()).map(Some).ok_or(WireError::Value(name))
    }

    /// A text out of a closed list, as its position there.
    ///
    /// # Errors
    /// On NULL or a text that is not in the list.
    pub fn code(&mut self, name: &'static str, list: &[&str]) -> Result<i32, WireError> {
        self.code_or_null(name, list)?.ok_or(WireError::Null(name))
    }
}

#[cfg(test)]
mod tests;
