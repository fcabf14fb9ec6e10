//! Bolna: the list of executions in windows, then single executions by id.
//!
//! The list is offset paging over a sort that moves: while it is read, executions
//! come in, and those that change may go to another page. So the pages of a window
//! are read again until they bring nothing new. The list is trimmed, hence only says
//! which executions to fetch.
//!
//! Assumed where the API's pages say nothing: the list's items are in `data`; the
//! window goes by `created_at`, both ends included; pages count from 1.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;
use tallyline_model::{StatusClass, agent_ref, parse_bolna};

use super::failure::Failure;
use super::inbox::{ENDPOINT, Gathered};
use super::{BATCH, Check, MAX_WINDOW_HOURS, Run, Wanted};

/// Statuses that end an execution, or a dial of it.
const ENDS: [&str; 8] = ["completed", "no-answer", "busy", "failed", "error", "balance-low", "canceled", "stopped"];

/// The largest page that the list gives.
const PAGE_SIZE: &str = "50";

/// Each window begins this much before the last one ended.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Times that the pages of a window are read before its list is given up as unstable.
const MAX_PASSES: usize = 6;

/// A window that holds too many ids is halved, but not below this.
const SHORTEST_WINDOW: TimeDelta = TimeDelta::seconds(240);

/// More pages than this of one window are no list but a loop.
const MAX_PAGES: usize = 20_000;

type Window = (DateTime<Utc>, DateTime<Utc>);

/// Reads the list from the watermark on, then asks for calls that have not ended, or in two ways.
pub(super) async fn reconcile(run: &Run<'_>) -> Result<(), Failure> {
    let listed = read_list(run).await;
    // A list that cannot be read to its end says nothing about single executions.
    if listed.as_ref().is_err_and(|failure| !failure.is_of_the_list()) {
        return listed;
    }
    fetch_stuck(run).await?;
    fetch_conflicts(run).await?;
    run.forget_known().await?;
    listed
}

async fn read_list(run: &Run<'_>) -> Result<(), Failure> {
    let mut windows = windows(run.start(), run.now, run.options.window_hours);
    windows.reverse();
    while let Some((from, to)) = windows.pop() {
        if read_window(run, from, to).await? {
            run.advance(to).await?;
        } else {
            let middle = from + (to - from) / 2;
            windows.push((middle - OVERLAP, to));
            windows.push((from, middle));
        }
    }
    Ok(())
}

/// The windows of a stretch of time, oldest first.
fn windows(start: DateTime<Utc>, end: DateTime<Utc>, hours: u32) -> Vec<Window> {
    let length = TimeDelta::hours(i64::from(hours.clamp(1, MAX_WINDOW_HOURS)));
    let mut windows = Vec::new();
    let mut at = start;
    while at < end {
        let to = (at + length).min(end);
        windows.push((at - OVERLAP, to));
        at = to;
    }
    windows
}

/// Reads the pages of a window until they bring nothing new; false when there are too many
/// executions in it.
async fn read_window(run: &Run<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<bool, Failure> {
    let mut seen = HashSet::new();
    for pass in 0..MAX_PASSES {
        let before = seen.len();
        let mut page_number = 1;
        loop {
            let page = read_page(run, from, to, page_number).await?;
            let fresh: Vec<Listed> = page.items.into_iter().filter(|item| seen.insert(item.id.clone())).collect();
            fetch_listed(run, &fresh).await?;
            if seen.len() > run.options.max_window_ids && to - from > SHORTEST_WINDOW {
                return Ok(false);
            }
            if !page.has_more {
                break;
            }
            page_number += 1;
            if page_number > MAX_PAGES {
                return Err(Failure::Unstable);
            }
        }
        // One page is one look: nothing can have moved meanwhile.
        if page_number == 1 || (pass > 0 && seen.len() == before) {
            return Ok(true);
        }
    }
    Err(Failure::Unstable)
}

/// An execution as the trimmed list shows it.
#[derive(Debug)]
struct Listed {
    id: String,
    status: String,
    seconds: Option<i64>,
}

impl Listed {
    fn read(item: &Value) -> Option<Self> {
        let id = match item.get("id")? {
            Value::String(text) if !text.trim().is_empty() => agent_ref(text),
            Value::Number(number) if number.is_u64() => number.to_string(),
            _ => return None,
        };
        let status = item.get("status").and_then(Value::as_str).unwrap_or_default().to_owned();
        let seconds =
            ["conversation_duration", "conversation_time"].iter().find_map(|key| whole_seconds(item.get(*key)?));
        Some(Self { id, status, seconds })
    }

    /// What is remembered of it once it was fetched.
    fn summary(&self) -> String {
        let seconds = self.seconds.map_or_else(String::new, |seconds| seconds.to_string());
        format!("{}|{seconds}", self.status)
    }
}

fn whole_seconds(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        other => other.as_f64()?,
    };
    (0.0..1e9).contains(&seconds).then_some(seconds as i64)
}

