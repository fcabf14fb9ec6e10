//! Bolna's API as documented, quirks included: `GET /executions` and `GET /executions/{id}`.
//!
//! The list is trimmed, paged by offset over a sort that moves (what changed last comes
//! first), needs a window of at most 7 days, and answers 500 to a time that ends in `Z`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::front::{Front, empty};

const MAX_PAGE_SIZE: usize = 50;

/// Something that happens at Bolna while it is asked.
type Event = Box<dyn FnOnce(&mut Executions) + Send>;

/// The executions of one account.
#[derive(Default)]
pub struct Executions {
    records: BTreeMap<String, Value>,
    /// Lists call the length `conversation_time`, as older ones did.
    pub old_spelling: bool,
}

impl Executions {
    /// Adds or replaces an execution: the record as `GET /executions/{id}` gives it.
    pub fn put(&mut self, record: Value) {
        let id = record["id"].as_str().map_or_else(|| record["id"].to_string(), str::to_owned);
        self.records.insert(id, record);
    }

    /// Sets when an execution changed last: it goes to another page of the list.
    pub fn touch(&mut self, id: &str, updated_at: DateTime<Utc>) {
        if let Some(record) = self.records.get_mut(id) {
            record["updated_at"] = json!(stamp(updated_at));
        }
    }
}

#[derive(Default)]
struct Account {
    executions: Executions,
    key: String,
    /// What happens when a page of the list has been answered for the first time.
    after_page: HashMap<usize, Event>,
}

type Shared = Arc<Mutex<Account>>;

/// A running Bolna with one account.
pub struct Bolna {
    /// Requests, faults, address.
    pub front: Front,
    account: Shared,
}

impl Bolna {
    /// Starts one whose account has this API key.
    pub async fn start(key: &str) -> Self {
        let account = Shared::new(Mutex::new(Account { key: key.to_owned(), ..Account::default() }));
        let router = Router::new()
            .route("/executions", get(list))
            .route("/executions/{id}", get(one))
            .with_state(Arc::clone(&account));
        Self { front: Front::start(router).await, account }
    }

    /// Changes its executions.
    pub fn change<T>(&self, change: impl FnOnce(&mut Executions) -> T) -> T {
        change(&mut locked(&self.account).executions)
    }

    /// Lets something happen right after the list's page of this number was answered.
    pub fn after_page(&self, page_number: usize, event: impl FnOnce(&mut Executions) + Send + 'static) {
        locked(&self.account).after_page.insert(page_number, Box::new(event));
    }

    /// From now on only this key is accepted.
    pub fn change_key(&self, key: &str) {
        locked(&self.account).key = key.to_owned();
    }

    /// Ids that were asked for one by one, in order.
    pub fn fetched(&self) -> Vec<String> {
        let requests = self.front.requests().into_iter();
        requests.filter_map(|request| Some(request.path.strip_prefix("/executions/")?.to_owned())).collect()
    }

    /// Requests to the list.
    pub fn listed(&self) -> usize {
        self.front.requests().iter().filter(|request| request.path == "/executions").count()
    }
}

/// As Bolna writes it: microseconds, no zone.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn locked(account: &Mutex<Account>) -> std::sync::MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_allowed(account: &Account, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given == Some(format!("Bearer {}", account.key).as_str())
}

async fn one(State(account): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    let account = locked(&account);
    if !is_allowed(&account, &headers) {
        return empty(StatusCode::UNAUTHORIZED);
    }
    account
        .executions
        .records
        .get(&id)
        .map_or_else(|| empty(StatusCode::NOT_FOUND), |record| Json(record).into_response())
}

async fn list(
    State(account): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    let mut account = locked(&account);
    if !is_allowed(&account, &headers) {
        return empty(StatusCode::UNAUTHORIZED);
    }
    let asked = match Asked::read(&query) {
        Ok(asked) => asked,
        Err(status) => return empty(status),
    };
    let answer = Json(asked.page(&account.executions)).into_response();
    if let Some(event) = account.after_page.remove(&asked.page_number) {
        event(&mut account.executions);
    }
    answer
}

/// What a request to the list asks for.
struct Asked {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    page_number: usize,
    page_size: usize,
}

impl Asked {
    fn read(query: &HashMap<String, String>) -> Result<Self, StatusCode> {
        let text = |key: &str| query.get(key).map(String::as_str).ok_or(StatusCode::BAD_REQUEST);
        let (from, to) = (text("from")?, text("to")?);
        if from.ends_with('Z') || to.ends_with('Z') {
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let instant = |text: &str| DateTime::parse_from_rfc3339(text).map_err(|_| StatusCode::BAD_REQUEST);
        let (from, to) = (instant(from)?.to_utc(), instant(to)?.to_utc());
        let number = |key: &str, default: usize| query.get(key).map_or(Some(default), |text| text.parse().ok());
        let page_size = number("page_size", MAX_PAGE_SIZE).filter(|size| (1..=MAX_PAGE_SIZE).contains(size));
        let page_number = number("page_number", 1).filter(|number| *number > 0);
        let (Some(page_size), Some(page_number)) = (page_size, page_number) else {
            return Err(StatusCode::UNPROCESSABLE_ENTITY);
        };
        if to < from || to - from > TimeDelta::days(7) {
            return Err(StatusCode::UNPROCESSABLE_ENTITY);
        }
        Ok(Self { from, to, page_number, page_size })
    }

    fn page(&self, executions: &Executions) -> Value {
        let mut inside: Vec<&Value> = executions
            .records
            .values()
            .filter(|record| time(record, "created_at").is_some_and(|at| (self.from..=self.to).contains(&at)))
            .collect();
        inside.sort_by_key(|record| std::cmp::Reverse(time(record, "updated_at")));
        let skipped = (self.page_number - 1) * self.page_size;
        let data: Vec<Value> = inside
            .iter()
            .skip(skipped)
            .take(self.page_size)
            .map(|record| trimmed(record, executions.old_spelling))
            .collect();
        let has_more = skipped + data.len() < inside.len();
        json!({ "page_number": self.page_number, "page_size": self.page_size, "total": inside.len(), "has_more": has_more, "data": data })
    }
}

fn trimmed(record: &Value, old_spelling: bool) -> Value {
    let length = if old_spelling { "conversation_time" } else { "conversation_duration" };
    let telephony = &record["telephony_data"];
    json!({
        "id": record["id"], "status": record["status"], length: record["conversation_duration"], "created_at": record["created_at"],
        "telephony_data": { "to_number": telephony["to_number"], "from_number": telephony["from_number"] }
    })
}

fn time(record: &Value, field: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(record[field].as_str()?, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|at| at.and_utc())
}
