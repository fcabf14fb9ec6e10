//! Signing in by the API, sessions, tokens.

use axum::http::{Method, StatusCode};
use serde_json::json;
use tallyline::accounts::Role;
use tallyline_testkit::TestDb;

use super::{Program, assert_problem, json};
use crate::web::{Answer, Browser, PASSWORD, account, site};

async fn post(browser: &mut Browser, uri: &str, body: serde_json::Value) -> Answer {
    browser.send(Method::POST, uri, &[("content-type", "application/json")], body.to_string()).await
}

async fn with(browser: &mut Browser, method: Method, uri: &str, token: &str) -> Answer {
    browser.send(method, uri, &[("authorization", &format!("Bearer {token}"))], String::new()).await
}

#[tokio::test]
async fn a_program_signs_in_goes_on_and_signs_out() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let user = account(&db, "a@example.com", Role::User).await;
    let mut program = Browser::new(&site);
    let wrong = post(&mut program, "/api/v1/sessions", json!({ "email": "a@example.com", "password": "no" })).await;
    assert_problem(&wrong, StatusCode::UNAUTHORIZED);
    let opened =
        post(&mut program, "/api/v1/sessions", json!({ "email": "a@example.com", "password": PASSWORD })).await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text);
    assert!(!opened.headers.contains_key("set-cookie") && program.cookies.is_empty());
    let first = json(&opened);
    let token = first["token"].as_str().unwrap();
    let me = json(&with(&mut program, Method::GET, "/api/v1/me", token).await);
    assert_eq!(me["account"]["id"], user.to_string());
    assert_eq!((&me["via"], &me["may_change"]), (&"session".into(), &true.into()));
    assert_eq!(me["tenants"][0]["id"], user.to_string());

    let refresh = json!({ "refresh_token": first["refresh_token"] });
    let second = json(&post(&mut program, "/api/v1/sessions/refresh", refresh.clone()).await);
    let token = second["token"].as_str().unwrap();
    // At the same moment it is a twin, later a stolen one.
    assert_problem(&post(&mut program, "/api/v1/sessions/refresh", refresh).await, StatusCode::CONFLICT);
    let nonsense = json!({ "refresh_token": "tlr_x" });
    assert_problem(&post(&mut program, "/api/v1/sessions/refresh", nonsense).await, StatusCode::UNAUTHORIZED);
    let sessions = json(&with(&mut program, Method::GET, "/api/v1/sessions", token).await);
    assert_eq!(sessions["sessions"][0]["is_current"], true);
    let gone = with(&mut program, Method::DELETE, "/api/v1/sessions/current", token).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_problem(&with(&mut program, Method::GET, "/api/v1/me", token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_guesses_is_told_when_to_come_back() {
    let db = TestDb::new().await;
    let mut program = Browser::new(&site(&db, true));
    let guess = json!({ "email": "a@example.com", "password": "guess" });
    for _ in 0..5 {
        assert_problem(&post(&mut program, "/api/v1/sessions", guess.clone()).await, StatusCode::UNAUTHORIZED);
    }
    let locked = post(&mut program, "/api/v1/sessions", guess).await;
    assert_problem(&locked, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(locked.headers["retry-after"], "1800");
}

/// Break tried: `may_change` not asked in `create`; the reading token makes itself one that changes.
#[tokio::test]
async fn tokens_are_made_listed_revoked_and_a_reading_one_makes_none() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let user = account(&db, "a@example.com", Role::User).await;
    let mut program = Program::of(&db, &site, user, true).await;
    let made = program.post("/api/v1/api-tokens", json!({ "name": "reports", "days": 30 })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = json(&made);
    let reading = made["token"].as_str().unwrap().to_owned();
    let listed = program.read("/api/v1/api-tokens").await;
    let listed = listed["api_tokens"].as_array().unwrap();
    let line = listed.iter().find(|line| line["id"] == made["id"]).unwrap();
    assert_eq!((&line["name"], &line["may_change"]), (&"reports".into(), &false.into()));
    assert!(!line.to_string().contains(&reading[20..]));

    let headers = [("authorization", format!("Bearer {reading}")), ("content-type", "application/json".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let more = json!({ "name": "more", "may_change": true }).to_string();
    let mut reader = Browser::new(&site);
    assert_eq!(reader.send(Method::GET, "/api/v1/me", &headers, String::new()).await.status, StatusCode::OK);
    assert_problem(&reader.send(Method::POST, "/api/v1/api-tokens", &headers, more).await, StatusCode::FORBIDDEN);

    for bad in [json!({ "name": "" }), json!({ "name": "x", "days": 0 }), json!({ "name": "x".repeat(101) })] {
        assert_problem(&program.post("/api/v1/api-tokens", bad).await, StatusCode::BAD_REQUEST);
    }
    let uri = format!("/api/v1/api-tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(program.send(Method::DELETE, &uri, None).await.status, StatusCode::NO_CONTENT);
    assert_problem(&program.send(Method::DELETE, &uri, None).await, StatusCode::NOT_FOUND);
    let over = reader.send(Method::GET, "/api/v1/me", &headers, String::new()).await;
    assert_problem(&over, StatusCode::UNAUTHORIZED);
    let trail: Vec<String> =
        sqlx::query_scalar("SELECT action || ' ' || host(ip_address) FROM admin_audit_log ORDER BY created_at")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(trail, ["api_token.create 127.0.0.1", "api_token.revoke 127.0.0.1"]);
}
