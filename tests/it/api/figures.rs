//! One figure has one value: on the page, in the API, on the command line and in the database.

use axum::http::{Method, StatusCode};
use serde_json::Value;
use tallyline::accounts::Role;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::{Program, assert_problem};
use crate::daemon::{Site, text};
use crate::verify::fixture::{calls, roll_up_all, tenant};
use crate::web::{Browser, account, site};

async fn number(db: &TestDb, user_id: Uuid, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).bind(user_id).fetch_one(&db.admin).await.unwrap()
}

fn sum(rows: &Value, figure: &str) -> i64 {
    rows.as_array().unwrap().iter().map(|row| row[figure].as_i64().unwrap()).sum()
}

fn cli(site: &Site, arguments: &[&str]) -> Value {
    let output = site.run(arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", text(&output)))
}

/// A day's worth and more of calls in the days before today, rolled up.
async fn recent(db: &TestDb, zone: &str) -> Uuid {
    let user_id = tenant(db, zone).await;
    let from: String = sqlx::query_scalar("SELECT (date_trunc('day', now()) - interval '9 days')::text")
        .fetch_one(&db.admin)
        .await
        .unwrap();
    calls(db, user_id, &from, 317).await;
    let customer = "INSERT INTO customers (user_id, contact_id, customer_reference_number, name)
                    SELECT user_id, id, '', name FROM contacts WHERE user_id = $1 AND name IN ('C1', 'C2')";
    sqlx::query(customer).bind(user_id).execute(&db.admin).await.unwrap();
    roll_up_all(&db.pool).await;
    user_id
}

/// Break tried: the days' cost summed instead of their credits.
#[tokio::test]
async fn page_api_command_line_and_database_agree() {
    let db = TestDb::new().await;
    let user_id = recent(&db, "Asia/Kolkata").await;
    let router = site(&db, false);
    let mut local = Browser::new(&router);
    let mut read = async |path: &str| -> Value {
        let answer = local.get(&format!("/api/v1/tenants/{user_id}{path}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    };
    let total = number(&db, user_id, "SELECT count(*) FROM calls WHERE user_id = $1").await;
    let talk = number(&db, user_id, "SELECT sum(duration_seconds) FROM calls WHERE user_id = $1").await;
    let credits = number(&db, user_id, "SELECT sum(credits_micros)::bigint FROM calls WHERE user_id = $1").await;
    assert_eq!(total, 317);

    let usage = read("/credits/usage").await;
    let (from, to) = (usage["from"].as_str().unwrap().to_owned(), usage["to"].as_str().unwrap().to_owned());
    assert_eq!((sum(&usage["days"], "total_calls"), usage["credits_micros"].as_i64()), (total, Some(credits)));
    let figures = read(&format!("/figures?grain=day&from={from}&to={to}")).await;
    let agents = read("/agents").await;
    for (figure, expected) in [("total_calls", total), ("talk_seconds", talk), ("credits_micros", credits)] {
        assert_eq!(sum(&figures["figures"], figure), expected, "{figure}");
        assert_eq!(sum(&agents["items"], figure), expected, "{figure}");
    }
    for (outcome, figure) in [
        ("answered", "successful_calls"),
        ("voicemail", "voicemail_calls"),
        ("no_answer", "no_answer_calls"),
        ("busy", "busy_calls"),
        ("failed", "failed_outcome_calls"),
        ("cancelled", "cancelled_calls"),
        ("in_progress", "in_progress_calls"),
    ] {
        let sql = "SELECT count(*) FROM calls WHERE user_id = $1 AND outcome = $2";
        let counted: i64 = sqlx::query_scalar(sql).bind(user_id).bind(outcome).fetch_one(&db.admin).await.unwrap();
        assert_eq!(sum(&figures["figures"], figure), counted, "{figure}");
        assert_eq!(sum(&agents["items"], figure), counted, "{figure}");
        // What the figure counts can be listed.
        let listed = read(&format!("/calls?outcome={outcome}&limit=200")).await;
        assert_eq!(listed["items"].as_array().unwrap().len() as i64, counted, "{outcome}");
    }

    let page = Browser::new(&router).get(&format!("/?tenant={user_id}&days=30")).await;
    assert!(page.text.contains(&format!(">{total}<")), "{}", page.text);
    let answered = sum(&figures["figures"], "successful_calls");
    assert!(page.text.contains(&format!(">{answered}</")), "{}", page.text);

    let (customers, ledger, credits) =
        (read("/customers").await, read("/credits/ledger?limit=200").await, read("/credits").await);
    customers_and_credits_agree(&db, user_id, &customers, &ledger, &credits).await;
}

/// Those of the API beside the command line and the database.
async fn customers_and_credits_agree(db: &TestDb, user_id: Uuid, customers: &Value, ledger: &Value, credits: &Value) {
    let tool = Site::new(db);
    let id = user_id.to_string();
    let listed = cli(&tool, &["customer", "list", "--tenant", &id, "--json"]);
    for (of_api, of_cli, sql) in [
        (
            "total_calls",
            "total_calls",
            "SELECT count(*) FROM calls JOIN customers USING (user_id, contact_id) WHERE user_id = $1",
        ),
        (
            "talk_seconds",
            "talk_seconds",
            "SELECT sum(duration_seconds) FROM calls JOIN customers USING (user_id, contact_id) WHERE user_id = $1",
        ),
    ] {
        let counted = number(db, user_id, sql).await;
        assert!(counted > 0);
        assert_eq!((sum(&customers["items"], of_api), sum(&listed, of_cli)), (counted, counted), "{of_api}");
    }
    let entries = cli(&tool, &["credits", "list", "--tenant", &id, "--limit", "200", "--json"]);
    let amounts = |rows: &Value, name: &str| -> Vec<i64> {
        rows.as_array().unwrap().iter().map(|row| row[name].as_i64().unwrap()).collect()
    };
    assert_eq!(amounts(&ledger["items"], "amount_micros"), amounts(&entries, "amount_micros"));
    let balance = credits["credits_micros"].as_i64().unwrap();
    assert_eq!(balance, number(db, user_id, "SELECT credits_micros FROM users WHERE id = $1").await);
    assert_eq!(
        balance,
        number(db, user_id, "SELECT sum(amount_micros)::bigint FROM credit_transactions WHERE user_id = $1").await
    );
}

/// Break tried: the marks left out of `complete_until`.
#[tokio::test]
async fn answers_with_figures_say_of_when_they_are() {
    let db = TestDb::new().await;
    let user_id = recent(&db, "UTC").await;
    let mut program = Program::of(&db, &site(&db, true), user_id, false).await;
    let paths = ["/freshness", "/agents", "/credits", "/credits/usage", "/customers"];
    for path in paths {
        let answer = program.read(&format!("/api/v1/tenants/{user_id}{path}")).await;
        assert_eq!(answer["as_of"], answer["complete_until"], "{path}: {answer}");
    }
    sqlx::query("UPDATE calls SET duration_seconds = duration_seconds + 1 WHERE user_id = $1")
        .bind(user_id)
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("UPDATE tally.rollup_marks SET marked_at = '2026-03-01 00:00Z'").execute(&db.admin).await.unwrap();
    for path in paths {
        let answer = program.read(&format!("/api/v1/tenants/{user_id}{path}")).await;
        assert_eq!(answer["complete_until"], "2026-03-01T00:00:00Z", "{path}");
    }
}

/// Break tried: the generations left out of the tag of periods; the changed answer stays 304.
#[tokio::test]
async fn what_is_computed_ahead_is_not_sent_twice() {
    let db = TestDb::new().await;
    let user_id = recent(&db, "UTC").await;
    for sql in [
        "INSERT INTO dashboard_cache (user_id, cache_key, cache_data, generation, expires_at)
         VALUES ($1, 'overview', '{\"kpis\": []}', 7, 'infinity'), ($1, 'trends', '{}', 7, 'infinity')",
        "INSERT INTO call_analytics_cache (user_id, date_period, period_type, zone, generation)
         SELECT $1, (now() AT TIME ZONE 'UTC')::date, 'daily', 'UTC', 7",
    ] {
        sqlx::query(sql).bind(user_id).execute(&db.admin).await.unwrap();
    }
    let owner = account(&db, "reader@example.com", Role::Admin).await;
    let mut program = Program::of(&db, &site(&db, true), owner, false).await;
    let token = program.header.clone();
    for path in ["overview", "trends", "periods"] {
        let uri = format!("/api/v1/tenants/{user_id}/{path}");
        let first = program.get(&uri).await;
        assert_eq!(first.status, StatusCode::OK, "{}", first.text);
        assert_eq!(first.headers["cache-control"], "private, no-cache");
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        let held = [("authorization", token.as_str()), ("if-none-match", tag.as_str())];
        let again = program.browser.send(Method::GET, &uri, &held, String::new()).await;
        assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        assert_eq!(again.headers["etag"], tag.as_str());
        for sql in [
            "UPDATE dashboard_cache SET generation = generation + 1 WHERE user_id = $1",
            "UPDATE call_analytics_cache SET generation = generation + 1 WHERE user_id = $1",
        ] {
            sqlx::query(sql).bind(user_id).execute(&db.admin).await.unwrap();
        }
        let changed = program.browser.send(Method::GET, &uri, &held, String::new()).await;
        assert_eq!(changed.status, StatusCode::OK, "{path}");
    }
    assert_problem(&program.get(&format!("/api/v1/tenants/{owner}/trends")).await, StatusCode::NOT_FOUND);
}

/// Asks for figures as a client does that holds them already.
struct Holder {
    program: Program,
}

impl Holder {
    /// The tag of an answer 200.
    async fn tag(&mut self, uri: &str) -> String {
        let answer = self.program.get(uri).await;
        assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.text);
        answer.headers["etag"].to_str().unwrap().to_owned()
    }

    async fn status(&mut self, uri: &str, tag: &str) -> StatusCode {
        let token = self.program.header.clone();
        let headers = [("authorization", token.as_str()), ("if-none-match", tag)];
        let answer = self.program.browser.send(Method::GET, uri, &headers, String::new()).await;
        assert!(answer.status == StatusCode::OK || answer.text.is_empty(), "{}", answer.text);
        let is_held = tag.ends_with(answer.headers["etag"].to_str().unwrap());
        assert_eq!(answer.status == StatusCode::NOT_MODIFIED, is_held);
        answer.status
    }
}

async fn change(db: &TestDb, user_id: Uuid, sql: &'static str) {
    assert!(sqlx::query(sql).bind(user_id).execute(&db.admin).await.unwrap().rows_affected() > 0, "{sql}");
}

/// Breaks: marks left out of the stamp (the changed call is answered 304), marks of every tenant
/// or of every day in it (another's call changes the tag), the filters left out of the tag.
#[tokio::test]
async fn figures_are_sent_again_when_a_call_of_theirs_changed_and_for_nothing_else() {
    let db = TestDb::new().await;
    let (user_id, other) = (recent(&db, "UTC").await, recent(&db, "UTC").await);
    let reader = account(&db, "reader@example.com", Role::Admin).await;
    let mut holder = Holder { program: Program::of(&db, &site(&db, true), reader, false).await };
    let days = "SELECT (now() - interval '9 days')::date::text, (now() - interval '10 days')::date::text";
    let (day, day_before): (String, String) = sqlx::query_as(days).fetch_one(&db.admin).await.unwrap();
    let base = format!("/api/v1/tenants/{user_id}");
    let uris = [
        format!("{base}/figures?grain=day&from={day}&to={day}"),
        format!("{base}/figures?grain=hour&from={day}&to={day}&by_agent=true"),
        format!("{base}/figures?grain=day&from={day}&to={day}&sets=true"),
        format!("{base}/agents?from={day}&to={day}"),
    ];
    let mut tags = Vec::new();
    for uri in &uris {
        tags.push(holder.tag(uri).await);
        let other_tenant = uri.replace(&user_id.to_string(), &other.to_string());
        let more_days = uri.replacen(&day, &day_before, 1);
        for different in [other_tenant, more_days] {
            let tag = holder.tag(&different).await;
            assert!(!tags.contains(&tag), "{different}");
        }
    }
    let further = holder.tag(&format!("{base}/agents?from={day}&to={day}&limit=1")).await;
    assert_eq!(tags.iter().chain([&further]).collect::<std::collections::BTreeSet<_>>().len(), 5, "{tags:?}");

    // What no figure of the day depends on.
    change(&db, other, "UPDATE calls SET duration_seconds = duration_seconds + 1 WHERE user_id = $1").await;
    change(
        &db,
        user_id,
        "UPDATE calls SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND started_at >= date_trunc('day', now()) - interval '8 days'",
    )
    .await;
    change(&db, user_id, "UPDATE calls SET summary = 'said again' WHERE user_id = $1").await;
    change(&db, user_id, "UPDATE contacts SET notes = 'called back' WHERE user_id = $1").await;
    roll_up_all(&db.pool).await;
    for (uri, tag) in uris.iter().zip(&tags) {
        assert_eq!(holder.status(uri, tag).await, StatusCode::NOT_MODIFIED, "{uri}");
        assert_eq!(holder.status(uri, &format!("\"x\", {tag}")).await, StatusCode::NOT_MODIFIED, "{uri}");
    }

    // One call of the day: the exact figures change at once, those of agents with the roll-up.
    change(
        &db,
        user_id,
        "UPDATE calls SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND id =
             (SELECT id FROM calls WHERE user_id = $1 ORDER BY started_at LIMIT 1)",
    )
    .await;
    for (uri, tag) in uris.iter().zip(&tags) {
        let is_stored = uri.contains("/agents");
        let expected = if is_stored { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        assert_eq!(holder.status(uri, tag).await, expected, "{uri}");
    }
    roll_up_all(&db.pool).await;
    for (uri, tag) in uris.iter().zip(&tags) {
        assert_eq!(holder.status(uri, tag).await, StatusCode::OK, "{uri}");
        let now = holder.tag(uri).await;
        assert_eq!(holder.status(uri, &now).await, StatusCode::NOT_MODIFIED, "{uri}");
    }
}
