//! Lists as CSV: read page by page while they are sent, up to a bound.

use std::future::Future;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;

/// Rows of a file; what lies beyond is said in its last line.
pub const MAX_ROWS: usize = 100_000;
/// Rows that are read at once.
pub const BATCH: i64 = 1000;

/// Some rows of a list, and where the next ones begin; none: there are no more.
pub type Batch<C> = (Vec<Vec<String>>, Option<C>);

enum Next<C> {
    Head(Vec<String>),
    Rows(Option<C>, usize),
    End,
}

/// A file of the rows that `read` gives for one cursor after the other. An error on
/// the way breaks the connection off, so that half a list does not look like one.
pub fn file<C, F, R>(name: &str, head: &[&str], read: F) -> Response
where
    C: Send + 'static,
    F: Fn(Option<C>) -> R + Send + 'static,
    R: Future<Output = Result<Batch<C>, sqlx::Error>> + Send + 'static,
{
    let first = Next::Head(head.iter().map(|cell| (*cell).to_owned()).collect());
    let lines = stream::try_unfold((first, read), async |(next, read)| -> Result<_, sqlx::Error> {
        Ok(match next {
            Next::Head(head) => Some((Bytes::from(line(head.iter())), (Next::Rows(None, 0), read))),
            Next::Rows(cursor, sent) => {
                let (rows, cursor) = read(cursor).await?;
                let room = MAX_ROWS - sent;
                let mut text: String = rows.iter().take(room).map(|row| line(row.iter())).collect();
                let sent = sent + rows.len().min(room);
                let next = match cursor {
                    Some(_) if sent >= MAX_ROWS => {
                        text.push_str(&line(
                            [&format!("The list goes on; a file ends after {MAX_ROWS} rows.")].into_iter(),
                        ));
                        Next::End
                    }
                    Some(cursor) => Next::Rows(Some(cursor), sent),
                    None => Next::End,
                };
                Some((Bytes::from(text), (next, read)))
            }
            Next::End => None,
        })
    });
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, disposition)];
    (headers, Body::from_stream(lines)).into_response()
}

fn line<'a>(cells: impl Iterator<Item = &'a String>) -> String {
    let cells: Vec<String> = cells.map(|text| cell(text)).collect();
    cells.join(",") + "\r\n"
}

/// A cell as RFC 4180 has it. What a spreadsheet would take for a formula gets an
/// apostrophe; plain numbers, negative ones too, are none.
pub fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// Micro-units as a plain decimal number.
pub fn micros(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", value.unsigned_abs() / 1_000_000, value.unsigned_abs() % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(["a", "a,b", "a\"b", "a\nb", ""].map(cell), ["a", "\"a,b\"", "\"a\"\"b\"", "\"a\nb\"", ""]);
        assert_eq!(["=1+1", "@x", "+x", "-x", "\tx"].map(cell), ["'=1+1", "'@x", "'+x", "'-x", "'\tx"]);
        assert_eq!(cell("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
        assert_eq!(["-1.5", "7"].map(cell), ["-1.5", "7"]);
        assert_eq!([-1_500_000, 1].map(micros), ["-1.500000", "0.000001"]);
    }
}
