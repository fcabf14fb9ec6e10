//! Twilio: the list of calls, then single calls by CallSid.
//!
//! Only records of calls that are over become events, made into the form that a
//! status callback is: the same record gives the same bytes, hence the same event. A
//! record is not stored where Twilio's own last word on that CallSid is known
//! already, from a callback or an earlier poll, so nothing can be counted again
//! even when the ledger of counted calls was purged.
//!
//! Assumed where the API's pages say nothing: the list has the whole records,
//! `StartTime>` takes a date, `next_page_uri` is a path of the same host.

use std::collections::{HashMap, HashSet};

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use tallyline_model::parse_twilio;

use super::failure::Failure;
use super::inbox::{ENDPOINT, Gathered};
use super::{BATCH, Check, Run, Wanted};

/// Statuses that end a call at Twilio.
pub(super) const ENDS: [&str; 5] = ["busy", "canceled", "completed", "failed", "no-answer"];

/// Records of a page; each has some 2 KB.
const PAGE_SIZE: &str = "200";

/// More pages than this are no list but a loop.
const MAX_PAGES: usize = 20_000;

const API: &str = "2010-04-01";

/// Reads the list from the watermark on, then asks for calls whose end Twilio has not told, or in two ways.
pub(super) async fn reconcile(run: &Run<'_>) -> Result<(), Failure> {
    let listed = read_list(run).await;
    if listed.as_ref().is_err_and(|failure| !failure.is_of_the_list()) {
        return listed;
    }
    fetch_stuck(run).await?;
    fetch_conflicts(run).await?;
    run.forget_known().await?;
    listed
}

/// A record of the API, as far as it is read.
#[derive(Debug, Deserialize)]
struct CallRecord {
    sid: String,
    account_sid: String,
    status: String,
    parent_call_sid: Option<String>,
    duration: Option<Value>,
    from: Option<String>,
    to: Option<String>,
    direction: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    answered_by: Option<String>,
}

impl CallRecord {
    /// The record as Twilio's callback would have told it, byte for byte the same each time.
    fn to_form(&self) -> Vec<u8> {
        let duration = self.duration.as_ref().and_then(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        let fields = [
            ("AccountSid", Some(&self.account_sid)),
            ("AnsweredBy", self.answered_by.as_ref()),
            ("CallDuration", duration.as_ref()),
            ("CallSid", Some(&self.sid)),
            ("CallStatus", Some(&self.status)),
            ("Direction", self.direction.as_ref()),
            ("From", self.from.as_ref()),
            ("StartTime", self.start_time.as_ref()),
            ("Timestamp", self.end_time.as_ref()),
            ("To", self.to.as_ref()),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value.filter(|text| !text.is_empty())?)));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish().into_bytes()
    }

    /// Whether it is the end of a call of this account; a child leg is part of another call.
    fn is_end(&self, run: &Run<'_>) -> bool {
        ENDS.contains(&self.status.as_str())
            && self.parent_call_sid.as_ref().is_none_or(String::is_empty)
            && run.account.account_sid.as_ref() == Some(&self.account_sid)
    }
}

async fn read_list(run: &Run<'_>) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        calls: Vec<CallRecord>,
        // Must be there, be it null: an answer without it is not taken for the last page.
        #[serde(deserialize_with = "Option::deserialize")]
        next_page_uri: Option<String>,
    }
    let since = run.start().format("%Y-%m-%d").to_string();
    let account = run.account.account_sid.as_deref().unwrap_or_default();
    let first = run
        .client
        .url(&[API, "Accounts", account, "Calls.json"], &[("StartTime>", &since), ("PageSize", PAGE_SIZE)])?;
    let mut visited = HashSet::new();
    let mut next = Some(first.clone());
    while let Some(url) = next {
        if !visited.insert(url.to_string()) || visited.len() > MAX_PAGES {
            return Err(Failure::Unstable);
        }
        let body = run.client.get(&url).await?;
        run.count_page();
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| Failure::Answer("bad_list"))?;
        store_listed(run, answer.calls).await?;
        next = answer.next_page_uri.filter(|uri| !uri.is_empty()).map(|uri| following(&first, &uri)).transpose()?;
    }
    run.advance(run.now).await
}

/// The next page; the key goes to no other host and no other account.
fn following(first: &Url, uri: &str) -> Result<Url, Failure> {
    let next = first.join(uri).map_err(|_| Failure::Answer("bad_next_page"))?;
    if next.origin() == first.origin() && next.path() == first.path() {
        Ok(next)
    } else {
        Err(Failure::Answer("bad_next_page"))
    }
}

