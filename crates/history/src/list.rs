//! Any list as Parquet, while it is being read: rows go in by parts, and what is
//! written of the file so far comes out, so that no more than a part is held.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    Column, DataFrame, DataType, KeyValueMetadata, NamedFrom, ParquetReader, ParquetWriter, SerReader, Series, TimeUnit,
};

use crate::error::HistoryError;

const TIME: DataType = DataType::Datetime(TimeUnit::Microseconds, None);

/// The values of a column, as many as the part has rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Texts(Vec<Option<String>>),
    Numbers(Vec<Option<i64>>),
    /// Microseconds since the Unix epoch; timestamps in UTC in the file.
    Times(Vec<Option<i64>>),
    /// Days since the Unix epoch.
    Dates(Vec<Option<i32>>),
    Fractions(Vec<Option<f64>>),
    Flags(Vec<Option<bool>>),
}

impl Values {
    fn column(&self, name: &str) -> Result<Column, HistoryError> {
        let name = name.into();
        Ok(match self {
            Values::Texts(values) => Series::new(name, values).into(),
            Values::Numbers(values) => Series::new(name, values).into(),
            Values::Times(values) => Series::new(name, values).cast(&TIME)?.into(),
            Values::Dates(values) => Series::new(name, values).cast(&DataType::Date)?.into(),
            Values::Fractions(values) => Series::new(name, values).into(),
            Values::Flags(values) => Series::new(name, values).into(),
        })
    }

    fn of(column: &Column) -> Result<Values, HistoryError> {
        Ok(match column.dtype() {
            DataType::String => Values::Texts(column.str()?.iter().map(|text| text.map(str::to_owned)).collect()),
            DataType::Int64 => Values::Numbers(column.i64()?.iter().collect()),
            DataType::Datetime(..) => Values::Times(column.cast(&DataType::Int64)?.i64()?.iter().collect()),
            DataType::Date => Values::Dates(column.cast(&DataType::Int32)?.i32()?.iter().collect()),
            DataType::Float64 => Values::Fractions(column.f64()?.iter().collect()),
            DataType::Boolean => Values::Flags(column.bool()?.iter().collect()),
            _ => return Err(HistoryError::File("a column of a kind that no list has")),
        })
    }
}

/// What was written and not yet taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes a list, part by part.
pub struct ListWriter {
    names: Vec<String>,
    written: Written,
    writer: BatchedWriter<Written>,
}

impl ListWriter {
    /// Begins a file with these columns, given without a value, that says of itself
    /// what `notes` are.
    ///
    /// # Errors
    /// When two columns have one name.
    pub fn new(columns: Vec<(String, Values)>, notes: Vec<(String, String)>) -> Result<ListWriter, HistoryError> {
        let (names, values): (Vec<String>, Vec<Values>) = columns.into_iter().unzip();
        let written = Written::default();
        let writer = ParquetWriter::new(written.clone())
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(notes)))
            .batched(frame(&names, &values)?.schema())?;
        Ok(ListWriter { names, written, writer })
    }

    /// Adds rows, all values of each column in the order of the columns; returns the
    /// bytes of the file that came to be.
    ///
    /// # Errors
    /// When the values do not fit the columns.
    pub fn write(&mut self, values: &[Values]) -> Result<Vec<u8>, HistoryError> {
        self.writer.write_batch(&frame(&self.names, values)?)?;
        Ok(self.written.take())
    }

    /// Ends the file; returns its last bytes. Without them it is none.
    ///
    /// # Errors
    /// None that is known; the type is the writer's.
    pub fn finish(self) -> Result<Vec<u8>, HistoryError> {
        self.writer.finish()?;
        Ok(self.written.take())
    }
}

fn frame(names: &[String], values: &[Values]) -> Result<DataFrame, HistoryError> {
    if names.len() != values.len() {
        return Err(HistoryError::File("as many columns as names"));
    }
    let columns: Result<Vec<Column>, HistoryError> =
        names.iter().zip(values).map(|(name, values)| values.column(name)).collect();
    Ok(DataFrame::new_infer_height(columns?)?)
}

/// The columns of a file that [`ListWriter`] wrote.
///
/// # Errors
/// When it is none.
pub fn read(bytes: Vec<u8>) -> Result<Vec<(String, Values)>, HistoryError> {
    let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish()?;
    frame.columns().iter().map(|column| Ok((column.name().to_string(), Values::of(column)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(rows: i64) -> Vec<(String, Values)> {
        let numbers: Vec<Option<i64>> = (0..rows).map(|n| (n % 3 > 0).then_some(n)).collect();
        let days = numbers.iter().map(|n| n.and_then(|n| i32::try_from(n).ok()));
        let all = [
            ("text", Values::Texts(numbers.iter().map(|n| n.map(|n| format!("„{n}“"))).collect())),
            ("number", Values::Numbers(numbers.clone())),
            ("time", Values::Times(numbers.clone())),
            ("date", Values::Dates(days.collect())),
            ("fraction", Values::Fractions(numbers.iter().map(|n| n.map(|n| n as f64 / 8.0)).collect())),
            ("flag", Values::Flags(numbers.iter().map(|n| n.map(|n| n % 2 == 0)).collect())),
        ];
        all.map(|(name, values)| (name.to_owned(), values)).to_vec()
    }

    fn values(rows: i64) -> Vec<Values> {
        columns(rows).into_iter().map(|(_, values)| values).collect()
    }

    /// Break: bytes taken before the part was written (the file cannot be read).
    #[test]
    fn a_list_written_in_parts_is_read_back() {
        let mut writer = ListWriter::new(columns(0), vec![("of".to_owned(), "a test".to_owned())]).unwrap();
        let mut file = writer.write(&values(7)).unwrap();
        assert!(file.starts_with(b"PAR1"), "what is written can be sent at once");
        file.extend(writer.write(&values(0)).unwrap());
        file.extend(writer.write(&values(4)).unwrap());
        let unfinished = file.clone();
        file.extend(writer.finish().unwrap());
        let found = read(file).unwrap();
        let Values::Numbers(numbers) = &found[1].1 else { panic!("{found:?}") };
        assert_eq!(numbers, &[None, Some(1), Some(2), None, Some(4), Some(5), None, None, Some(1), Some(2), None]);
        assert_eq!(
            found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["text", "number", "time", "date", "fraction", "flag"]
        );
        assert!(read(unfinished).is_err(), "half a list does not look like one");
    }

    #[test]
    fn an_empty_list_has_its_columns() {
        let mut file = Vec::new();
        let writer = ListWriter::new(columns(0), Vec::new()).unwrap();
        file.extend(writer.finish().unwrap());
        assert_eq!(read(file).unwrap(), columns(0));
    }
}