struct Page {
    items: Vec<Listed>,
    has_more: bool,
}

async fn read_page(run: &Run<'_>, from: DateTime<Utc>, to: DateTime<Utc>, number: usize) -> Result<Page, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Value>,
        has_more: bool,
    }
    let number = number.to_string();
    let query = [
        ("from", &*instant(from)),
        ("to", &*instant(to + TimeDelta::seconds(1))),
        ("page_number", &*number),
        ("page_size", PAGE_SIZE),
    ];
    let body = run.client.get(&run.client.url(&["executions"], &query)?).await?;
    run.count_page();
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| Failure::Answer("bad_list"))?;
    let items: Vec<Listed> = answer.data.iter().filter_map(Listed::read).collect();
    if items.len() < answer.data.len() {
        tracing::warn!(
            items = answer.data.len() - items.len(),
            "executions without a usable id in the list are left out"
        );
    }
    if answer.has_more && answer.data.is_empty() {
        return Err(Failure::Answer("empty_page"));
    }
    Ok(Page { items, has_more: answer.has_more })
}

/// An offset and never `Z`, at which the API answers 500.
fn instant(at: DateTime<Utc>) -> String {
    at.trunc_subsecs(0).format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// What we know of a listed execution.
#[derive(Debug, Default)]
struct Known {
    has_call: bool,
    is_terminal: bool,
    seconds: Option<i64>,
    /// Statuses of the call's last attempt that Bolna has told.
    statuses: Vec<String>,
    /// What was listed when it was last fetched.
    listed: Option<String>,
}

impl Known {
    /// Whether the list says something that we do not know. The carrier's word alone ends no
    /// call here, since it knows neither price nor talk.
    fn lacks(&self, item: &Listed) -> bool {
        let ended = self.statuses.iter().any(|status| StatusClass::of(status) == StatusClass::Terminal);
        let is_settled = self.is_terminal && ended;
        if self.has_call && !is_settled {
            return true;
        }
        let same_seconds = item.seconds.is_none() || item.seconds == self.seconds;
        if is_settled && self.statuses.contains(&item.status) && same_seconds {
            return false;
        }
        // Fetched already as it is listed: an execution of a foreign agent, or one that merges to something else.
        self.listed.as_deref() != Some(item.summary().as_str())
    }
}

async fn fetch_listed(run: &Run<'_>, items: &[Listed]) -> Result<(), Failure> {
    let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
    let rows = sqlx::query_file!("../sql/reconcile/known_executions.sql", run.account.user_id, &ids)
        .fetch_all(run.pool)
        .await?;
    let known: HashMap<String, Known> = rows
        .into_iter()
        .map(|row| {
            let known = Known {
                has_call: row.has_call,
                is_terminal: row.is_terminal,
                seconds: row.duration_seconds.map(i64::from),
                statuses: row.statuses,
                listed: row.listed,
            };
            (row.r#ref, known)
        })
        .collect();
    let lacking = items.iter().filter(|item| known.get(&item.id).is_none_or(|known| known.lacks(item)));
    let wanted = |item: &Listed| Wanted { listed: Some(item.summary()), ..Wanted::stuck(item.id.clone()) };
    fetch(run, lacking.map(wanted).collect()).await
}

async fn fetch_stuck(run: &Run<'_>) -> Result<(), Failure> {
    let (oldest, latest) = run.stuck_between();
    loop {
        let rows = sqlx::query_file!(
            "../sql/reconcile/stuck_executions.sql",
            run.account.user_id,
            run.now,
            oldest,
            latest,
            BATCH
        )
        .fetch_all(run.pool)
        .await?;
        if rows.is_empty() {
            return Ok(());
        }
        fetch(run, rows.into_iter().map(|row| Wanted::stuck(row.r#ref)).collect()).await?;
    }
}

/// What is noted is not selected again, so this ends.
async fn fetch_conflicts(run: &Run<'_>) -> Result<(), Failure> {
    let (oldest, latest) = run.stuck_between();
    loop {
        let rows = sqlx::query_file!(
            "../sql/reconcile/conflict_executions.sql",
            run.account.user_id,
            oldest,
            latest,
            BATCH,
            &ENDS as &[&str],
            ENDPOINT
        )
        .fetch_all(run.pool)
        .await?;
        if rows.is_empty() {
            return Ok(());
        }
        fetch(run, rows.into_iter().map(|row| Wanted::conflict(row.r#ref, row.ends)).collect()).await?;
    }
}

/// Fetches executions by id and stores their bodies. What was fetched before a failure is
/// stored all the same.
async fn fetch(run: &Run<'_>, wanted: Vec<Wanted>) -> Result<(), Failure> {
    let (mut gathered, mut checks) = (Gathered::default(), Vec::new());
    let mut failed = None;
    for wanted in wanted {
        let url = run.client.url(&["executions", &wanted.id], &[])?;
        match run.client.get(&url).await {
            Ok(body) if is_of(run, &body, &wanted.id) => {
                checks.push(Check::found(wanted));
                if gathered.add(body) {
                    run.store(&mut gathered).await?;
                }
            }
            Ok(_) => checks.push(Check::refused(wanted)),
            Err(Failure::NotFound) => checks.push(Check::unknown(wanted)),
            Err(Failure::TooLarge) => {
                run.count_oversized();
                checks.push(Check::refused(wanted));
            }
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    // Stored before it is noted: what is noted is not fetched again.
    run.store(&mut gathered).await?;
    run.note(checks).await?;
    failed.map_or(Ok(()), Err)
}

/// Whether the body is the execution that was asked for, in a form that a webhook could have.
fn is_of(run: &Run<'_>, body: &[u8], id: &str) -> bool {
    parse_bolna(body, run.now, [0; 32]).is_ok_and(|event| event.execution_id.as_deref() == Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_the_model_s() {
        assert!(ENDS.iter().all(|status| StatusClass::of(status) == StatusClass::Terminal));
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn windows_cover_everything_overlap_and_are_short_enough() {
        let (start, end) = (at("2026-03-01T00:00:00Z"), at("2026-03-30T05:00:00.5Z"));
        for hours in [0, 1, 24, 167, 168, 100_000] {
            let windows = windows(start, end, hours);
            assert_eq!((windows[0].0, windows[windows.len() - 1].1), (start - OVERLAP, end));
            for pair in windows.windows(2) {
                assert_eq!(pair[1].0, pair[0].1 - OVERLAP);
            }
            // The list is asked up to the next whole second.
            assert!(windows.iter().all(|(from, to)| *to - *from + TimeDelta::seconds(1) <= TimeDelta::days(7)));
        }
    }

    #[test]
    fn times_have_an_offset_and_no_z() {
        assert_eq!(instant(at("2026-03-03T10:11:12.999Z")), "2026-03-03T10:11:12+00:00");
    }

    #[test]
    fn both_spellings_and_all_forms_of_a_length_are_read() {
        for (item, id, seconds) in [
            (
                r#"{"id":"ABCDEF00-0000-4000-8000-000000000001","status":"x","conversation_duration":27.9}"#,
                "abcdef00-0000-4000-8000-000000000001",
                Some(27),
            ),
            (r#"{"id":7432382142914,"conversation_time":42}"#, "7432382142914", Some(42)),
            (r#"{"id":"agent#1","conversation_duration":null,"conversation_time":"3.5"}"#, "agent#1", Some(3)),
            (r#"{"id":"a","conversation_duration":-1}"#, "a", None),
        ] {
            let listed = Listed::read(&serde_json::from_str(item).unwrap()).unwrap();
            assert_eq!((listed.id.as_str(), listed.seconds), (id, seconds), "{item}");
        }
        for item in [r#"{"status":"completed"}"#, r#"{"id":""}"#, r#"{"id":1.5}"#, "3"] {
            assert!(Listed::read(&serde_json::from_str(item).unwrap()).is_none(), "{item}");
        }
    }
}
