//! The calls of one tenant and local month in a Parquet file, and back.
//!
//! A file is the only place where its calls stand once they are deleted, so it
//! holds every field that figures and fingerprints depend on, spelled out so that
//! others can read it, and says in its own metadata how many calls it holds and
//! what their fingerprints sum to. Who reads one computes both anew.
//!
//! The name of a file ends with the MD5 of its bytes, which is looked at before
//! anything else: a damaged length inside makes the Parquet reader ask for so much
//! memory that the process is killed, so that no damaged file may ever reach it.

mod columns;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use md5::{Digest, Md5};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{DataFrame, KeyValueMetadata, ParquetReader, ParquetWriter, SerReader};
use uuid::Uuid;

use crate::calls::{Calls, CallsBuilder};
use crate::error::HistoryError;
use crate::fingerprint;

/// Version of the format that is written, and the only one that is read.
const FORMAT: &str = "1";
/// Rows that are written and read at once.
const ROWS_AT_ONCE: usize = 1 << 18;
const KEYS: [&str; 9] = [
    "tallyline.format",
    "tallyline.tenant",
    "tallyline.month",
    "tallyline.zone",
    "tallyline.month_start_micros",
    "tallyline.month_end_micros",
    "tallyline.calls",
    "tallyline.fingerprint_hi",
    "tallyline.fingerprint_lo",
];

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The tenant.
    pub user_id: Uuid,
    /// First day of the local month.
    pub month: NaiveDate,
    /// IANA name of the zone whose month it is.
    pub zone: String,
    /// First instant of the month, microseconds since the Unix epoch.
    pub start_micros: i64,
    /// First instant after it.
    pub end_micros: i64,
    /// What the calls come to.
    pub sums: Sums,
}

/// How many calls there are, and what the halves of their fingerprints sum to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Calls.
    pub calls: i64,
    /// Sum of the upper halves.
    pub fingerprint_hi: i64,
    /// Sum of the lower halves.
    pub fingerprint_lo: i64,
}

impl Sums {
    /// The sums of some calls.
    ///
    /// # Errors
    /// On frames not made by [`CallsBuilder`].
    pub fn of(calls: &Calls) -> Result<Sums, HistoryError> {
        let sum = |name: &str| -> Result<i64, HistoryError> {
            Ok(calls.frame.column(name)?.i64()?.iter().flatten().fold(0, i64::wrapping_add))
        };
        let count = i64::try_from(calls.len()).map_err(|_| HistoryError::TooLarge("calls"))?;
        Ok(Sums { calls: count, fingerprint_hi: sum("fingerprint_hi")?, fingerprint_lo: sum("fingerprint_lo")? })
    }

    fn add(&mut self, other: Sums) {
        self.calls = self.calls.wrapping_add(other.calls);
        self.fingerprint_hi = self.fingerprint_hi.wrapping_add(other.fingerprint_hi);
        self.fingerprint_lo = self.fingerprint_lo.wrapping_add(other.fingerprint_lo);
    }
}

impl Metadata {
    /// Name of a file with this digest. Equal names are equal files, so that one
    /// attempt to write a month can never harm what another one has written.
    fn file_name(&self, digest: &str) -> String {
        format!("{}-{}-{digest}.parquet", self.user_id, self.month.format("%Y-%m"))
    }

    fn pairs(&self) -> Vec<(String, String)> {
        let values = [
            FORMAT.to_owned(),
            self.user_id.to_string(),
            self.month.to_string(),
            self.zone.clone(),
            self.start_micros.to_string(),
            self.end_micros.to_string(),
            self.sums.calls.to_string(),
            self.sums.fingerprint_hi.to_string(),
            self.sums.fingerprint_lo.to_string(),
        ];
        KEYS.iter().map(|key| (*key).to_owned()).zip(values).collect()
    }

