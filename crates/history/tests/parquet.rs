//! History written to a file and read back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use polars::prelude::{DataType, ParquetReader, ParquetWriter, SerReader, TimeUnit};
use tallyline_history::parquet::{self, Metadata, MonthWriter, Sums};
use tallyline_history::{CallRow, Calls, CallsBuilder, HistoryError, Lead};
use uuid::Uuid;

fn row(n: u64) -> CallRow {
    let odd = n % 2 == 1;
    CallRow {
        call_id: Uuid::from_u64_pair(4, n),
        agent_id: Uuid::from_u64_pair(1, n % 3),
        started_at_micros: 1_741_503_600_123_456 + i64::try_from(n).unwrap() * 61_000_001,
        outcome: i32::try_from(n % 7).unwrap(),
        duration_seconds: 17,
        duration_minutes: 1,
        credits_micros: i64::MAX - 5,
        cost_micros: 0,
        lead_type: odd.then_some(1),
        call_source: 2,
        contact_id: (!odd).then(|| Uuid::from_u64_pair(2, n)),
        lead: odd.then(|| Lead {
            lead_id: Uuid::from_u64_pair(3, n),
            quality: Some(3),
            company_name: (!n.is_multiple_of(3)).then(|| "Ñandú".repeat(usize::try_from(n % 4).unwrap())),
            dimension_scale: 3,
            scores: [Some(5), None, Some(0), None, None, None],
            clicks: [true, false, n.is_multiple_of(5), false, false],
        }),
    }
}

fn calls(range: std::ops::Range<u64>) -> Calls {
    let mut builder = CallsBuilder::with_identities();
    for n in range {
        builder.push(&row(n)).unwrap();
    }
    builder.finish().unwrap()
}

fn metadata(calls: &Calls) -> Metadata {
    Metadata {
        user_id: Uuid::from_u64_pair(9, 9),
        month: "2025-03-01".parse().unwrap(),
        zone: "Asia/Kathmandu".to_owned(),
        start_micros: row(0).started_at_micros,
        end_micros: row(1000).started_at_micros,
        sums: Sums::of(calls).unwrap(),
    }
}

fn written(directory: &Path, calls: &Calls) -> PathBuf {
    let mut writer = MonthWriter::create(directory, metadata(calls)).unwrap();
    writer.write(calls).unwrap();
    writer.finish().unwrap()
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn what_was_written_is_read_back() {
    // Fails when ids are renumbered in another order, when an empty name of a
    // company comes back as none, and without the lead of a call.
    let directory = tempfile::tempdir().unwrap();
    for count in [0, 1, 500] {
        let expected = calls(0..count);
        let path = written(directory.path(), &expected);
        let (found, read) = parquet::read(&path).unwrap();
        assert_eq!(found, metadata(&expected));
        assert_eq!(parquet::read_metadata(&path).unwrap(), found);
        assert!(read.frame.equals_missing(&expected.frame), "{count} calls: {:?}\n{:?}", read.frame, expected.frame);
        assert_eq!((&read.agents, &read.contacts), (&expected.agents, &expected.contacts));
        assert_eq!(read.identities, expected.identities);
    }
    assert_eq!(files(directory.path()), 3, "no temporary file is left");
}

#[test]
fn parts_are_written_and_read_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = MonthWriter::create(directory.path(), metadata(&calls(0..500))).unwrap();
    writer.write(&calls(0..300)).unwrap();
    assert_eq!(files(directory.path()), 1, "only the temporary file");
    writer.write(&calls(300..500)).unwrap();
    let path = writer.finish().unwrap();
    let part = parquet::read_range(&path, row(100).started_at_micros, row(400).started_at_micros).unwrap();
    let expected = calls(100..400);
    assert!(part.frame.equals_missing(&expected.frame));
    assert_eq!((part.agents, part.identities), (expected.agents, None));
}

