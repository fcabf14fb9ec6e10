//! The columns of a history file: the fields of a call, in the order of its
//! fingerprint. Ids and codes are texts, times timestamps in UTC.

use std::ops::Range;

use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Int32Chunked, Int64Chunked, NamedFrom, Series, StringChunked, TimeUnit,
};
use uuid::Uuid;

use crate::calls::{CLICKS, CallRow, Calls, CallsBuilder, LEAD_TYPES, Lead, OUTCOMES, QUALITIES, SCORES, SOURCES};
use crate::error::HistoryError;

const STARTED_AT: DataType = DataType::Datetime(TimeUnit::Microseconds, None);

/// The columns without a row.
pub(super) fn empty() -> Result<DataFrame, HistoryError> {
    spell_out(&CallsBuilder::with_identities().finish()?, 0..0)
}

/// Some of the calls as they are written.
pub(super) fn spell_out(calls: &Calls, range: Range<usize>) -> Result<DataFrame, HistoryError> {
    let all = calls.identities.as_ref().ok_or(HistoryError::File("calls without their identities"))?;
    let offset = i64::try_from(range.start).map_err(|_| HistoryError::TooLarge("calls"))?;
    let frame = calls.frame.slice(offset, range.len());
    let is_lead: Vec<bool> = all.lead_ids[range.clone()].iter().map(Option::is_some).collect();
    let mut columns = vec![
        texts("call_id", all.call_ids[range.clone()].iter().map(|id| Some(id.to_string()))),
        texts("agent_id", ids(&frame, "agent", &calls.agents)?.into_iter()),
        frame.column("started_at")?.cast(&STARTED_AT)?,
        codes(&frame, "outcome", &OUTCOMES)?,
        frame.column("duration_seconds")?.clone(),
        frame.column("duration_minutes")?.clone(),
        frame.column("credits_micros")?.clone(),
        frame.column("cost_micros")?.clone(),
        codes(&frame, "lead_type", &LEAD_TYPES)?,
        codes(&frame, "call_source", &SOURCES)?,
        texts("contact_id", ids(&frame, "contact", &calls.contacts)?.into_iter()),
        texts("lead_id", all.lead_ids[range.clone()].iter().map(|id| id.map(|id| id.to_string()))),
        codes(&frame, "quality", &QUALITIES)?,
        texts("company_name", all.company_names[range.clone()].iter().cloned()),
        Series::new("dimension_scale".into(), &all.dimension_scales[range]).into(),
    ];
    for name in SCORES {
        columns.push(frame.column(name)?.clone());
    }
    for name in CLICKS {
        // None, not false, where there is no lead that could have clicked.
        let clicks = frame.column(name)?.bool()?.iter().zip(&is_lead);
        let clicks: Vec<Option<bool>> = clicks.map(|(click, is_lead)| click.filter(|_| *is_lead)).collect();
        columns.push(Series::new(name.into(), clicks).into());
    }
    Ok(DataFrame::new_infer_height(columns)?)
}

fn texts(name: &str, values: impl Iterator<Item = Option<String>>) -> Column {
    let values: Vec<Option<String>> = values.collect();
    Series::new(name.into(), values).into()
}

fn ids(frame: &DataFrame, name: &str, ids: &[Uuid]) -> Result<Vec<Option<String>>, HistoryError> {
    let numbers = frame.column(name)?.u32()?.iter();
    let spelled = numbers.map(|number| ids.get(usize::try_from(number?).ok()?).map(Uuid::to_string));
    Ok(spelled.collect())
}

fn codes(frame: &DataFrame, name: &str, list: &[&str]) -> Result<Column, HistoryError> {
    let positions = frame.column(name)?.i32()?.iter();
    let texts: Vec<Option<&str>> =
        positions.map(|position| list.get(usize::try_from(position?).ok()?).copied()).collect();
    Ok(Series::new(name.into(), texts).into())
}

/// The calls of a part of a file; each may be an error of its own.
pub(super) fn rows(frame: &DataFrame) -> Result<impl Iterator<Item = Result<CallRow, HistoryError>>, HistoryError> {
    let columns = Columns::new(frame)?;
    Ok((0..frame.height()).map(move |row| columns.row(row)))
}

