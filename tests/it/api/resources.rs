//! What a tenant reads and changes of its own: lists in pages, one of each, follow-ups.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::{Program, assert_problem, json as body, operator};
use crate::schema::fixture;
use crate::verify::fixture::{calls, tenant};
use crate::web::site;

/// Walks a list to its end, `limit` lines a page; ids by this name.
async fn walk(program: &mut Program, uri: &str, limit: usize, id: &str) -> Vec<String> {
    let joined = if uri.contains('?') { '&' } else { '?' };
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = program.read(&format!("{uri}{joined}limit={limit}{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        ids.extend(items.iter().map(|item| item[id].to_string()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
        assert_eq!(items.len(), limit, "only the last page is short");
    }
}

/// Break tried: the cursor made of the first line of a page instead of its last.
#[tokio::test]
async fn lists_are_walked_without_gap_or_double() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "Europe/Berlin").await;
    calls(&db, user_id, "2026-03-08T00:00:00Z", 45).await;
    // Many at one instant.
    sqlx::query("UPDATE calls SET started_at = '2026-03-09 00:00Z' WHERE duration_seconds % 2 = 0")
        .execute(&db.admin)
        .await
        .unwrap();
    let mut program = Program::of(&db, &site(&db, true), user_id, false).await;
    let base = format!("/api/v1/tenants/{user_id}");
    for (path, id, count) in [
        ("/calls?from=2026-03-01&to=2026-03-31", "id", 45),
        ("/calls?from=2026-03-01&to=2026-03-31&direction=inbound", "id", 9),
        ("/contacts", "id", 7),
        ("/agents", "id", 2),
        // Charges of all but the first, and what the ledger opened with.
        ("/credits/ledger", "entry_no", 45),
    ] {
        for limit in [1, 4, 200] {
            let ids = walk(&mut program, &format!("{base}{path}"), limit, id).await;
            assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (count, count), "{path} by {limit}");
        }
    }
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "cursor=",
        "from=2026-03-02&to=2026-03-01",
        "from=2024-01-01&to=2026-01-01",
        "page=2",
        "outcome=%00",
    ] {
        assert_problem(&program.get(&format!("{base}/calls?{bad}")).await, StatusCode::BAD_REQUEST);
    }
    let page = program.read(&format!("{base}/contacts?limit=1")).await;
    let other = format!("{base}/agents?cursor={}", page["next"].as_str().unwrap());
    assert_problem(&program.get(&other).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn everything_has_its_details() {
    let db = TestDb::new().await;
    let t = fixture::tenant(&db, "detailed").await;
    let site = site(&db, true);
    let mut program = Program::of(&db, &site, t.user_id, false).await;
    let base = format!("/api/v1/tenants/{}", t.user_id);
    let shown = program.read(&base).await;
    assert_eq!((&shown["name"], &shown["timezone"]), (&"detailed".into(), &"UTC".into()));
    let call = program.read(&format!("{base}/calls/{}", t.call_id)).await;
    assert_eq!((&call["transcript"], &call["quality"]), (&"Hello".into(), &"hot".into()));
    assert_eq!(call["events"].as_array().unwrap().len(), 1);
    assert_eq!(call["dials"].as_array().unwrap().len(), 1);
    let leads = program.read(&format!("{base}/leads")).await;
    let contact = leads["items"][0]["contact_id"].as_str().unwrap().to_owned();
    assert_eq!(program.read(&format!("{base}/leads/{contact}")).await["contact_id"], contact);
    let shown = program.read(&format!("{base}/contacts/{contact}")).await;
    assert_eq!(shown["phone_e164"], "+15550100");
    let customer = shown["customer_id"].as_str().unwrap();
    let customer = program.read(&format!("{base}/customers/{customer}")).await;
    assert_eq!(customer["customer"]["contact_id"], contact);
    for unknown in ["calls", "contacts", "leads", "customers"] {
        for id in [Uuid::new_v4().to_string(), "1".to_owned()] {
            assert_problem(&program.get(&format!("{base}/{unknown}/{id}")).await, StatusCode::NOT_FOUND);
        }
    }
    // To others a number shows its end.
    let (_, mut operator) = operator(&db, &site).await;
    let masked = operator.read(&format!("{base}/contacts/{contact}")).await;
    assert_eq!((&masked["phone_e164"], &masked["phone_number"]), (&"…0100".into(), &"…0100".into()));
    for list in ["calls?from=2026-01-01&to=2026-01-31", "leads", "contacts", "follow-ups"] {
        let page = operator.get(&format!("{base}/{list}")).await;
        assert!(page.status.is_success() && !page.text.contains("5550100"), "{list}: {}", page.text);
    }
}

async fn follow_ups(program: &mut Program, base: &str, status: &str) -> Vec<Value> {
    let page = program.read(&format!("{base}/follow-ups?status={status}")).await;
    page["items"].as_array().unwrap().clone()
}

/// Break tried: `change` not asked; the reading token adds one.
#[tokio::test]
async fn follow_ups_are_added_completed_and_cancelled_once() {
    let db = TestDb::new().await;
    let (t, other) = (fixture::tenant(&db, "mine").await, fixture::tenant(&db, "theirs").await);
    let site = site(&db, true);
    let mut program = Program::of(&db, &site, t.user_id, true).await;
    let base = format!("/api/v1/tenants/{}", t.user_id);
    let uri = format!("{base}/follow-ups");
    let new = json!({ "follow_up_date": "2026-12-01", "lead_email": "x@example.com", "call_id": t.call_id });
    let made = program.post(&uri, new.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let id = body(&made)["id"].as_str().unwrap().to_owned();
    assert_eq!(follow_ups(&mut program, &base, "pending").await.len(), 2);
    for bad in [
        json!({ "follow_up_date": "2026-12-01" }),
        json!({ "follow_up_date": "soon", "lead_email": "x" }),
        json!({ "follow_up_date": "2026-12-01", "lead_email": "x", "call_id": other.call_id }),
        json!({ "follow_up_date": "2026-12-01", "lead_email": "x", "user_id": other.user_id }),
    ] {
        assert_problem(&program.post(&uri, bad).await, StatusCode::BAD_REQUEST);
    }
    let mut reader = Program::of(&db, &site, t.user_id, false).await;
    assert_problem(&reader.post(&uri, new.clone()).await, StatusCode::FORBIDDEN);
    let complete = format!("{uri}/{id}/complete");
    assert_problem(&reader.post(&complete, json!({})).await, StatusCode::FORBIDDEN);
    assert_eq!(program.post(&complete, json!({})).await.status, StatusCode::NO_CONTENT);
    assert_problem(&program.post(&complete, json!({})).await, StatusCode::CONFLICT);
    assert_problem(&program.post(&format!("{uri}/{id}/cancel"), json!({})).await, StatusCode::CONFLICT);
    assert_problem(&program.post(&format!("{uri}/{}/cancel", Uuid::new_v4()), json!({})).await, StatusCode::NOT_FOUND);
    let done = follow_ups(&mut program, &base, "completed").await;
    assert_eq!((done.len(), &done[0]["id"]), (1, &id.as_str().into()));
    let trail: Vec<String> = fixture::texts(
        &db.admin,
        "SELECT action || ' ' || (admin_user_id = target_user_id) FROM admin_audit_log ORDER BY created_at",
    )
    .await;
    assert_eq!(trail, ["follow_up.add true", "follow_up.complete true"]);
}

#[tokio::test]
async fn operators_list_tenants_and_others_do_not() {
    let db = TestDb::new().await;
    for name in ["b", "a", "c"] {
        fixture::tenant(&db, name).await;
    }
    sqlx::query("UPDATE users SET name = 'C' WHERE name = 'c'").execute(&db.admin).await.unwrap();
    let site = site(&db, true);
    let (_, mut operator) = operator(&db, &site).await;
    for limit in [1, 2, 200] {
        let names = walk(&mut operator, "/api/v1/tenants", limit, "name").await;
        assert_eq!(names, ["\"a\"", "\"b\"", "\"C\""]);
    }
    let user = fixture::tenant(&db, "d").await;
    let mut user = Program::of(&db, &site, user.user_id, true).await;
    assert_problem(&user.get("/api/v1/tenants").await, StatusCode::NOT_FOUND);
}
