//! The pages of a tenant: what they show, where their figures lead, whose they are.

mod files;

use axum::Router;
use axum::http::StatusCode;
use serde_json::json;
use tallyline::accounts::Role;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::verify::fixture::{calls, roll_up_all, run, tenant};
use crate::web::{Answer, Browser, PASSWORD, account, site};

const MARCH: &str = "from=2026-03-01&to=2026-03-31";
const EVIL: &str = "<script>alert(1)</script>";

/// Everything that a filter may ask for alone, with the calls that it takes.
const FILTERS: [(&str, &str); 24] = [
    ("", "true"),
    ("outcome=answered", "outcome = 'answered'"),
    ("outcome=voicemail", "outcome = 'voicemail'"),
    ("outcome=no_answer", "outcome = 'no_answer'"),
    ("outcome=busy", "outcome = 'busy'"),
    ("outcome=failed", "outcome = 'failed'"),
    ("outcome=cancelled", "outcome = 'cancelled'"),
    ("outcome=in_progress", "outcome = 'in_progress'"),
    ("direction=inbound", "lead_type = 'inbound'"),
    ("direction=outbound", "lead_type = 'outbound'"),
    ("source=phone", "call_source = 'phone'"),
    ("source=internet", "call_source = 'internet'"),
    ("source=unknown", "call_source = 'unknown'"),
    ("min_s=31", "duration_seconds > 30"),
    ("min_s=1&max_s=10", "duration_seconds BETWEEN 1 AND 9"),
    ("min_s=0&max_s=60", "duration_seconds BETWEEN 1 AND 59"),
    ("min_s=300&max_s=600", "duration_seconds BETWEEN 300 AND 599"),
    ("lead=any", "lead IS NOT NULL"),
    ("lead=qualified", "quality IN ('hot', 'warm')"),
    ("lead=hot", "quality = 'hot'"),
    ("lead=unqualified", "quality = 'unqualified'"),
    ("weekday=1&hour=9", "day = 1 AND hour = 9"),
    ("weekday=7", "day = 7"),
    // No roll-up has these two together; they are counted.
    ("outcome=answered&direction=inbound", "outcome = 'answered' AND lead_type = 'inbound'"),
];

/// Calls before, among and after those of [`march`].
const ADDED: &str = "INSERT INTO calls (user_id, agent_id, started_at)
    SELECT a.user_id, a.id, t FROM agents a, generate_series('2026-03-07'::timestamptz, '2026-03-14', '5 hours') t WHERE a.user_id = $1";

async fn get(browser: &mut Browser, uri: &str) -> String {
    let Answer { status, text, .. } = browser.get(uri).await;
    assert_eq!(status, StatusCode::OK, "{uri}: {text}");
    assert!(uri.contains("format=csv") || text.contains("Complete until"), "no freshness on {uri}");
    text
}

/// The text between two others.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap_or_else(|| panic!("no {from:?} in {text}")).1.split(to).next().unwrap()
}

/// The number that the header of a list of calls says.
fn header(page: &str) -> i64 {
    between(page, "<p class=\"counted\"><strong>", "</strong>").replace(',', "").parse().unwrap()
}

/// The ids of all rows of a list, page after page.
async fn walk(browser: &mut Browser, first: &str, path: &str) -> Vec<Uuid> {
    let mut uri = first.to_owned();
    let mut ids = Vec::new();
    for _ in 0..100 {
        let page = get(browser, &uri).await;
        ids.extend(ids_of(&page, path));
        match page.split_once("rel=\"next\" href=\"") {
            Some((_, rest)) => uri = rest.split('"').next().unwrap().replace("&amp;", "&"),
            None => return ids,
        }
    }
    panic!("a list without an end: {first}");
}

fn ids_of(page: &str, path: &str) -> Vec<Uuid> {
    let link = format!("<th scope=\"row\"><a href=\"{path}/");
    let name = format!("<th scope=\"row\"><a class=\"name\" href=\"{path}/");
    let rows = page.split(&link).skip(1).chain(page.split(&name).skip(1));
    rows.map(|rest| rest.split(['"', '?']).next().unwrap().parse().unwrap()).collect()
}