struct Columns {
    text: [StringChunked; 9],
    started_at: Int64Chunked,
    int4: [Int32Chunked; 3],
    int8: [Int64Chunked; 2],
    scores: Vec<Int32Chunked>,
    clicks: Vec<BooleanChunked>,
}

const TEXTS: [&str; 9] =
    ["call_id", "agent_id", "outcome", "lead_type", "call_source", "contact_id", "lead_id", "quality", "company_name"];

impl Columns {
    fn new(frame: &DataFrame) -> Result<Columns, HistoryError> {
        let text = |name: &str| -> Result<StringChunked, HistoryError> { Ok(frame.column(name)?.str()?.clone()) };
        let int4 = |name: &str| -> Result<Int32Chunked, HistoryError> { Ok(frame.column(name)?.i32()?.clone()) };
        let int8 = |name: &str| -> Result<Int64Chunked, HistoryError> { Ok(frame.column(name)?.i64()?.clone()) };
        let [a, b, c, d, e, f, g, h, i] = TEXTS.map(text);
        if *frame.column("started_at")?.dtype() != STARTED_AT {
            return Err(HistoryError::File("its times are no timestamps in microseconds"));
        }
        Ok(Columns {
            text: [a?, b?, c?, d?, e?, f?, g?, h?, i?],
            started_at: frame.column("started_at")?.cast(&DataType::Int64)?.i64()?.clone(),
            int4: [int4("duration_seconds")?, int4("duration_minutes")?, int4("dimension_scale")?],
            int8: [int8("credits_micros")?, int8("cost_micros")?],
            scores: SCORES.iter().map(|name| int4(name)).collect::<Result<_, _>>()?,
            clicks: CLICKS
                .iter()
                .map(|name| Ok(frame.column(name)?.bool()?.clone()))
                .collect::<Result<_, HistoryError>>()?,
        })
    }

    fn row(&self, row: usize) -> Result<CallRow, HistoryError> {
        let [call_id, agent_id, outcome, lead_type, call_source, contact_id, lead_id, ..] = &self.text;
        let [duration_seconds, duration_minutes, _] = &self.int4;
        let [credits_micros, cost_micros] = &self.int8;
        Ok(CallRow {
            call_id: needed(id(call_id, row)?)?,
            agent_id: needed(id(agent_id, row)?)?,
            started_at_micros: needed(self.started_at.get(row))?,
            outcome: needed(code(outcome, row, &OUTCOMES)?)?,
            duration_seconds: needed(duration_seconds.get(row))?,
            duration_minutes: needed(duration_minutes.get(row))?,
            credits_micros: needed(credits_micros.get(row))?,
            cost_micros: needed(cost_micros.get(row))?,
            lead_type: code(lead_type, row, &LEAD_TYPES)?,
            call_source: needed(code(call_source, row, &SOURCES)?)?,
            contact_id: id(contact_id, row)?,
            lead: id(lead_id, row)?.map(|lead_id| self.lead(row, lead_id)).transpose()?,
        })
    }

    fn lead(&self, row: usize, lead_id: Uuid) -> Result<Lead, HistoryError> {
        let [.., quality, company_name] = &self.text;
        let mut scores = [None; SCORES.len()];
        for (score, column) in scores.iter_mut().zip(&self.scores) {
            *score = column.get(row);
        }
        let mut clicks = [false; CLICKS.len()];
        for (click, column) in clicks.iter_mut().zip(&self.clicks) {
            *click = needed(column.get(row))?;
        }
        Ok(Lead {
            lead_id,
            quality: code(quality, row, &QUALITIES)?,
            company_name: company_name.get(row).map(str::to_owned),
            dimension_scale: needed(self.int4[2].get(row))?,
            scores,
            clicks,
        })
    }
}

fn needed<T>(value: Option<T>) -> Result<T, HistoryError> {
    value.ok_or(HistoryError::File("a value is missing"))
}

fn id(column: &StringChunked, row: usize) -> Result<Option<Uuid>, HistoryError> {
    column.get(row).map(Uuid::parse_str).transpose().map_err(|_| HistoryError::File("an id is no uuid"))
}

fn code(column: &StringChunked, row: usize, list: &[&str]) -> Result<Option<i32>, HistoryError> {
    let Some(text) = column.get(row) else { return Ok(None) };
    let position = list.iter().position(|known| *known == text).and_then(|p| i32::try_from(p).ok());
    position.map(Some).ok_or(HistoryError::File("a word that is not known"))
}
