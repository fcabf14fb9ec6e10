//! `/api/v1` from outside: what each resource answers, to whom, and that the document says so.

mod accounts;
pub mod describes;
mod figures;
mod operators;
mod resources;

use axum::http::{Method, StatusCode};
use serde_json::Value;
use tallyline::accounts::{Role, api_tokens};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::web::{Answer, Browser, account};

/// A program that holds a token.
pub struct Program {
    pub browser: Browser,
    header: String,
}

impl Program {
    /// With a token of this account.
    pub async fn of(db: &TestDb, site: &axum::Router, user_id: Uuid, may_change: bool) -> Self {
        let mut connection = db.pool.acquire().await.unwrap();
        let (_, token) = api_tokens::create(&mut connection, user_id, "test", may_change, None).await.unwrap();
        Program { browser: Browser::new(site), header: format!("Bearer {token}") }
    }

    pub async fn send(&mut self, method: Method, uri: &str, body: Option<Value>) -> Answer {
        let mut headers = vec![("authorization", self.header.as_str())];
        headers.extend(body.is_some().then_some(("content-type", "application/json")));
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.browser.send(method, uri, &headers, body).await
    }

    pub async fn get(&mut self, uri: &str) -> Answer {
        self.send(Method::GET, uri, None).await
    }

    /// The JSON of an answer 200.
    pub async fn read(&mut self, uri: &str) -> Value {
        let answer = self.get(uri).await;
        assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.text);
        json(&answer)
    }

    pub async fn post(&mut self, uri: &str, body: Value) -> Answer {
        self.send(Method::POST, uri, Some(body)).await
    }
}

pub fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
}

/// An answer that is this problem.
#[track_caller]
pub fn assert_problem(answer: &Answer, status: StatusCode) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.text);
    let problem = json(answer);
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["title"], status.canonical_reason().unwrap());
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

/// An operator and their program, which may change things.
pub async fn operator(db: &TestDb, site: &axum::Router) -> (Uuid, Program) {
    let id = account(db, "operator@example.com", Role::Admin).await;
    (id, Program::of(db, site, id, true).await)
}
