//! Lists as files, CSV and Parquet: read page by page while they are sent, up to a
//! bound. Both come from the same cells.

use std::error::Error;
use std::future::Future;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tallyline_history::HistoryError;
use tallyline_history::list::{ListWriter, Values};

/// Rows of a file; what lies beyond is said in the last line of a CSV, and can be
/// told by the number of rows of a Parquet file.
pub const MAX_ROWS: usize = 100_000;
/// Rows that are read at once.
pub const BATCH: usize = 1000;
/// Batches of one row group of Parquet: as much of it is held at once.
const GROUP: usize = 20;

/// What a list is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Parquet,
}

impl Format {
    pub const ALL: [(Format, &'static str, &'static str); 2] =
        [(Format::Csv, "csv", "CSV"), (Format::Parquet, "parquet", "Parquet")];
}

/// What the cells of a column hold, where they hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    /// Millionths: a decimal number in CSV; whole in Parquet, whose column says so by
    /// its name, `…_micros`.
    Micros,
    /// Tenths: a number with one decimal.
    Tenths,
    Time,
    Date,
    Flag,
}

/// A column: its name and what it holds.
pub type Head = (&'static str, Kind);

/// One value.
#[derive(Debug, Clone)]
pub enum Cell {
    Empty,
    Text(String),
    Number(i64),
    Micros(i64),
    Tenths(i64),
    Time(DateTime<Utc>),
    Date(NaiveDate),
    Flag(bool),
}

impl Cell {
    pub fn micros(value: Option<i64>) -> Cell {
        value.map_or(Cell::Empty, Cell::Micros)
    }

    pub fn tenths(value: Option<i64>) -> Cell {
        value.map_or(Cell::Empty, Cell::Tenths)
    }

    /// As a CSV has it, before quoting.
    fn text(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
            Cell::Micros(value) => decimal(*value),
            Cell::Tenths(value) => format!("{}.{}", value / 10, value % 10),
            Cell::Time(at) => at.to_rfc3339(),
            Cell::Date(date) => date.to_string(),
            Cell::Flag(flag) => flag.to_string(),
        }
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Empty, Into::into)
    }
}

macro_rules! cells {
    ($($from:ty => $to:expr),* $(,)?) => {
        $(impl From<$from> for Cell {
            fn from(value: $from) -> Self {
                $to(value)
            }
        })*
    };
}

cells! {
    String => Cell::Text,
    &String => |text: &String| Cell::Text(text.clone()),
    &str => |text: &str| Cell::Text(text.to_owned()),
    uuid::Uuid => |id: uuid::Uuid| Cell::Text(id.to_string()),
    i64 => Cell::Number,
    i32 => |number: i32| Cell::Number(i64::from(number)),
    i16 => |number: i16| Cell::Number(i64::from(number)),
    DateTime<Utc> => Cell::Time,
    NaiveDate => Cell::Date,
    bool => Cell::Flag,
}

/// Some rows of a list, and where the next ones begin; none: there are no more.
pub type Batch<C> = (Vec<Vec<Cell>>, Option<C>);

/// Rows, and whether the file ends although the list goes on.
type Part = (Vec<Vec<Cell>>, bool);
type Failure = Box<dyn Error + Send + Sync>;

