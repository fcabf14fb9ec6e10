//! The dashboard as a browser meets it: by requests to its router.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use tallyline_testkit::TestDb;
use tower::ServiceExt;
use uuid::Uuid;

use crate::web::site;

mod trends;

const LOCAL: &str = "127.0.0.1:50000";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

async fn ask(router: &Router, peer: &str, host: &str, uri: &str) -> Answer {
    let mut request = Request::get(uri).header("host", host).body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), 4 << 20).await.unwrap();
    Answer { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
}

async fn get(db: &TestDb, uri: &str) -> Answer {
    ask(&site(db, false), LOCAL, "localhost:8080", uri).await
}

async fn page(db: &TestDb, tenant: Uuid) -> String {
    let answer = get(db, &format!("/?tenant={tenant}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.text
}

async fn tenant(db: &TestDb, name: &str, zone: &str) -> Uuid {
    sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(&db.admin).await.unwrap();
    sqlx::query_scalar("INSERT INTO users (email, name, timezone, currency, credits_micros) VALUES ($1, $2, $3, 'EUR', 7250000) RETURNING id")
        .bind(format!("{}@tenant.example", Uuid::new_v4()))
        .bind(name)
        .bind(zone)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

async fn agent(db: &TestDb, tenant: Uuid, name: &str) -> Uuid {
    sqlx::query_scalar("INSERT INTO agents (user_id, name, bolna_agent_id) VALUES ($1, $2, $2) RETURNING id")
        .bind(tenant)
        .bind(name)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

/// Figures of one local day, so many days ago; `answered` of `answered + 200` calls.
struct DayRow {
    days_ago: i32,
    answered: i32,
    cost_micros: i64,
}

/// Writes the day rows of the tenant and of the agent.
async fn insert_day(db: &TestDb, tenant: Uuid, agent: Uuid, row: &DayRow) {
    let inserted = sqlx::query(include_str!("insert_day.sql"))
        .bind(tenant)
        .bind(agent)
        .bind(row.days_ago)
        .bind(row.answered)
        .bind(row.cost_micros)
        .execute(&db.admin)
        .await
        .unwrap();
    assert_eq!(inserted.rows_affected(), 1);
}

/// Break: sum the previous period into the tiles.
#[tokio::test]
async fn the_page_shows_what_the_rows_hold() {
    let db = TestDb::new().await;
    let tenant = tenant(&db, "Meridian", "Asia/Kolkata").await;
    let agent = agent(&db, tenant, "Front desk").await;
    insert_day(&db, tenant, agent, &DayRow { days_ago: 0, answered: 1000, cost_micros: 12_345_678_901 }).await;
    insert_day(&db, tenant, agent, &DayRow { days_ago: 29, answered: 800, cost_micros: 1 }).await;
    insert_day(&db, tenant, agent, &DayRow { days_ago: 30, answered: 1000, cost_micros: 0 }).await;
    insert_day(&db, tenant, agent, &DayRow { days_ago: 60, answered: 5555, cost_micros: 0 }).await;

    let page = page(&db, tenant).await;
    for shown in [
        ">2,200<",            // calls: 1,200 today and 1,000 twenty-nine days ago
        "from 1,200<",        // calls of the thirtieth day ago; the sixtieth belongs to neither period
        "▲\u{a0}83.3\u{a0}%", // (2,200 − 1,200) / 1,200
        ">81.8 %<",           // 1,800 of 2,200 ended
        "▼\u{a0}1.5\u{a0}pp", // from 83.3 %
        ">12,345.678902 ",    // cost to the micro-unit
        "from 0.00<",
        ">7.25<", // balance
        "Front desk",
        "25.0 % of leads",
        "Asia/Kolkata",
        "UTC+05:30",
        "Complete until",
        "Nothing waits.",
    ] {
        assert!(page.contains(shown), "no {shown:?} in {page}");
    }
    assert!(!page.contains("5,555") && !page.contains("5,755"), "a day before both periods");
}

/// Break: leave out the days without calls.
#[tokio::test]
async fn defect_42_a_day_without_rows_is_a_zero_and_not_a_hole() {
    let db = TestDb::new().await;
    let tenant = tenant(&db, "Quiet", "America/New_York").await;
    let text = get(&db, &format!("/?tenant={tenant}&days=90")).await.text;
    let table = text.split("<summary>Figures per day").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(table.matches("<tr>").count(), 1 + 90, "a head and every day");
    assert!(text.contains("No calls in these days"));
    assert!(text.contains("No agent had a call in these days"));
    assert!(!text.contains("NaN") && !text.contains("null"));
    assert!(text.contains("<p class=\"value\">–</p>"), "0 of 0 is no answer rate");
}

/// Break: `PreEscaped(&page.tenant.name)` in the heading.
#[tokio::test]
async fn names_are_text_and_never_markup() {
    let db = TestDb::new().await;
    let evil = "<script>alert(1)</script>\"'&";
    let tenant = tenant(&db, evil, "UTC").await;
    let agent = agent(&db, tenant, "<img src=x onerror=alert(2)>").await;
    insert_day(&db, tenant, agent, &DayRow { days_ago: 1, answered: 1, cost_micros: 0 }).await;
    let page = page(&db, tenant).await;
    assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("&lt;img src=x"));
}

/// Break: drop the WHERE on the tenant and read by the pool instead of `tenant_tx`
/// (either alone is covered by the other).
#[tokio::test]
async fn another_tenants_figures_never_appear() {
    let db = TestDb::new().await;
    let mine = tenant(&db, "Mine", "UTC").await;
    let theirs = tenant(&db, "Theirs", "UTC").await;
    let (my_agent, their_agent) = (agent(&db, mine, "My agent").await, agent(&db, theirs, "Their agent").await);
    insert_day(&db, mine, my_agent, &DayRow { days_ago: 0, answered: 111, cost_micros: 0 }).await;
    insert_day(&db, theirs, their_agent, &DayRow { days_ago: 0, answered: 44_444, cost_micros: 777_777_000_000 }).await;
    let page = page(&db, mine).await;
    assert!(page.contains(">311<"), "my own calls");
    for foreign in ["44,4", "44,6", "44,9", "777,777", "Their agent"] {
        assert!(!page.contains(foreign), "{foreign} in {page}");
    }
}

/// Break: leave the inbox out of the oldest time.
#[tokio::test]
async fn what_waits_is_said_and_dated() {
    let db = TestDb::new().await;
    let tenant = tenant(&db, "Late", "UTC").await;
    let agent = agent(&db, tenant, "A").await;
    assert!(page(&db, tenant).await.contains("Nothing waits."));

    // A call marks its quarter of an hour by the trigger.
    sqlx::query("INSERT INTO calls (user_id, agent_id, started_at) VALUES ($1, $2, now())")
        .bind(tenant)
        .bind(agent)
        .execute(&db.admin)
        .await
        .unwrap();
    let marked = page(&db, tenant).await;
    assert!(marked.contains("These figures may miss 1 change not yet summed."), "{marked}");

    sqlx::query(include_str!("insert_events.sql")).bind(tenant).execute(&db.admin).await.unwrap();
    let waiting = page(&db, tenant).await;
    assert!(waiting.contains("2 waiting events not yet applied and 1 change not yet summed"), "{waiting}");
    assert!(waiting.contains("Lag 2 h 0 min"), "the oldest of both: {waiting}");
}

/// Break: take every known peer for a local one.
#[tokio::test]
async fn without_login_only_this_machine_reads_it() {
    let db = TestDb::new().await;
    let private = site(&db, false);
    assert_eq!(ask(&private, "192.0.2.9:4000", "localhost", "/").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&private, LOCAL, "rebound.example", "/").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&private, LOCAL, "127.0.0.1:8080", "/").await.status, StatusCode::OK);
    let public = site(&db, true);
    assert_eq!(ask(&public, "192.0.2.9:4000", "tally.example", "/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn wrong_addresses_have_pages_of_their_own() {
    let db = TestDb::new().await;
    let none = get(&db, "/").await;
    assert_eq!(none.status, StatusCode::OK);
    assert!(none.text.contains("No tenant yet"));
    let tenant = tenant(&db, "T", "UTC").await;
    assert_eq!(get(&db, &format!("/?tenant={}", Uuid::new_v4())).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&db, "/?tenant=1%20OR%201").await.status, StatusCode::NOT_FOUND);
    for days in ["0", "367", "-1", "x"] {
        assert_eq!(get(&db, &format!("/?tenant={tenant}&days={days}")).await.status, StatusCode::BAD_REQUEST, "{days}");
    }
    assert!(get(&db, "/").await.text.contains("<h1>T</h1>"), "the first tenant, when none is named");
}

/// Break: an inline `style=`.
#[tokio::test]
async fn the_page_loads_its_own_files_and_nothing_else() {
    let db = TestDb::new().await;
    let tenant = tenant(&db, "T", "UTC").await;
    let answer = get(&db, &format!("/?tenant={tenant}")).await;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    for inline in [" style=", "<style", " onclick=", "http://", "https://"] {
        assert!(!answer.text.contains(inline), "{inline}");
    }
    let style = answer.text.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(style.starts_with("/assets/style.css?"), "{style}");
    let sheet = get(&db, style).await;
    assert_eq!(sheet.headers["content-type"], "text/css; charset=utf-8");
    assert!(sheet.headers["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(!sheet.text.contains("@import") && !sheet.text.contains("url("));
}
