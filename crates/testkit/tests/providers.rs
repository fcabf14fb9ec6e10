//! The simulated providers answer as documented, quirks included.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tallyline_testkit::bolna::{self, Bolna};
use tallyline_testkit::front::Fault;
use tallyline_testkit::twilio::{self, Twilio};

const KEY: &str = "key";
const ACCOUNT: &str = "AC00000000000000000000000000000001";

fn noon() -> DateTime<Utc> {
    "2026-03-03T12:00:00Z".parse().unwrap()
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

async fn json_of(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

async fn with_executions(count: i64) -> (Bolna, impl Fn(&str) -> RequestBuilder) {
    let bolna = Bolna::start(KEY).await;
    bolna.change(|all| {
        for n in 0..count {
            let at = bolna::stamp(noon() - TimeDelta::minutes(n));
            all.put(json!({ "id": format!("execution-{n:03}"), "status": "completed", "conversation_duration": 1.5, "transcript": "hello",
                "created_at": at, "updated_at": at, "telephony_data": { "to_number": "1", "from_number": "2", "duration": "3" } }));
        }
    });
    let (http, base_url) = (Client::new(), bolna.front.base_url.clone());
    (bolna, move |rest: &str| http.get(format!("{base_url}/executions{rest}")).bearer_auth(KEY))
}

const DAY: &str = "?from=2026-03-03T00:00:00%2B00:00&to=2026-03-03T23:59:59%2B00:00";

#[tokio::test]
async fn bolnas_list_wants_a_key_and_a_window_of_its_kind() {
    let (bolna, get) = with_executions(1).await;
    assert_eq!(status(Client::new().get(format!("{}/executions{DAY}", bolna.front.base_url))).await, 401);
    for (query, expected) in [
        (DAY, 200),
        ("?from=2026-03-03T00:00:00%2B00:00", 400),
        ("?from=2026-03-03T00:00:00Z&to=2026-03-03T23:59:59%2B00:00", 500),
        ("?from=2026-03-01T00:00:00%2B00:00&to=2026-03-08T00:00:00%2B00:00", 200),
        ("?from=2026-03-01T00:00:00%2B00:00&to=2026-03-08T00:00:01%2B00:00", 422),
        ("?from=2026-03-03T00:00:00%2B00:00&to=2026-03-03T23:59:59%2B00:00&page_size=51", 422),
        ("/execution-000", 200),
        ("/execution-404", 404),
    ] {
        assert_eq!(status(get(query)).await, expected, "{query}");
    }
}

#[tokio::test]
async fn bolnas_list_is_trimmed_paged_and_moves() {
    let (bolna, get) = with_executions(120).await;
    let page = |number: usize| get(&format!("{DAY}&page_number={number}&page_size=50"));
    let first = json_of(page(1)).await;
    assert_eq!((first["data"].as_array().unwrap().len(), first["has_more"].as_bool()), (50, Some(true)));
    assert_eq!(first["data"][0]["id"], "execution-000");
    assert_eq!(first["data"][0]["conversation_duration"], 1.5);
    assert_eq!(first["data"][0]["transcript"], Value::Null);
    let last = json_of(page(3)).await;
    assert_eq!((last["data"].as_array().unwrap().len(), last["has_more"].as_bool()), (20, Some(false)));
    assert_eq!(json_of(get("/execution-000")).await["transcript"], "hello");

    // What is read for the first time makes something happen, once.
    bolna.after_page(2, |all| {
        all.old_spelling = true;
        all.touch("execution-119", noon() + TimeDelta::hours(1));
    });
    json_of(page(2)).await;
    let moved = json_of(page(1)).await;
    assert_eq!(moved["data"][0]["id"], "execution-119");
    assert_eq!(moved["data"][0]["conversation_time"], 1.5);
}

#[tokio::test]
async fn faults_come_when_they_are_asked_for() {
    let (bolna, get) = with_executions(1).await;
    bolna.front.next(Fault::TooMany(Some(7)));
    let refused = get(DAY).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    bolna.front.matching(|path, _| path.ends_with("000"), Fault::Status(503));
    assert_eq!((status(get(DAY)).await, status(get("/execution-000")).await), (200, 503));
    bolna.front.limit_per_minute(2);
    let answers = [status(get(DAY)).await, status(get(DAY)).await, status(get(DAY)).await];
    assert_eq!(answers, [200, 200, 429]);
    let recorded: Vec<u16> = bolna.front.requests().iter().map(|request| request.status).collect();
    assert_eq!(recorded, [429, 200, 503, 200, 200, 429]);
}

#[tokio::test]
async fn twilio_pages_by_token_and_lags() {
    let twilio = Twilio::start(ACCOUNT, KEY).await;
    let record = |n: i64| {
        json!({ "sid": format!("CA{n:032x}"), "account_sid": ACCOUNT, "status": "completed", "duration": "42",
            "start_time": twilio::stamp(noon() - TimeDelta::hours(n)), "end_time": twilio::stamp(noon()) })
    };
    (0..5).for_each(|n| twilio.put(record(n)));
    let http = Client::new();
    let get = |path: &str| http.get(format!("{}{path}", twilio.front.base_url)).basic_auth(ACCOUNT, Some(KEY));
    let list = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json?StartTime%3E=2026-03-03&PageSize=2");
    let (mut next, mut sids) = (Some(list.clone()), Vec::new());
    while let Some(path) = next {
        let page = json_of(get(&path)).await;
        sids.extend(page["calls"].as_array().unwrap().iter().map(|call| call["sid"].as_str().unwrap().to_owned()));
        next = page["next_page_uri"].as_str().map(str::to_owned);
        // What comes in meanwhile moves nothing.
        twilio.put(record(-1));
    }
    assert_eq!(sids, (0..5).map(|n| format!("CA{n:032x}")).collect::<Vec<_>>());
    assert_eq!(json_of(get(&list.replace("03-03", "03-04"))).await["calls"], json!([]));

    twilio.put_lagging(record(9), 1);
    let one = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/CA{:032x}.json", 9);
    let (before, after) = (json_of(get(&one)).await, json_of(get(&one)).await);
    assert_eq!((&before["status"], &before["duration"]), (&json!("in-progress"), &Value::Null));
    assert_eq!((&after["status"], &after["duration"]), (&json!("completed"), &json!("42")));

    assert_eq!(status(get(&one.replace("9.json", "8.json"))).await, 404);
    let wrong = http.get(format!("{}{one}", twilio.front.base_url)).basic_auth(ACCOUNT, Some("other"));
    assert_eq!(status(wrong).await, 401);
}
