//! History written to a file and read back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use polars::prelude::{DataType, ParquetReader, SerReader, TimeUnit};
use tallyline_history::{CallRow, Calls, CallsBuilder, Lead, parquet};
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
            company_name: (n % 3 > 0).then(|| "Ñandú".repeat(usize::try_from(n % 4).unwrap())),
            dimension_scale: 3,
            scores: [Some(5), None, Some(0), None, None, None],
            clicks: [true, false, n % 5 == 0, false, false],
        }),
    }
}

fn calls(count: u64) -> Calls {
    let mut builder = CallsBuilder::default();
    for n in 0..count {
        builder.push(&row(n)).unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn what_was_written_is_read_back() {
    // Fails when ids are renumbered in another order.
    let directory = tempfile::tempdir().unwrap();
    for count in [0, 1, 500] {
        let path = directory.path().join(format!("{count}.parquet"));
        let written = calls(count);
        parquet::write(&written, &path).unwrap();
        let read = parquet::read(&path).unwrap();
        assert!(read.frame.equals_missing(&written.frame), "{count} calls: {:?}\n{:?}", read.frame, written.frame);
        assert_eq!((read.agents, read.contacts), (written.agents, written.contacts));
    }
}

#[test]
fn a_file_is_never_overwritten_and_a_foreign_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.parquet");
    std::fs::write(&path, b"something else").unwrap();
    assert!(parquet::write(&calls(1), &path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
    assert!(parquet::read(&path).is_err());
}

#[test]
fn others_find_ids_as_text_and_times_in_microseconds() {
    // Fails when the times are written as milliseconds: they would come back
    // unharmed, but mean another year to everybody else.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.parquet");
    parquet::write(&calls(2), &path).unwrap();
    let frame = ParquetReader::new(std::fs::File::open(&path).unwrap()).finish().unwrap();
    let type_of = |name: &str| frame.column(name).unwrap().dtype().clone();
    assert_eq!(type_of("started_at"), DataType::Datetime(TimeUnit::Microseconds, None));
    let agent_ids: Vec<_> = frame.column("agent_id").unwrap().str().unwrap().iter().flatten().collect();
    assert_eq!(agent_ids, [row(0).agent_id.to_string(), row(1).agent_id.to_string()]);
    let contact_ids: Vec<_> = frame.column("contact_id").unwrap().str().unwrap().iter().collect();
    assert_eq!(contact_ids, [row(0).contact_id.map(|id| id.to_string()).as_deref(), None]);
}