/// Of the listed calls: the ends of our calls that Twilio has not told, and unanswered calls that nobody spoke of.
async fn store_listed(run: &Run<'_>, records: Vec<CallRecord>) -> Result<(), Failure> {
    let ends: Vec<CallRecord> = records.into_iter().filter(|record| record.is_end(run)).collect();
    let sids: Vec<String> = ends.iter().map(|record| record.sid.clone()).collect();
    let rows = sqlx::query_file!("../sql/reconcile/known_sids.sql", run.account.user_id, &sids, &ENDS as &[&str])
        .fetch_all(run.pool)
        .await?;
    let told: HashMap<String, bool> = rows.into_iter().map(|row| (row.r#ref, row.has_end)).collect();
    let mut gathered = Gathered::default();
    for record in ends {
        let is_wanted = match told.get(&record.sid) {
            Some(has_end) => !has_end,
            None => record.status != "completed",
        };
        let form = record.to_form();
        if is_wanted && is_usable(run, &form, &record.sid) && gathered.add(form) {
            run.store(&mut gathered).await?;
        }
    }
    run.store(&mut gathered).await
}

fn is_usable(run: &Run<'_>, form: &[u8], sid: &str) -> bool {
    parse_twilio(form, run.now, [0; 32]).is_ok_and(|event| event.call_sid.as_deref() == Some(sid))
}

async fn fetch_stuck(run: &Run<'_>) -> Result<(), Failure> {
    let (oldest, latest) = run.stuck_between();
    loop {
        let rows = sqlx::query_file!(
            "../sql/reconcile/stuck_sids.sql",
            run.account.user_id,
            run.now,
            oldest,
            latest,
            BATCH,
            &ENDS as &[&str]
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
            "../sql/reconcile/conflict_sids.sql",
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

async fn fetch(run: &Run<'_>, wanted: Vec<Wanted>) -> Result<(), Failure> {
    let account = run.account.account_sid.as_deref().unwrap_or_default();
    let (mut gathered, mut checks) = (Gathered::default(), Vec::new());
    let mut failed = None;
    for wanted in wanted {
        let url = run.client.url(&[API, "Accounts", account, "Calls", &format!("{}.json", wanted.id)], &[])?;
        match run.client.get(&url).await {
            Ok(body) => match serde_json::from_slice::<CallRecord>(&body) {
                Ok(record) if record.sid == wanted.id && record.account_sid == account => {
                    // One that still runs, as far as Twilio shows, is asked for again later.
                    if record.is_end(run) && gathered.add(record.to_form()) {
                        run.store(&mut gathered).await?;
                    }
                    checks.push(Check::found(wanted));
                }
                _ => checks.push(Check::refused(wanted)),
            },
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
    run.store(&mut gathered).await?;
    run.note(checks).await?;
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use tallyline_model::Direction;

    use super::*;

    fn record(more: &str) -> CallRecord {
        let text = format!(
            r#"{{"sid":"CA00000000000000000000000000000001","account_sid":"AC00000000000000000000000000000001","status":"completed",
                "duration":"42","from":"+12025550100","to":"+12025550143","direction":"outbound-api",
                "start_time":"Tue, 03 Mar 2026 10:11:12 +0000","end_time":"Tue, 03 Mar 2026 10:12:07 +0000","price":"-0.1"{more}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// Break tried: fields out of a `HashMap`, whose order changes.
    #[test]
    fn a_record_becomes_the_form_that_a_callback_is() {
        let form = record("").to_form();
        assert_eq!(form, record(r#","unheard_of":1"#).to_form());
        let received_at = "2026-03-04T00:00:00Z".parse().unwrap();
        let event = parse_twilio(&form, received_at, [0; 32]).unwrap();
        assert_eq!(event.call_sid.as_deref(), Some("CA00000000000000000000000000000001"));
        assert_eq!(event.account_sid.as_deref(), Some("AC00000000000000000000000000000001"));
        assert_eq!((event.status.as_str(), event.facts.telephony_seconds), ("completed", Some(42)));
        assert_eq!(event.facts.direction, Some(Direction::Outbound));
        assert_eq!(event.facts.customer_number.as_deref(), Some("+12025550143"));
        assert_eq!(event.updated_at.unwrap().to_rfc3339(), "2026-03-03T10:12:07+00:00");
        assert_eq!(event.created_at.unwrap().to_rfc3339(), "2026-03-03T10:11:12+00:00");
        assert!(event.flags.is_empty(), "{:?}", event.flags);
    }

    #[test]
    fn the_next_page_is_of_the_same_list() {
        let first = Url::parse("https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json?PageSize=200").unwrap();
        let next = following(&first, "/2010-04-01/Accounts/AC1/Calls.json?Page=1&PageToken=PA1").unwrap();
        assert_eq!(next.as_str(), "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json?Page=1&PageToken=PA1");
        for foreign in [
            "https://example.com/2010-04-01/Accounts/AC1/Calls.json",
            "//example.com/2010-04-01/Accounts/AC1/Calls.json",
            "/2010-04-01/Accounts/AC2/Calls.json",
            "http://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json",
        ] {
            assert!(following(&first, foreign).is_err(), "{foreign}");
        }
    }
}