    fn from_values(values: [&str; KEYS.len()]) -> Option<Metadata> {
        let [_, user_id, month, zone, start, end, calls, hi, lo] = values;
        let sums =
            Sums { calls: calls.parse().ok()?, fingerprint_hi: hi.parse().ok()?, fingerprint_lo: lo.parse().ok()? };
        Some(Metadata {
            user_id: user_id.parse().ok()?,
            month: month.parse().ok()?,
            zone: zone.to_owned(),
            start_micros: start.parse().ok()?,
            end_micros: end.parse().ok()?,
            sums,
        })
    }
}

/// Writes a month's file, part by part. Nothing can be seen under the file's name
/// before [`MonthWriter::finish`]; a writer that is dropped leaves nothing.
pub struct MonthWriter {
    metadata: Metadata,
    directory: PathBuf,
    temporary: tempfile::NamedTempFile,
    writer: Option<BatchedWriter<File>>,
}

impl MonthWriter {
    /// Begins a file in a directory, of calls that are to come to `metadata.sums`.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create(directory: &Path, metadata: Metadata) -> Result<MonthWriter, HistoryError> {
        let temporary = tempfile::Builder::new().prefix(".unfinished-").tempfile_in(directory)?;
        let file = temporary.as_file().try_clone()?;
        let writer = ParquetWriter::new(file)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(metadata.pairs())))
            .batched(columns::empty()?.schema())?;
        let directory = directory.to_owned();
        Ok(MonthWriter { metadata, directory, temporary, writer: Some(writer) })
    }

    /// Adds calls of the month.
    ///
    /// # Errors
    /// On calls without identities or of another time, and when the disk refuses.
    pub fn write(&mut self, calls: &Calls) -> Result<(), HistoryError> {
        let Some(writer) = &mut self.writer else { return Err(HistoryError::File("the file is finished")) };
        let month = self.metadata.start_micros..self.metadata.end_micros;
        if !calls.frame.column("started_at")?.i64()?.iter().flatten().all(|instant| month.contains(&instant)) {
            return Err(HistoryError::File("a call of another month"));
        }
        let mut from = 0;
        while from < calls.len() {
            let to = calls.len().min(from + ROWS_AT_ONCE);
            writer.write_batch(&columns::spell_out(calls, from..to)?)?;
            from = to;
        }
        Ok(())
    }

    /// Puts the file under its name, when it is on disk; returns its path. A file
    /// of that name has the same bytes and is replaced.
    ///
    /// # Errors
    /// When what was written does not come to what was announced, and when the
    /// disk refuses. Then there is no file, or the old one.
    pub fn finish(mut self) -> Result<PathBuf, HistoryError> {
        let Some(writer) = self.writer.take() else { return Err(HistoryError::File("the file is finished")) };
        writer.finish()?;
        drop(writer);
        self.temporary.as_file().sync_all()?;
        // Compared with what was announced, and read back once while the calls are
        // still in the database.
        collect(self.temporary.path(), &self.metadata, CallsBuilder::default(), (i64::MAX, i64::MIN))?;
        let digest = digest(self.temporary.path())?;
        let path = self.directory.join(self.metadata.file_name(&digest));
        self.temporary.persist(&path).map_err(|error| HistoryError::Io(error.error))?;
        // The name is in the directory, which must be on disk as well.
        File::open(&self.directory)?.sync_all()?;
        Ok(path)
    }
}

/// The MD5 of a file's bytes, in hex.
fn digest(path: &Path) -> Result<String, HistoryError> {
    let mut file = File::open(path)?;
    let mut hash = Md5::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => break,
            len => hash.update(&part[..len]),
        }
    }
    Ok(Uuid::from_bytes(hash.finalize().into()).simple().to_string())
}

fn check_digest(path: &Path) -> Result<(), HistoryError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let announced = stem.rsplit_once('-').map_or("", |(_, digest)| digest);
    if digest(path)? != announced {
        return Err(HistoryError::File("its bytes are not those that its name announces"));
    }
    Ok(())
}

