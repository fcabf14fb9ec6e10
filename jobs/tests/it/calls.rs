//! Every kind of call through the process that applies events, as its rows end up. What
//! breaks the fold itself is tried in the tests of the model.

mod details;
mod endings;
mod legs;
mod statuses;

use serde_json::{Value, json};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::support::*;

pub const EXECUTION: &str = "00000000-0000-4000-8000-000000000001";
pub const SID: &str = "CA00000000000000000000000000000001";
pub const LEG: &str = "CA000000000000000000000000000000f1";

const PICTURE: &str = include_str!("calls/picture.sql");

/// The call of an execution with its dials, legs, transcript and ledger entries.
pub async fn call(db: &TestDb, execution: &str) -> Value {
    sqlx::query_scalar(PICTURE).bind(execution).bind(None::<Uuid>).fetch_one(&db.admin).await.unwrap()
}

/// The members of `value` under `keys`, as a list.
pub fn these(value: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| value[*key].clone()).collect()
}

/// Delivers in the order given, all in one batch.
pub async fn apply(db: &TestDb, user: Uuid, events: &[(&str, Vec<u8>)]) {
    for (provider, body) in events {
        deliver(db, user, provider, body).await;
    }
    process(db).await;
}

/// Applies the same events for a tenant in the order given, for one backwards, in one
/// batch and one by one, and for one turned; the pictures must be equal.
pub async fn applied_in_any_order(events: &[(&str, Vec<u8>)]) -> Value {
    let count = events.len();
    let forwards: Vec<usize> = (0..count).collect();
    let backwards: Vec<usize> = (0..count).rev().collect();
    let mut turned = forwards.clone();
    turned.rotate_left(count / 2);
    let db = TestDb::new().await;
    let mut pictures: Vec<Value> = Vec::new();
    for (order, is_whole) in [(forwards, true), (backwards.clone(), true), (backwards, false), (turned, false)] {
        let user = tenant(&db, "UTC").await;
        for at in order {
            let (provider, body) = &events[at];
            deliver(&db, user, provider, body).await;
            if !is_whole {
                process(&db).await;
            }
        }
        process(&db).await;
        pictures.push(sqlx::query_scalar(PICTURE).bind(EXECUTION).bind(user).fetch_one(&db.admin).await.unwrap());
    }
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 4, "one of each tenant");
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending").await, 0);
    roll_up(&db).await;
    check_exact(&db).await;
    assert!(pictures.windows(2).all(|pair| pair[0] == pair[1]), "{pictures:#?}");
    pictures.remove(0)
}

/// A callback of the carrier about `sid`, `second` seconds after 10:12.
pub fn callback(sid: &str, status: &str, second: u32, more: &str) -> Vec<u8> {
    let (minute, second) = (12 + second / 60, second % 60);
    format!(
        "AccountSid=AC00000000000000000000000000000001&CallSid={sid}&CallStatus={status}&Direction=outbound-api\
         &From=%2B12025550100&To=%2B12025550143&Timestamp=Tue%2C+03+Mar+2026+10%3A{minute:02}%3A{second:02}+%2B0000{more}"
    )
    .into_bytes()
}

/// A callback about a leg of `parent`, from the agent's number to a person's.
pub fn child(sid: &str, parent: &str, status: &str, second: u32, more: &str) -> Vec<u8> {
    let text = String::from_utf8(callback(sid, status, second, more)).unwrap();
    let text = text.replace("%2B12025550143", "%2B12025550177").replace("outbound-api", "outbound-dial");
    format!("{text}&ParentCallSid={parent}").into_bytes()
}

/// What a record says of the transfer to a person.
pub fn transfer(more: Value) -> Value {
    let mut data = json!({
        "provider_call_id": LEG, "status": "completed", "duration": "95", "cost": 0.012, "to_number": "+12025550177",
        "from_number": "+12025550100", "recording_url": "https://api.bolna.ai/recordings/transfer/1",
        "hangup_by": "Callee", "hangup_reason": "Normal Hangup", "hangup_provider_code": 4000,
        "termination_reason": "transferred_party_hangup"
    });
    for (key, value) in more.as_object().unwrap() {
        data[key] = value.clone();
    }
    json!({ "transfer_call_data": data })
}
