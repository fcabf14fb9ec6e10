//! One row of the COPY, by hand.

use super::*;

/// Columns of a row as the server sends them, every one different from its neighbours.
fn columns() -> Vec<Option<Vec<u8>>> {
    let uuid = |byte: u8| Some(vec![byte; 16]);
    let int4 = |value: i32| Some(value.to_be_bytes().to_vec());
    let int8 = |value: i64| Some(value.to_be_bytes().to_vec());
    let text = |value: &str| Some(value.as_bytes().to_vec());
    let flag = |value: bool| Some(vec![u8::from(value)]);
    let mut columns = vec![
        uuid(3),
        uuid(1),
        int8(0),
        text("voicemail"),
        int4(61),
        int4(2),
        int8(3_000_000),
        int8(40_000),
        text("inbound"),
        text("internet"),
        uuid(2),
        uuid(4),
        text("cold"),
        text("Ñandú"),
        int4(6),
    ];
    columns.extend([int4(1), int4(5), None, int4(4), int4(5), int4(60)]);
    columns.extend([flag(false), flag(true), flag(false), flag(true), flag(false)]);
    columns
}

fn decode_columns(columns: &[Option<Vec<u8>>]) -> Result<CallRow, WireError> {
    let mut fields = [None; COLUMNS];
    for (field, column) in fields.iter_mut().zip(columns) {
        *field = column.as_deref();
    }
    decode(fields)
}

#[test]
fn every_column_lands_where_it_belongs() {
    let columns = columns();
    assert_eq!(columns.len(), COLUMNS);
    let row = decode_columns(&columns).unwrap();
    assert_eq!(row.agent_id, Uuid::from_bytes([1; 16]));
    assert_eq!(row.started_at_micros, "2000-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp_micros());
    assert_eq!(OUTCOMES[usize::try_from(row.outcome).unwrap()], "voicemail");
    assert_eq!((row.duration_seconds, row.duration_minutes), (61, 2));
    assert_eq!((row.credits_micros, row.cost_micros), (3_000_000, 40_000));
    assert_eq!((row.lead_type, row.call_source), (Some(0), 1));
    assert_eq!((row.call_id, row.contact_id), (Uuid::from_bytes([3; 16]), Some(Uuid::from_bytes([2; 16]))));
    let lead = row.lead.as_ref().unwrap();
    assert_eq!((lead.lead_id, lead.quality), (Uuid::from_bytes([4; 16]), Some(2)));
    assert_eq!((lead.company_name.as_deref(), lead.dimension_scale), (Some("Ñandú"), 6));
    assert_eq!(lead.scores, [Some(1), Some(5), None, Some(4), Some(5), Some(60)]);
    assert_eq!(lead.clicks, [false, true, false, true, false]);
    // Urgent, since 5 of 6 is more than 70 percent; no budget score is not high.
    assert_eq!(row.flags(), [true, true, false, false, true, false, true, false, true, false]);
}

#[test]
fn a_null_where_none_may_be_is_an_error() {
    // 11 is the lead: without it, nothing after it is looked at.
    let nullable = [8, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20];
    for column in 0..COLUMNS {
        let mut with_null = columns();
        with_null[column] = None;
        assert_eq!(decode_columns(&with_null).is_ok(), nullable.contains(&column), "column {column}");
    }
}

#[test]
fn a_call_without_a_lead_has_nothing_of_one() {
    let mut columns = columns();
    columns[11..].fill(None);
    let row = decode_columns(&columns).unwrap();
    assert_eq!((row.lead.is_none(), row.flags()), (true, [false; 10]));
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    let mut columns = columns();
    columns[13] = Some(vec![0xff]);
    assert!(decode_columns(&columns).is_err());
}

#[test]
fn a_value_of_a_wrong_size_is_an_error() {
    // The company's name, 13, may be of any size.
    for column in (0..COLUMNS).filter(|column| *column != 13) {
        let mut cut_off = columns();
        cut_off[column] = Some(vec![0; 3]);
        assert!(decode_columns(&cut_off).is_err(), "column {column}");
    }
}
