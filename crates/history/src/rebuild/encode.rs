//! Rows into temporary tables, by binary COPY.

use chrono::{DateTime, NaiveDate};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Row, Rows};
use crate::error::HistoryError;
use crate::figures::{COUNTERS, Grain};
use crate::wire::PG_EPOCH_MICROS;

const STAGES: [&str; 3] = [
    include_str!("../../../../sql/backfill/stage_quarters.sql"),
    include_str!("../../../../sql/backfill/stage_agents.sql"),
    include_str!("../../../../sql/backfill/stage_users.sql"),
];
/// Signature, flags, length of the header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1i16).to_be_bytes();
/// A message of COPY is sent when it is about as long.
const MESSAGE_LEN: usize = 1 << 17;
/// Counters before this one are `integer`, it and those after it `bigint`.
const FIRST_BIGINT: &str = "talk_seconds";
/// Columns besides keys: the counters, two arrays of durations, the contacts.
const VALUES: i16 = 46 + 3;
const INT4_OID: i32 = 23;
const UUID_OID: i32 = 2950;
const GRAINS: [Grain; 3] = [Grain::Hour, Grain::Day, Grain::Month];

/// Makes the temporary tables `stage_quarters`, `stage_agents` and `stage_users`
/// with the columns of `tally.quarter_rollups`, `agent_analytics` and
/// `user_analytics`, without generation, id, times of writing and what is
/// generated. They vanish with the transaction.
///
/// # Errors
/// On database errors, also when the tables are there already.
pub async fn create_stages(tx: &mut PgConnection) -> Result<(), HistoryError> {
    for stage in STAGES {
        sqlx::query(stage).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Writes the rows of one tenant into the tables of [`create_stages`]; returns
/// how many there were. May be called for one part after the other.
///
/// # Errors
/// On database errors, and when a sum does not fit its column. Then, or when the
/// future is dropped, the transaction cannot be used further.
pub async fn copy_in(tx: &mut PgConnection, user_id: Uuid, zone: &str, rows: &Rows) -> Result<u64, HistoryError> {
    let mut copied = 0;
    for (statement, messages) in streams(Tenant { user_id, zone }, rows)? {
        let mut sink = tx.copy_in_raw(statement).await?;
        for message in messages {
            sink.send(message.as_slice()).await?;
        }
        copied += sink.finish().await?;
    }
    Ok(copied)
}

/// A COPY statement and the messages that follow it.
type Stream = (&'static str, Vec<Vec<u8>>);

/// Encodes everything before anything is sent: iterators that lived across the
/// sending would keep the future from being `Send`, and a sum that does not fit
/// costs no transaction.
fn streams(tenant: Tenant<'_>, rows: &Rows) -> Result<[Stream; 3], HistoryError> {
    let quarters = rows.table(Grain::Quarter).iter().map(|row| (Grain::Quarter, row));
    let local = || GRAINS.into_iter().flat_map(|grain| rows.table(grain).iter().map(move |row| (grain, row)));
    let agents = local().filter(|(_, row)| row.agent_id.is_some());
    let users = local().filter(|(_, row)| row.agent_id.is_none());
    Ok([
        ("COPY pg_temp.stage_quarters FROM STDIN (FORMAT binary)", messages(tenant, quarters)?),
        ("COPY pg_temp.stage_agents FROM STDIN (FORMAT binary)", messages(tenant, agents)?),
        ("COPY pg_temp.stage_users FROM STDIN (FORMAT binary)", messages(tenant, users)?),
    ])
}

#[derive(Debug, Clone, Copy)]
struct Tenant<'a> {
    user_id: Uuid,
    zone: &'a str,
}

fn messages<'a>(
    tenant: Tenant<'_>,
    rows: impl Iterator<Item = (Grain, Row<'a>)>,
) -> Result<Vec<Vec<u8>>, HistoryError> {
    let (mut full, mut message) = (Vec::new(), Message(HEADER.to_vec()));
    for (grain, row) in rows {
        message.row(tenant, grain, &row)?;
        if message.0.len() >= MESSAGE_LEN {
            full.push(std::mem::take(&mut message.0));
        }
    }
    message.0.extend_from_slice(&TRAILER);
    full.push(message.0);
    Ok(full)
}

/// Bytes of a COPY stream.
struct Message(Vec<u8>);

impl Message {
    fn row(&mut self, tenant: Tenant<'_>, grain: Grain, row: &Row<'_>) -> Result<(), HistoryError> {
        if grain == Grain::Quarter {
            self.columns(3 + VALUES);
            self.uuid(tenant.user_id);
            self.instant(row.bucket.start_micros)?;
            self.optional(row.agent_id, Message::uuid);
        } else {
            self.columns(7 + i16::from(row.agent_id.is_some()) + VALUES);
            self.uuid(tenant.user_id);
            if let Some(agent_id) = row.agent_id {
                self.uuid(agent_id);
            }
            self.bytes(grain.as_str().as_bytes())?;
            self.instant(row.bucket.start_micros)?;
            self.instant(row.bucket.end_micros)?;
            self.bytes(tenant.zone.as_bytes())?;
            self.date(row.bucket.date)?;
            self.optional(row.bucket.hour, Message::int4);
        }
        self.counters(row)?;
        if grain.has_sets() {
            self.array(INT4_OID, row.durations, |message, (seconds, _)| message.int4(*seconds))?;
            self.array(INT4_OID, row.durations, |message, (_, calls)| message.int4(*calls))?;
            self.array(UUID_OID, row.contact_ids, |message, id| message.uuid(*id))?;
        } else {
            (0..3).for_each(|_| self.null());
        }
        Ok(())
    }

    fn counters(&mut self, row: &Row<'_>) -> Result<(), HistoryError> {
        let mut wide = false;
        for (name, sum) in COUNTERS.into_iter().zip(row.counters) {
            wide |= name == FIRST_BIGINT;
            if wide {
                self.raw(&sum.to_be_bytes());
            } else {
                self.int4(i32::try_from(*sum).map_err(|_| HistoryError::TooLarge(name))?);
            }
        }
        Ok(())
    }

    fn columns(&mut self, count: i16) {
        self.0.extend_from_slice(&count.to_be_bytes());
    }

    fn null(&mut self) {
        self.0.extend_from_slice(&(-1i32).to_be_bytes());
    }

    fn optional<T>(&mut self, value: Option<T>, push: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => push(self, value),
            None => self.null(),
        }
    }

    /// A value of at most 16 bytes.
    fn raw<const LEN: usize>(&mut self, bytes: &[u8; LEN]) {
        let len = const { LEN as i32 };
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), HistoryError> {
        let len = i32::try_from(bytes.len()).map_err(|_| HistoryError::TooLarge("text"))?;
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn uuid(&mut self, value: Uuid) {
        self.raw(value.as_bytes());
    }

    fn int4(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    fn instant(&mut self, unix_micros: i64) -> Result<(), HistoryError> {
        let since_2000 = unix_micros.checked_sub(PG_EPOCH_MICROS).ok_or(HistoryError::TooLarge("bucket_start"))?;
        self.raw(&since_2000.to_be_bytes());
        Ok(())
    }

    fn date(&mut self, date: NaiveDate) -> Result<(), HistoryError> {
        let epoch = DateTime::from_timestamp_micros(PG_EPOCH_MICROS).unwrap_or_default().date_naive();
        let days = date.signed_duration_since(epoch).num_days();
        self.int4(i32::try_from(days).map_err(|_| HistoryError::TooLarge("date"))?);
        Ok(())
    }

    /// An array of one dimension, or of none if it is empty, as `'{}'` is.
    fn array<T>(&mut self, oid: i32, items: &[T], push: impl Fn(&mut Self, &T)) -> Result<(), HistoryError> {
        let at = self.0.len();
        let dimensions = i32::from(!items.is_empty());
        // Its length is known when it is written; then the dimensions, "no nulls", the type.
        for number in [0, dimensions, 0, oid] {
            self.0.extend_from_slice(&number.to_be_bytes());
        }
        if !items.is_empty() {
            let len = i32::try_from(items.len()).map_err(|_| HistoryError::TooLarge("array"))?;
            self.0.extend_from_slice(&len.to_be_bytes());
            self.0.extend_from_slice(&1i32.to_be_bytes());
            items.iter().for_each(|item| push(self, item));
        }
        let len = i32::try_from(self.0.len() - at - 4).map_err(|_| HistoryError::TooLarge("array"))?;
        self.0[at..at + 4].copy_from_slice(&len.to_be_bytes());
        Ok(())
    }
}