/// What a file says of itself, without decoding its rows.
///
/// # Errors
/// When it cannot be read or is no such file.
pub fn read_metadata(path: &Path) -> Result<Metadata, HistoryError> {
    check_digest(path)?;
    let mut reader = ParquetReader::new(File::open(path)?);
    let metadata = reader.get_metadata()?;
    let pairs = metadata.key_value_metadata.as_deref().unwrap_or_default();
    let mut values = [""; KEYS.len()];
    for (value, key) in values.iter_mut().zip(KEYS) {
        let found = pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
        *value = found.ok_or(HistoryError::File("it does not say what it is"))?;
    }
    if values[0] != FORMAT {
        return Err(HistoryError::File("its format is another version's"));
    }
    Metadata::from_values(values).ok_or(HistoryError::File("what it says of itself cannot be read"))
}

/// The calls of a file, all of them, with their identities.
///
/// # Errors
/// As [`read_range`].
pub fn read(path: &Path) -> Result<(Metadata, Calls), HistoryError> {
    let metadata = read_metadata(path)?;
    let month = (metadata.start_micros, metadata.end_micros);
    let calls = collect(path, &metadata, CallsBuilder::with_identities(), month)?.finish()?;
    Ok((metadata, calls))
}

/// The calls of a file with `from_micros` ≤ `started_at` < `to_micros`, without
/// identities. The whole file is read and checked each time, a part at once.
///
/// # Errors
/// When the file cannot be read, is no such file, or does not hold the calls that
/// it says it holds: not their number, or not their fingerprints.
pub fn read_range(path: &Path, from_micros: i64, to_micros: i64) -> Result<Calls, HistoryError> {
    let metadata = read_metadata(path)?;
    collect(path, &metadata, CallsBuilder::default(), (from_micros, to_micros))?.finish()
}

/// Adds the calls of a range to a builder, from a file that must be the tenant's
/// and come to the given sums.
///
/// # Errors
/// As [`read_range`], and when it is another file.
pub fn read_into(
    builder: CallsBuilder,
    path: &Path,
    user_id: Uuid,
    sums: Sums,
    (from_micros, to_micros): (i64, i64),
) -> Result<CallsBuilder, HistoryError> {
    let metadata = read_metadata(path)?;
    if metadata.user_id != user_id || metadata.sums != sums {
        return Err(HistoryError::File("it is not the file that was registered"));
    }
    collect(path, &metadata, builder, (from_micros, to_micros))
}

/// Reads and checks a file; adds the calls of the range to the builder.
fn collect(
    path: &Path,
    metadata: &Metadata,
    mut builder: CallsBuilder,
    (from, to): (i64, i64),
) -> Result<CallsBuilder, HistoryError> {
    let month = metadata.start_micros..metadata.end_micros;
    let (mut found, mut offset) = (Sums::default(), 0);
    let mut text = Vec::new();
    loop {
        let part = read_part(path, offset)?;
        if part.height() == 0 {
            break;
        }
        for row in columns::rows(&part)? {
            let row = row?;
            if !month.contains(&row.started_at_micros) {
                return Err(HistoryError::File("it holds a call of another month"));
            }
            let fingerprint = fingerprint::of(&row, &mut text);
            found.add(Sums { calls: 1, fingerprint_hi: fingerprint.hi(), fingerprint_lo: fingerprint.lo() });
            if from <= row.started_at_micros && row.started_at_micros < to {
                builder.push(&row)?;
            }
        }
        offset += part.height();
    }
    if found != metadata.sums {
        return Err(HistoryError::File("its calls do not come to the sums that it announces"));
    }
    Ok(builder)
}

fn read_part(path: &Path, offset: usize) -> Result<DataFrame, HistoryError> {
    Ok(ParquetReader::new(File::open(path)?).with_slice(Some((offset, ROWS_AT_ONCE))).set_rechunk(true).finish()?)
}

/// Removes a file and waits until the directory knows it.
///
/// # Errors
/// When the disk refuses.
pub fn remove(path: &Path) -> Result<(), HistoryError> {
    fs::remove_file(path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