/// A file of the rows that `read` gives for one cursor after the other. An error on
/// the way breaks the connection off, so that half a list does not look like one.
pub fn file<C, F, R>(format: Format, name: &str, heads: &'static [Head], read: F) -> Response
where
    C: Send + 'static,
    F: Fn(Option<C>) -> R + Send + 'static,
    R: Future<Output = Result<Batch<C>, sqlx::Error>> + Send + 'static,
{
    let parts = parts(read).boxed();
    let (body, mime, ending) = match format {
        Format::Csv => (Body::from_stream(csv(heads, parts)), "text/csv; charset=utf-8", "csv"),
        Format::Parquet => match parquet(heads, parts) {
            Ok(bytes) => (Body::from_stream(bytes), "application/vnd.apache.parquet", "parquet"),
            Err(error) => {
                tracing::error!(%error, "a list has columns that no file can have");
                return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        },
    };
    let disposition = format!("attachment; filename=\"{name}.{ending}\"");
    ([(CONTENT_TYPE, mime.to_owned()), (CONTENT_DISPOSITION, disposition)], body).into_response()
}

enum Next<C> {
    Rows(Option<C>, usize),
    End,
}

fn parts<C, F, R>(read: F) -> impl Stream<Item = Result<Part, sqlx::Error>> + Send
where
    C: Send + 'static,
    F: Fn(Option<C>) -> R + Send + 'static,
    R: Future<Output = Result<Batch<C>, sqlx::Error>> + Send + 'static,
{
    stream::try_unfold((Next::Rows(None, 0), read), async |(next, read)| {
        let Next::Rows(cursor, sent) = next else { return Ok(None) };
        let (mut rows, cursor) = read(cursor).await?;
        rows.truncate(MAX_ROWS - sent);
        let sent = sent + rows.len();
        let is_cut = cursor.is_some() && sent >= MAX_ROWS;
        let next = match cursor {
            Some(cursor) if !is_cut => Next::Rows(Some(cursor), sent),
            _ => Next::End,
        };
        Ok(Some(((rows, is_cut), (next, read))))
    })
}

fn csv(
    heads: &'static [Head],
    parts: BoxStream<'static, Result<Part, sqlx::Error>>,
) -> impl Stream<Item = Result<Bytes, sqlx::Error>> + Send {
    let head = line(heads.iter().map(|(name, _)| (*name).to_owned()));
    let lines = parts.map_ok(|(rows, is_cut)| {
        let mut text: String = rows.iter().map(|row| line(row.iter().map(Cell::text))).collect();
        if is_cut {
            text.push_str(&line([format!("The list goes on; a file ends after {MAX_ROWS} rows.")].into_iter()));
        }
        Bytes::from(text)
    });
    stream::once(async { Ok(Bytes::from(head)) }).chain(lines)
}

fn parquet(
    heads: &'static [Head],
    parts: BoxStream<'static, Result<Part, sqlx::Error>>,
) -> Result<impl Stream<Item = Result<Bytes, Failure>> + Send, HistoryError> {
    let names = heads.iter().map(|(name, kind)| match kind {
        Kind::Micros => format!("{name}_micros"),
        _ => (*name).to_owned(),
    });
    let columns = names.zip(values(heads, &[])?).collect();
    let writer = ListWriter::new(columns, vec![("tallyline.most_rows".to_owned(), MAX_ROWS.to_string())])?;
    let groups = parts.chunks(GROUP);
    Ok(stream::try_unfold((Some(writer), groups), move |(writer, mut groups)| async move {
        let Some(mut writer) = writer else { return Ok(None) };
        let Some(group) = groups.next().await else {
            return Ok(Some((Bytes::from(writer.finish()?), (None, groups))));
        };
        let mut rows = Vec::new();
        for part in group {
            rows.extend(part?.0);
        }
        // Some milliseconds: not on a thread that serves others.
        let (writer, bytes) = tokio::task::spawn_blocking(move || {
            let bytes = writer.write(&values(heads, &rows)?)?;
            Ok::<_, HistoryError>((writer, bytes))
        })
        .await??;
        Ok(Some((Bytes::from(bytes), (Some(writer), groups))))
    }))
}

/// The rows' values, column by column.
fn values(heads: &[Head], rows: &[Vec<Cell>]) -> Result<Vec<Values>, HistoryError> {
    heads
        .iter()
        .enumerate()
        .map(|(at, (_, kind))| column(*kind, rows.iter().filter_map(move |row| row.get(at))))
        .collect()
}

fn column<'a>(kind: Kind, cells: impl Iterator<Item = &'a Cell>) -> Result<Values, HistoryError> {
    fn each<'a, T>(
        cells: impl Iterator<Item = &'a Cell>,
        value: impl Fn(&Cell) -> Option<T>,
    ) -> Result<Vec<Option<T>>, HistoryError> {
        let value = |cell: &Cell| match cell {
            Cell::Empty => Ok(None),
            cell => value(cell).map(Some).ok_or(HistoryError::File("a cell of another kind than its column")),
        };
        cells.map(value).collect()
    }
    Ok(match kind {
        Kind::Text => {
            Values::Texts(each(cells, |cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None })?)
        }
        Kind::Number => Values::Numbers(each(cells, |cell| if let Cell::Number(n) = cell { Some(*n) } else { None })?),
        Kind::Micros => Values::Numbers(each(cells, |cell| if let Cell::Micros(n) = cell { Some(*n) } else { None })?),
        Kind::Tenths => {
            Values::Fractions(each(
                cells,
                |cell| if let Cell::Tenths(n) = cell { Some(*n as f64 / 10.0) } else { None },
            )?)
        }
        Kind::Time => {
            Values::Times(each(
                cells,
                |cell| if let Cell::Time(at) = cell { Some(at.timestamp_micros()) } else { None },
            )?)
        }
        Kind::Date => Values::Dates(each(cells, |cell| {
            let Cell::Date(date) = cell else { return None };
            i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
        })?),
        Kind::Flag => Values::Flags(each(cells, |cell| if let Cell::Flag(flag) = cell { Some(*flag) } else { None })?),
    })
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|text| cell(&text)).collect();
    cells.join(",") + "\r\n"
}

/// A cell as RFC 4180 has it. What a spreadsheet would take for a formula gets an
/// apostrophe; plain numbers, negative ones too, are none.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// Micro-units as a plain decimal number.
fn decimal(value: i64) -> String {
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
        assert_eq!([-1_500_000, 1].map(decimal), ["-1.500000", "0.000001"]);
    }
}