#[test]
fn other_calls_than_announced_leave_no_file() {
    // Fails when `finish` does not read back, and when `write` takes any time.
    let directory = tempfile::tempdir().unwrap();
    let mut writer = MonthWriter::create(directory.path(), metadata(&calls(0..10))).unwrap();
    assert!(writer.write(&calls(1000..1001)).is_err(), "a call of the next month");
    writer.write(&calls(0..9)).unwrap();
    writer.write(&calls(10..11)).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(matches!(error, HistoryError::File(_)), "{error}");
    let mut writer = MonthWriter::create(directory.path(), metadata(&calls(0..10))).unwrap();
    writer.write(&calls(0..9)).unwrap();
    drop(writer);
    assert_eq!(files(directory.path()), 0);
}

#[test]
fn a_file_that_lies_about_its_calls_is_refused() {
    // Fails when reading compares only the number of calls, or nothing.
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), &calls(0..50));
    let honest = metadata(&calls(0..50));
    let lies = [
        Sums { calls: 49, ..honest.sums },
        Sums { fingerprint_hi: honest.sums.fingerprint_hi + 1, ..honest.sums },
        Sums { fingerprint_lo: honest.sums.fingerprint_lo - 1, ..honest.sums },
    ];
    let bytes = std::fs::read(&path).unwrap();
    for lie in lies {
        let path = put(directory.path(), &replace(&bytes, &honest.sums, &lie));
        assert_eq!(parquet::read_metadata(&path).unwrap().sums, lie);
        assert!(parquet::read(&path).is_err(), "{lie:?}");
        assert!(parquet::read_range(&path, 0, 1).is_err(), "{lie:?}");
    }
}

/// The file with other sums of the same number of digits in its metadata.
fn replace(bytes: &[u8], honest: &Sums, lie: &Sums) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let pairs = [
        ("tallyline.calls", honest.calls, lie.calls),
        ("tallyline.fingerprint_hi", honest.fingerprint_hi, lie.fingerprint_hi),
        ("tallyline.fingerprint_lo", honest.fingerprint_lo, lie.fingerprint_lo),
    ];
    for (key, old, new) in pairs {
        let (old, new) = (old.to_string(), new.to_string());
        assert_eq!(old.len(), new.len());
        let key_at = bytes.windows(key.len()).rposition(|window| window == key.as_bytes()).unwrap();
        let at = key_at + bytes[key_at..].windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

/// Break tried: without the check of the digest the reader of Parquet asked for
/// 2 EiB of memory at some changed byte, which ends the process.
#[test]
fn a_file_with_any_changed_byte_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), &calls(0..40));
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        assert!(parquet::read(&path).is_err() && parquet::read_metadata(&path).is_err(), "byte {at}");
    }
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(parquet::read(&path).is_err(), "cut short");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(parquet::read(&path).unwrap().1.len(), 40);
}

/// Puts bytes under the name that they ask for.
fn put(directory: &Path, bytes: &[u8]) -> PathBuf {
    let digest = Uuid::from_bytes(Md5::digest(bytes).into()).simple();
    let path = directory.join(format!("calls-{digest}.parquet"));
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_foreign_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = put(directory.path(), b"something else");
    assert!(parquet::read_metadata(&path).is_err());
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut calls(0..1).frame).unwrap();
    assert!(parquet::read(&put(directory.path(), &bytes)).is_err(), "Parquet, but none of ours");
}

#[test]
fn others_find_texts_and_times_in_microseconds() {
    // Fails when the times are written as milliseconds: they would come back
    // unharmed, but mean another year to everybody else.
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), &calls(0..2));
    let frame = ParquetReader::new(std::fs::File::open(&path).unwrap()).finish().unwrap();
    let type_of = |name: &str| frame.column(name).unwrap().dtype().clone();
    assert_eq!(type_of("started_at"), DataType::Datetime(TimeUnit::Microseconds, None));
    let texts = |name: &str| -> Vec<Option<String>> {
        frame.column(name).unwrap().str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
    };
    assert_eq!(texts("agent_id"), [0, 1].map(|n| Some(row(n).agent_id.to_string())));
    assert_eq!(texts("contact_id"), [row(0).contact_id.map(|id| id.to_string()), None]);
    assert_eq!(texts("outcome"), [Some("answered".to_owned()), Some("voicemail".to_owned())]);
    assert_eq!(texts("quality"), [None, Some("unqualified".to_owned())]);
}