async fn one<T>(db: &TestDb, sql: &'static str, user_id: Uuid) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(sql).bind(user_id).fetch_one(&db.admin).await.unwrap()
}

/// A tenant in Kolkata with 400 calls of every kind in March, rolled up.
async fn march(db: &TestDb) -> (Uuid, Browser, Router) {
    let user_id = tenant(db, "Asia/Kolkata").await;
    calls(db, user_id, "2026-03-08T00:00:00Z", 400).await;
    roll_up_all(&db.pool).await;
    let router = site(db, false);
    (user_id, Browser::new(&router), router)
}

/// The calls that a condition of [`FILTERS`] takes, by the calls themselves.
async fn expected(db: &TestDb, user_id: Uuid, condition: &str, agent: Option<Uuid>) -> i64 {
    let mut query = sqlx::QueryBuilder::<sqlx::Postgres>::new(
        "SELECT count(*) FROM (SELECT c.*, l.id AS lead, l.quality,
             extract(isodow FROM c.started_at AT TIME ZONE 'Asia/Kolkata') AS day,
             extract(hour FROM c.started_at AT TIME ZONE 'Asia/Kolkata') AS hour
         FROM calls c LEFT JOIN lead_analytics l ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
         ) c WHERE user_id = ",
    );
    query.push_bind(user_id).push(" AND (").push(condition).push(")");
    if let Some(agent) = agent {
        query.push(" AND agent_id = ").push_bind(agent);
    }
    query.build_query_scalar().fetch_one(&db.admin).await.unwrap()
}

/// Break tried: the list without its condition on the outcome.
#[tokio::test]
async fn every_figure_leads_to_as_many_calls_as_it_counts() {
    let db = TestDb::new().await;
    let (user_id, mut browser, _) = march(&db).await;
    let agents: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM agents WHERE user_id = $1 ORDER BY name")
        .bind(user_id)
        .fetch_all(&db.admin)
        .await
        .unwrap();
    let path = format!("/tenants/{user_id}/calls");
    for (filter, condition) in FILTERS {
        for agent in [None, Some(agents[0]), Some(agents[1])] {
            let of_agent = agent.map(|id| format!("&agent={id}")).unwrap_or_default();
            let uri = format!("{path}?{MARCH}&{filter}{of_agent}");
            let figure = header(&get(&mut browser, &uri).await);
            let mut listed = walk(&mut browser, &uri, &path).await;
            let total = listed.len();
            listed.sort();
            listed.dedup();
            assert_eq!(listed.len(), total, "{uri}: a call twice");
            let truth = expected(&db, user_id, condition, agent).await;
            assert_eq!((figure, total as i64), (truth, truth), "{uri}");
        }
    }
}

/// Break tried: a cursor of the time alone; calls of the instant at which a page ends are left out.
#[tokio::test]
async fn paging_walks_over_each_call_once_while_calls_are_added() {
    let db = TestDb::new().await;
    let (user_id, mut browser, _) = march(&db).await;
    // Three calls an instant: pages end between them.
    run(
        &db,
        "UPDATE calls SET started_at = date_bin('33 min', started_at, '2026-03-08 00:00Z') WHERE user_id = $1",
        user_id,
    )
    .await;
    let known: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM calls WHERE user_id = $1 ORDER BY id")
        .bind(user_id)
        .fetch_all(&db.admin)
        .await
        .unwrap();
    let path = format!("/tenants/{user_id}/calls");
    let mut uri = format!("{path}?{MARCH}");
    let mut seen = Vec::new();
    loop {
        let page = get(&mut browser, &uri).await;
        seen.extend(ids_of(&page, &path));
        run(&db, ADDED, user_id).await;
        match page.split_once("rel=\"next\" href=\"") {
            Some((_, rest)) => uri = rest.split('"').next().unwrap().replace("&amp;", "&"),
            None => break,
        }
    }
    seen.retain(|id| known.contains(id));
    seen.sort();
    assert_eq!(seen, known);
}

