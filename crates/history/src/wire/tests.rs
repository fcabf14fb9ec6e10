//! Hand-made streams, whole and cut at every position.

use super::*;

type Row = Vec<Option<Vec<u8>>>;

fn header() -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

fn row(fields: &[Option<&[u8]>]) -> Vec<u8> {
    let mut bytes = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
    for field in fields {
        match field {
            None => bytes.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(value) => {
                bytes.extend_from_slice(&i32::try_from(value.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(value);
            }
        }
    }
    bytes
}

fn two_rows() -> Vec<u8> {
    let mut bytes = header();
    bytes.extend(row(&[Some(b"ab"), None]));
    bytes.extend(row(&[Some(b""), Some(&[0xff, 0xff, 7])]));
    bytes.extend_from_slice(&(-1i16).to_be_bytes());
    bytes
}

fn expected() -> Vec<Row> {
    vec![vec![Some(b"ab".to_vec()), None], vec![Some(Vec::new()), Some(vec![0xff, 0xff, 7])]]
}

fn cut(pieces: &[&[u8]]) -> Result<Vec<Row>, WireError> {
    let mut cutter = RowCutter::<2>::default();
    let mut rows = Vec::new();
    for piece in pieces {
        cutter.feed(piece, |fields| {
            rows.push(fields.iter().map(|f| f.map(<[u8]>::to_vec)).collect());
            Ok(())
        })?;
    }
    cutter.finish()?;
    Ok(rows)
}

#[test]
fn rows_are_the_same_wherever_the_stream_is_cut() {
    // Fails when `pending` is cleared after each piece.
    let bytes = two_rows();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let rows = cut(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
            assert_eq!(rows.as_ref(), Ok(&expected()), "cut at {first} and {second}");
        }
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(cut(&single), Ok(expected()));
}

#[test]
fn a_stream_that_ends_early_is_an_error() {
    let bytes = two_rows();
    for end in 0..bytes.len() {
        assert_eq!(cut(&[&bytes[..end]]), Err(WireError::Truncated), "ended at {end}");
    }
}

#[test]
fn any_changed_byte_gives_rows_or_an_error_but_no_panic() {
    let bytes = two_rows();
    for at in 0..bytes.len() {
        for value in [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let _ = cut(&[&damaged]);
        }
    }
}

#[test]
fn damage_is_named() {
    let mut text = b"PGCOPY\n\xff\n\n\0".to_vec();
    text.extend_from_slice(&[0; 8]);
    assert_eq!(cut(&[&text]), Err(WireError::Signature));
    assert_eq!(cut(&[b"1\t2"]), Err(WireError::Signature));

    let mut with_oids = header();
    with_oids[12] = 1;
    assert_eq!(cut(&[&with_oids]), Err(WireError::Header));
    let mut extended = header();
    extended[18] = 4;
    assert_eq!(cut(&[&extended]), Err(WireError::Header));

    let mut narrow = header();
    narrow.extend(row(&[None]));
    assert_eq!(cut(&[&narrow]), Err(WireError::ColumnCount { expected: 2, found: 1 }));

    for len in [-2i32, i32::MIN, i32::MAX, 1025] {
        let mut bad = header();
        bad.extend_from_slice(&[0, 2]);
        bad.extend_from_slice(&(-1i32).to_be_bytes());
        bad.extend_from_slice(&len.to_be_bytes());
        assert_eq!(cut(&[&bad]), Err(WireError::FieldLength { column: 1 }), "length {len}");
    }

    let mut longer = two_rows();
    longer.push(0);
    assert_eq!(cut(&[&longer]), Err(WireError::Trailing));
}

#[test]
fn values_are_decoded_or_refused() {
    let day_one = 86_400_000_000i64.to_be_bytes();
    let mut fields = Fields::new([Some(&day_one[..]), Some(b"busy"), Some(&[1]), Some(&[0]), Some(&[0, 0, 1, 0])]);
    assert_eq!(fields.micros("t"), Ok("2000-01-02T00:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp_micros()));
    assert_eq!(fields.code("o", &["failed", "busy"]), Ok(1));
    assert_eq!(fields.boolean("b"), Ok(true));
    assert_eq!(fields.boolean("b"), Ok(false));
    assert_eq!(fields.int4("i"), Ok(256));

    for infinite in [i64::MAX, i64::MIN, i64::MAX - 1] {
        let bytes = infinite.to_be_bytes();
        assert_eq!(Fields::new([Some(&bytes[..])]).micros("t"), Err(WireError::Value("t")), "{infinite}");
    }
    assert_eq!(Fields::new([Some(&b"Busy"[..])]).code("o", &["busy"]), Err(WireError::Value("o")));
    assert_eq!(Fields::new([None]).code("o", &["busy"]), Err(WireError::Null("o")));
    assert_eq!(Fields::new([None]).boolean("b"), Err(WireError::Null("b")));
    assert_eq!(Fields::new([Some(&[2u8][..])]).boolean("b"), Err(WireError::Value("b")));
    assert_eq!(Fields::new([Some(&[1u8, 2][..])]).int4_or_null("i"), Err(WireError::Value("i")));
    assert_eq!(Fields::new([None]).uuid("u"), Err(WireError::Null("u")));
}
