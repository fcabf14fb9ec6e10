//! Twilio's REST API for calls as documented: `GET …/Calls.json` and `GET …/Calls/{sid}.json`.
//!
//! Basic authentication, pages by a token, records that lag behind what callbacks said.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::front::{Front, empty};

const MAX_PAGE_SIZE: usize = 1000;

struct Call {
    record: Value,
    /// Reads that still show the call as it was before its end.
    lags: usize,
}

impl Call {
    fn read(&mut self) -> Value {
        if self.lags == 0 {
            return self.record.clone();
        }
        self.lags -= 1;
        let mut earlier = self.record.clone();
        earlier["status"] = json!("in-progress");
        for later in ["duration", "end_time", "answered_by"] {
            earlier[later] = Value::Null;
        }
        earlier
    }

    fn started_at(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc2822(self.record["start_time"].as_str()?).ok().map(|at| at.to_utc())
    }
}

struct Account {
    sid: String,
    token: String,
    calls: BTreeMap<String, Call>,
}

type Shared = Arc<Mutex<Account>>;

/// A running Twilio with one account.
pub struct Twilio {
    /// Requests, faults, address.
    pub front: Front,
    account: Shared,
}

impl Twilio {
    /// Starts one with this account and token.
    pub async fn start(sid: &str, token: &str) -> Self {
        let account = Account { sid: sid.to_owned(), token: token.to_owned(), calls: BTreeMap::new() };
        let account = Shared::new(Mutex::new(account));
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls.json", get(list))
            .route("/2010-04-01/Accounts/{account}/Calls/{file}", get(one))
            .with_state(Arc::clone(&account));
        Self { front: Front::start(router).await, account }
    }

    /// Adds or replaces a call: the record as the API gives it, named by its `sid`.
    pub fn put(&self, record: Value) {
        self.put_lagging(record, 0);
    }

    /// The same; the first `reads` still show it in progress.
    pub fn put_lagging(&self, record: Value, reads: usize) {
        let sid = record["sid"].as_str().unwrap_or_default().to_owned();
        locked(&self.account).calls.insert(sid, Call { record, lags: reads });
    }

    /// CallSids that were asked for one by one, in order.
    pub fn fetched(&self) -> Vec<String> {
        let requests = self.front.requests().into_iter();
        requests.filter_map(|r| Some(r.path.rsplit_once("/Calls/")?.1.strip_suffix(".json")?.to_owned())).collect()
    }

    /// Requests to the list.
    pub fn listed(&self) -> usize {
        self.front.requests().iter().filter(|request| request.path.ends_with("/Calls.json")).count()
    }
}

/// As Twilio writes it: RFC 2822, whole seconds, UTC.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn locked(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(account: &Account, sid: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", account.sid, account.token)));
    if given != Some(expected.as_str()) {
        return Some(empty(StatusCode::UNAUTHORIZED));
    }
    (sid != account.sid).then(|| empty(StatusCode::NOT_FOUND))
}

async fn one(
    State(account): State<Shared>,
    Path((sid, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let mut account = locked(&account);
    if let Some(refusal) = refused(&account, &sid, &headers) {
        return refusal;
    }
    let call = file.strip_suffix(".json").and_then(|call| account.calls.get_mut(call));
    call.map_or_else(|| empty(StatusCode::NOT_FOUND), |call| Json(call.read()).into_response())
}

async fn list(
    State(account): State<Shared>,
    Path(sid): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    let mut account = locked(&account);
    if let Some(refusal) = refused(&account, &sid, &headers) {
        return refusal;
    }
    let since = query.get("StartTime>").map(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d"));
    let page_size = query
        .get("PageSize")
        .map_or(Some(50), |text| text.parse().ok())
        .filter(|size| (1..=MAX_PAGE_SIZE).contains(size));
    let (Ok(since), Some(page_size)) = (since.transpose(), page_size) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let mut inside: Vec<&mut Call> = account
        .calls
        .values_mut()
        .filter(|call| call.started_at().is_some_and(|at| since.is_none_or(|since| at.date_naive() >= since)))
        .collect();
    inside.sort_by_key(|call| std::cmp::Reverse(call.started_at()));
    // The token names the last call of the page before: new calls do not move what follows.
    let after = query.get("PageToken").and_then(|token| token.strip_prefix("PA"));
    let first = after.and_then(|sid| Some(inside.iter().position(|call| call.record["sid"] == sid)? + 1)).unwrap_or(0);
    let total = inside.len();
    let calls: Vec<Value> = inside.into_iter().skip(first).take(page_size).map(Call::read).collect();
    let next = calls.last().filter(|_| first + calls.len() < total).map(|last| {
        let since = query.get("StartTime>").map(|text| format!("&StartTime%3E={text}")).unwrap_or_default();
        let token = last["sid"].as_str().unwrap_or_default();
        format!("/2010-04-01/Accounts/{sid}/Calls.json?PageSize={page_size}{since}&Page=1&PageToken=PA{token}")
    });
    Json(json!({ "calls": calls, "next_page_uri": next, "page_size": page_size })).into_response()
}