/// Break tried: `may_read` left out where the pages are opened.
#[tokio::test]
async fn what_belongs_to_another_tenant_is_not_there() {
    let db = TestDb::new().await;
    let (theirs, _, _) = march(&db).await;
    let mine = account(&db, "mine@example.com", Role::User).await;
    run(
        &db,
        "INSERT INTO follow_ups (user_id, lead_phone, follow_up_date) VALUES ($1, '+15550100', '2026-03-01')",
        theirs,
    )
    .await;
    let call: Uuid = one(&db, "SELECT id FROM calls WHERE user_id = $1 LIMIT 1", theirs).await;
    let agent: Uuid = one(&db, "SELECT id FROM agents WHERE user_id = $1 LIMIT 1", theirs).await;
    let contact: Uuid = one(&db, "SELECT id FROM contacts WHERE user_id = $1 LIMIT 1", theirs).await;
    let follow_up: Uuid = one(&db, "SELECT id FROM follow_ups WHERE user_id = $1", theirs).await;
    let mut browser = Browser::new(&site(&db, true));
    browser.sign_in("mine@example.com", PASSWORD).await;
    let unknown = browser.get(&format!("/tenants/{}/calls", Uuid::new_v4())).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let ids = [("calls", call), ("agents", agent), ("leads", contact)];
    let mut uris: Vec<String> = [
        "calls",
        "agents",
        "leads",
        "customers",
        "follow-ups",
        "credits",
        "calls?format=csv",
        "credits?format=parquet",
    ]
    .map(|page| format!("/tenants/{theirs}/{page}"))
    .into();
    uris.extend(ids.map(|(page, id)| format!("/tenants/{theirs}/{page}/{id}")));
    uris.extend(ids.map(|(page, id)| format!("/tenants/{mine}/{page}/{id}")));
    uris.extend(ids.map(|(page, _)| format!("/tenants/{mine}/{page}/{}", Uuid::new_v4())));
    for uri in uris {
        let answer = browser.get(&uri).await;
        assert_eq!((answer.status, &answer.text), (StatusCode::NOT_FOUND, &unknown.text), "{uri}");
    }
    for tenant in [theirs, mine] {
        let uri = format!("/tenants/{tenant}/follow-ups/{follow_up}");
        assert_eq!(browser.post(&uri, &[("change", "complete")]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(
        one::<String>(&db, "SELECT follow_up_status FROM follow_ups WHERE user_id = $1", theirs).await,
        "pending"
    );
    let list = browser.get(&format!("/tenants/{mine}/calls?{MARCH}&agent={agent}")).await;
    assert_eq!((list.status, header(&list.text)), (StatusCode::OK, 0));
}

/// Break tried: the transcript as `PreEscaped`.
#[tokio::test]
async fn a_call_shows_all_that_came_of_it_as_text() {
    let db = TestDb::new().await;
    let (user_id, mut browser, _) = march(&db).await;
    let call: Uuid = one(&db, "SELECT id FROM calls WHERE user_id = $1 AND outcome = 'answered' AND credits_micros > 0 ORDER BY started_at LIMIT 1", user_id).await;
    let event = |status: &str, at: &str, received: &str| {
        json!({ "provider": "bolna", "body_sha256": "00".repeat(32), "received_at": received, "attempt": 0, "status": status,
                "updated_at": at, "facts": { "cost_legs": { "llm": 1_250_000 } } })
    };
    let events = [
        event("ringing", "2026-03-08T00:00:05Z", "2026-03-08T00:00:06Z"),
        event("completed", "2026-03-08T00:01:00Z", "2026-03-08T00:01:01Z"),
        event("in-progress", "2026-03-08T00:00:30Z", "2026-03-08T00:01:02Z"),
        event("completed", "2026-03-08T00:01:00Z", "2026-03-08T00:01:03Z"),
    ];
    sqlx::query(include_str!("pages_tenant/insert_call_parts.sql"))
        .bind(user_id)
        .bind(call)
        .bind(json!(events))
        .bind(EVIL)
        .execute(&db.admin)
        .await
        .unwrap();
    let page = get(&mut browser, &format!("/tenants/{user_id}/calls/{call}")).await;
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(
        page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count() >= 3,
        "agent, contact and transcript: {page}"
    );
    let listed = between(&page, "aria-label=\"Events\"", "</table>");
    assert_eq!(listed.matches("<tr>").count(), 1 + 4, "a head and every event");
    assert_eq!((listed.matches(">late<").count(), listed.matches(">repeat<").count()), (1, 1), "{listed}");
    for shown in [">llm<", ">1.25<", "dial 0", "CA-of-the-test", "bad_json", "exec-of-the-test", "Answered", "…0199"]
    {
        assert!(page.contains(shown), "no {shown:?} in {page}");
    }
    assert!(!page.contains("+15550199"), "the number is for its own tenant only");
    assert!(between(&page, "aria-label=\"Charges\"", "</table>").contains("<td>usage</td>"), "{page}");
    for list in ["calls", "agents", "leads"] {
        let text = get(&mut browser, &format!("/tenants/{user_id}/{list}?{MARCH}")).await;
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>alert"), "{list}");
    }
}

/// Break tried: the apostrophe left out.
/// Break: the dates left out; the page is of the last thirty days.
#[tokio::test]
async fn the_page_of_an_agent_is_of_the_days_that_are_asked_for() {
    let db = TestDb::new().await;
    let (user_id, mut browser, _) = march(&db).await;
    let agent: Uuid = one(&db, "SELECT id FROM agents WHERE user_id = $1 AND name = 'A0'", user_id).await;
    let of_day = "SELECT count(*) FROM calls WHERE user_id = $1 AND (started_at AT TIME ZONE 'Asia/Kolkata')::date = '2026-03-09'
                  AND agent_id = (SELECT id FROM agents WHERE user_id = $1 AND name = 'A0')";
    let count: i64 = one(&db, of_day, user_id).await;
    let uri = format!("/tenants/{user_id}/agents/{agent}?from=2026-03-09&to=2026-03-09");
    let page = get(&mut browser, &uri).await;
    assert!(count > 0 && page.contains(&format!(">{count}<")), "{count}: {page}");
    assert!(page.contains("Mon 9 Mar 2026 by hour") && !page.contains("so far"), "{page}");
    assert!(page.contains("Changes are against 8 Mar to 8 Mar 2026"), "{page}");
    assert!(page.contains(&format!("/calls?from=2026-03-09&amp;to=2026-03-09&amp;agent={agent}")), "{page}");
    let before = browser.get(&uri.replace("2026-03-09", "1999-03-09")).await;
    assert_eq!(before.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn files_hold_every_row_and_no_formula() {
    let db = TestDb::new().await;
    let (user_id, mut browser, _) = march(&db).await;
    run(&db, "UPDATE agents SET name = '=HYPERLINK(\"http://x\",\"y\")' WHERE user_id = $1 AND name = 'A0'", user_id)
        .await;
    run(
        &db,
        "UPDATE contacts SET name = '@SUM(1)', last_contact_at = now() WHERE user_id = $1 AND name = 'C0'",
        user_id,
    )
    .await;
    let answer = browser.get(&format!("/tenants/{user_id}/calls?{MARCH}&format=csv")).await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = answer.text.lines().collect();
    assert_eq!(lines.len(), 1 + 400);
    assert!(lines[0].starts_with("id,started_at,agent_id,agent,"));
    assert!(answer.text.contains(",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\","), "{}", lines[1]);
    let narrow = browser.get(&format!("/tenants/{user_id}/calls?{MARCH}&outcome=busy&format=csv")).await.text;
    assert_eq!(narrow.lines().count() as i64, 1 + expected(&db, user_id, "outcome = 'busy'", None).await);
    for (page, row) in [
        ("agents", "'=HYPERLINK"),
        ("leads", "'@SUM(1)"),
        ("customers", "reference,"),
        ("follow-ups", "id,date"),
        ("credits", ",usage,"),
    ] {
        let file = get(&mut browser, &format!("/tenants/{user_id}/{page}?{MARCH}&format=csv")).await;
        assert!(file.contains(row), "{page}: {file}");
        assert!(!file.contains(",=") && !file.contains(",@"), "{page}: {file}");
    }
}

/// Break tried: the entry of the trail left out.
#[tokio::test]
async fn a_tenant_adds_completes_and_cancels_its_follow_ups() {
    let db = TestDb::new().await;
    let mine = account(&db, "mine@example.com", Role::User).await;
    let mut browser = Browser::new(&site(&db, true));
    browser.sign_in("mine@example.com", PASSWORD).await;
    let list = format!("/tenants/{mine}/follow-ups");
    for (name, date) in [("First", "2020-01-01"), ("Second", "2020-01-02"), (EVIL, "2999-01-01")] {
        let answer = browser.post(&list, &[("date", date), ("name", name), ("phone", "+15550100")]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }
    for wrong in [&[("date", "2020-01-01")][..], &[("date", "soon"), ("phone", "+15550100")]] {
        assert_eq!(browser.post(&list, wrong).await.status, StatusCode::BAD_REQUEST);
    }
    let overdue = get(&mut browser, &format!("{list}?show=overdue")).await;
    assert!(overdue.find("First").unwrap() < overdue.find("Second").unwrap() && overdue.contains("+15550100"));
    assert!(overdue.contains(">Overdue 2<") && overdue.contains(">Coming 1<"), "{overdue}");
    let coming = get(&mut browser, &format!("{list}?show=coming")).await;
    assert!(coming.contains("&lt;script&gt;") && !coming.contains("<script>alert"));
    for (name, change, status) in [("First", "complete", "completed"), ("Second", "cancel", "cancelled")] {
        let id: Uuid = sqlx::query_scalar("SELECT id FROM follow_ups WHERE user_id = $1 AND lead_name = $2")
            .bind(mine)
            .bind(name)
            .fetch_one(&db.admin)
            .await
            .unwrap();
        let answer = browser.post(&format!("{list}/{id}"), &[("change", change)]).await;
        assert_eq!(answer.location(), format!("{list}?show={status}"));
        assert!(get(&mut browser, &format!("{list}?show={status}")).await.contains(name));
        assert_eq!(
            browser.post(&format!("{list}/{id}"), &[("change", change)]).await.status,
            StatusCode::BAD_REQUEST,
            "once"
        );
    }
    let trail: Vec<String> = sqlx::query_scalar("SELECT action || ' ' || host(ip_address) FROM admin_audit_log WHERE target_user_id = $1 AND resource_type = 'follow_up' ORDER BY created_at")
        .bind(mine)
        .fetch_all(&db.admin)
        .await
        .unwrap();
    let added = "follow_up.add 127.0.0.1";
    assert_eq!(trail, [added, added, added, "follow_up.complete 127.0.0.1", "follow_up.cancel 127.0.0.1"]);
}

/// Break tried: the average in the place of the median.
#[tokio::test]
async fn agents_leads_customers_and_credits_show_what_the_rows_hold() {
    let db = TestDb::new().await;
    let (user_id, mut browser, _) = march(&db).await;
    let contact: Uuid = one(&db, "SELECT id FROM contacts WHERE user_id = $1 AND name = 'C1'", user_id).await;
    sqlx::query(include_str!("pages_tenant/insert_lead.sql"))
        .bind(user_id)
        .bind(contact)
        .execute(&db.admin)
        .await
        .unwrap();

    let agents = get(&mut browser, &format!("/tenants/{user_id}/agents?{MARCH}")).await;
    let line = between(&agents, ">A0</a>", "</tr>");
    let median: i32 = one(&db, "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY c.duration_seconds) FROM calls c JOIN agents a ON a.user_id = c.user_id AND a.id = c.agent_id WHERE c.user_id = $1 AND a.name = 'A0' AND c.duration_seconds > 0", user_id).await;
    assert!(
        line.contains(">200</a>") && line.contains(&format!(">{} min {} s<", median / 60, median % 60)),
        "{median}: {line}"
    );

    let path = format!("/tenants/{user_id}/leads");
    assert_eq!(walk(&mut browser, &format!("{path}?sort=score"), &path).await, [contact]);
    let by_contact = walk(&mut browser, &format!("{path}?sort=contact"), &path).await;
    assert_eq!(
        by_contact.len() as i64,
        one::<i64>(&db, "SELECT count(*) FROM contacts WHERE user_id = $1 AND last_contact_at IS NOT NULL", user_id)
            .await
    );
    let lead = get(&mut browser, &format!("{path}/{contact}")).await;
    for shown in ["11 of 15", "wants it this week", "CUST-of-the-test, Active", "Ask again"] {
        assert!(lead.contains(shown), "no {shown:?} in {lead}");
    }
    let calls_path = format!("/tenants/{user_id}/calls");
    let timeline = walk(&mut browser, &format!("{path}/{contact}"), &calls_path).await;
    assert_eq!(timeline.len() as i64, one::<i64>(&db, "SELECT count(*) FROM calls k JOIN contacts c ON c.user_id = k.user_id AND c.id = k.contact_id WHERE k.user_id = $1 AND c.name = 'C1'", user_id).await);
    assert!(get(&mut browser, &format!("/tenants/{user_id}/customers")).await.contains("CUST-of-the-test"));

    let credits = get(&mut browser, &format!("/tenants/{user_id}/credits?{MARCH}")).await;
    assert!(
        credits.contains("<dt>Runs out</dt><dd>overdrawn</dd>") && credits.contains("<dt>Used a day</dt><dd>–</dd>"),
        "{credits}"
    );
    // 0 + 1,000 + 2,000 … of 400 calls, in millionths.
    assert!(credits.contains("<strong>79.8</strong> credits for the calls of"), "{credits}");
    let entries = get(&mut browser, &format!("/tenants/{user_id}/credits?format=csv")).await.lines().count() as i64 - 1;
    assert_eq!(entries, one::<i64>(&db, "SELECT count(*) FROM credit_transactions WHERE user_id = $1", user_id).await);
}

/// Break tried: a cell of the hours of the week leads to the calls of the next weekday.
#[tokio::test]
async fn the_overview_divides_its_calls_and_an_agent_has_the_same_charts() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "Asia/Kolkata").await;
    let begin: String = one(&db, "SELECT to_char(now() - interval '3 days' + 0 * length($1::text) * interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", user_id).await;
    calls(&db, user_id, &begin, 300).await;
    roll_up_all(&db.pool).await;
    let mut browser = Browser::new(&site(&db, false));
    let agent: Uuid = one(&db, "SELECT id FROM agents WHERE user_id = $1 AND name = 'A1'", user_id).await;
    for (uri, total) in [(format!("/?tenant={user_id}"), 300), (format!("/tenants/{user_id}/agents/{agent}"), 150)] {
        let page = get(&mut browser, &uri).await;
        assert!(
            page.contains(">Attempted<") && page.contains(">Hours of the week<") && page.contains("Figures per day")
        );
        let parts = ["funnel-title", "bands-title", "sources-title", "heat-title"];
        let mut hours = 0;
        for part in parts {
            let section = between(&page, &format!("aria-labelledby=\"{part}\""), "</section>").to_owned();
            for link in section.split("<a href=\"").skip(1) {
                let (address, rest) = link.split_once('"').unwrap();
                let shown: i64 = between(rest, ">", "<").replace(',', "").parse().unwrap();
                hours += if part == "heat-title" { shown } else { 0 };
                if part != "heat-title" || hours < 20 {
                    let calls = get(&mut browser, &address.replace("&amp;", "&")).await;
                    assert_eq!(header(&calls), shown, "{address}");
                }
            }
        }
        assert_eq!(hours, total, "the hours of the week come to all calls of {uri}");
    }
}

/// Pages of a tenant without anything say so.
#[tokio::test]
async fn empty_lists_and_wrong_addresses_have_pages_of_their_own() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "UTC").await;
    let mut browser = Browser::new(&site(&db, false));
    for (page, words) in [
        ("calls", "No call of this period passes the filter."),
        ("agents", "A0"),
        ("leads", "There is no lead here yet."),
        ("customers", "Nobody has become a customer yet."),
        ("follow-ups", "None."),
        ("credits", "<dt>Used a day</dt><dd>–</dd>"),
    ] {
        let text = get(&mut browser, &format!("/tenants/{user_id}/{page}")).await;
        assert!(text.contains(words), "{page}: {text}");
        assert_eq!(text.matches("<h1>").count(), 1);
        assert!(!text.contains(" style=") && !text.contains("NaN"), "{page}");
    }
    for wrong in [
        "calls?days=0",
        "calls?after=x",
        "calls?outcome=x",
        "leads?sort=x",
        "leads?sort=score&after=1",
        "follow-ups?show=x",
        "credits?after=x",
    ] {
        let answer = browser.get(&format!("/tenants/{user_id}/{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}
