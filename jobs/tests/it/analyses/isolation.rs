//! What one tenant's customers say never reaches another tenant's analysis.

use serde_json::json;
use tallyline_testkit::TestDb;
use tallyline_testkit::openai::{OpenAi, Request};
use uuid::Uuid;

use super::support::*;

/// Two tenants with the same numbers, the same execution ids and, what only chance would do,
/// the same ids of contacts.
async fn twins(db: &TestDb, servers: [&OpenAi; 2]) -> [Uuid; 2] {
    let mut users = Vec::new();
    for (server, secret) in servers.into_iter().zip(["alpha", "omega"]) {
        let user = tenant(db, "UTC").await;
        openai(db, user, server).await;
        sqlx::query("INSERT INTO contacts (user_id, id, name, phone_number, phone_e164) VALUES ($1, $2, 'Anonymous', '+12025550143', '+12025550143')")
            .bind(user)
            .bind(Uuid::from_u128(1))
            .execute(&db.admin)
            .await
            .unwrap();
        for (id, at) in
            [("call-1", "2026-03-03T10:00:00Z"), ("call-2", "2026-03-04T10:00:00Z"), ("call-3", "2026-03-05T10:00:00Z")]
        {
            let transcript = format!("assistant: Hello\nuser: my secret word is {secret}-{id}\n");
            let body = call_to(id, "+12025550143", at, json!({ "transcript": transcript }));
            deliver(db, user, "bolna", &body).await;
        }
        users.push(user);
    }
    process(db).await;
    [users[0], users[1]]
}

fn said(requests: &[Request]) -> String {
    requests.iter().map(|request| String::from_utf8(request.body.clone()).unwrap()).collect::<Vec<_>>().join("\n")
}

/// Defects 12 and 35 of the platform: earlier calls were looked up by number among all tenants.
///
/// Break tried: `c.user_id = $1` left out of `contact_calls.sql`.
#[tokio::test]
async fn defect_35_no_request_of_a_tenant_holds_a_word_of_anothers_customers() {
    let db = TestDb::new().await;
    let servers = [OpenAi::start(Some(API_KEY)).await, OpenAi::start(Some(API_KEY)).await];
    twins(&db, [&servers[0], &servers[1]]).await;
    settle(&db, &analyzer(&db)).await;
    for (server, own, foreign) in [(&servers[0], "alpha", "omega"), (&servers[1], "omega", "alpha")] {
        let requests = server.requests();
        let together: Vec<usize> =
            requests.iter().map(|r| r.asked()["calls"].as_array().unwrap().len()).filter(|calls| *calls > 1).collect();
        assert!(!together.is_empty() && together.iter().all(|calls| *calls <= 3), "{together:?}");
        assert_eq!(together.last(), Some(&3));
        let said = said(&requests);
        for call in ["call-1", "call-2", "call-3"] {
            assert!(said.contains(&format!("{own}-{call}")), "{own} {call}");
        }
        assert!(!said.contains(foreign), "{own} saw a word of {foreign}");
    }
    let complete = leads(&db, "complete").await;
    assert_eq!(complete.len(), 2);
    assert!(complete.iter().all(|lead| lead["previous_calls_analyzed"] == json!(2)), "{complete:?}");
}
