//! The OpenAPI document: current, complete, and true.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tallyline::accounts::Role;
use tallyline::api;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::{Program, assert_problem, operator};
use crate::schema::fixture;
use crate::web::{Browser, account, site};

/// Method, path and description of every route.
pub fn described() -> Vec<(Method, String, Value)> {
    let document = serde_json::to_value(api::document()).unwrap();
    let paths: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_value(document["paths"].clone()).unwrap();
    let of_path = |(path, methods): (String, BTreeMap<String, Value>)| {
        methods.into_iter().map(move |(method, about)| {
            (Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), path.clone(), about)
        })
    };
    paths.into_iter().flat_map(of_path).collect()
}

/// Break: change a summary without making the document anew.
#[test]
fn the_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let made = serde_json::to_string_pretty(&api::document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == made,
        "docs/openapi.json is out of date; make it anew with: UPDATE_DOCS=1 cargo test --test it the_document_is_current"
    );
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let db = TestDb::new().await;
    let answer = Browser::new(&site(&db, true)).get("/api/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    let served: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(served, serde_json::to_value(api::document()).unwrap());
    assert!(served["openapi"].as_str().unwrap().starts_with("3."));
}

/// The sources name no route that the document does not have: [`api::document`] is made while
/// routes are added, and they are added nowhere else.
#[test]
fn routes_are_added_where_they_are_described() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let most = match path.file_name().unwrap().to_str().unwrap() {
            "routes.rs" => 1,
            // The document itself, and what is not there.
            "mod.rs" => 2,
            _ => 0,
        };
        assert!(text.matches(".route(").count() <= most, "{}", path.display());
    }
}

/// Break tried: `may_read` not asked in `Tenant`; the stranger is answered 200.
#[tokio::test]
async fn every_route_answers_as_it_is_described() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let tenant = fixture::tenant(&db, "described").await;
    let stranger = account(&db, "stranger@example.com", Role::User).await;
    let (_, mut operator) = operator(&db, &site).await;
    let mut stranger = Program::of(&db, &site, stranger, true).await;
    let mut nobody = Browser::new(&site);
    for (method, path, about) in described() {
        let uri = path.replace("{id}", &tenant.user_id.to_string()).replace("{item}", &Uuid::new_v4().to_string());
        let body = about.get("requestBody").map(|_| json!({}));
        let is_public = about.get("security").is_none();
        let answer = nobody.send(method.clone(), &uri, &[("content-type", "application/json")], "{}".to_owned()).await;
        match is_public {
            true => assert_problem(&answer, StatusCode::BAD_REQUEST),
            false => assert_problem(&answer, StatusCode::UNAUTHORIZED),
        }
        let answers = [
            stranger.send(method.clone(), &uri, body.clone()).await,
            operator.send(method.clone(), &uri, body).await,
            operator.send(method.clone(), &format!("{uri}?no_such_parameter=1"), None).await,
        ];
        for answer in answers {
            let status = answer.status.as_u16().to_string();
            assert!(about["responses"].get(&status).is_some(), "{method} {path}: {status} {}", answer.text);
            if answer.status.is_client_error() {
                assert_problem(&answer, answer.status);
            }
        }
        if path.contains("{id}") {
            assert_problem(&stranger.send(method, &uri, None).await, StatusCode::NOT_FOUND);
        }
    }
}

#[tokio::test]
async fn what_the_router_itself_refuses_is_a_problem_too() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let user = account(&db, "a@example.com", Role::User).await;
    let mut program = Program::of(&db, &site, user, true).await;
    for unknown in ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/me", &format!("/api/v1/tenants/{user}/x")] {
        assert_problem(&program.get(unknown).await, StatusCode::NOT_FOUND);
    }
    let wrong = program.send(Method::PUT, "/api/v1/me", None).await;
    assert_eq!(wrong.headers["allow"], "GET,HEAD");
    assert_problem(&wrong, StatusCode::METHOD_NOT_ALLOWED);
    assert_problem(&program.get(&format!("/api/v1/tenants/{user}/calls?limit=x")).await, StatusCode::BAD_REQUEST);
    assert_problem(&program.get("/api/v1/tenants/%FF/calls").await, StatusCode::NOT_FOUND);
    let no_json = program.send(Method::POST, "/api/v1/api-tokens", None).await;
    assert_problem(&no_json, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let form = program.post("/api/v1/api-tokens", json!({ "name": 1 })).await;
    assert_problem(&form, StatusCode::BAD_REQUEST);
}
