//! One tenant tries to reach another's data by every route of pages and API, with ids of
//! every kind, by every way of saying them: in path, query, body, headers, cursors, tokens.
//!
//! Success would be an answer 2xx that holds anything of the other tenant, or any change of
//! its rows. What an attempt itself said does not count where it comes back.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "names of tables and columns come from the catalogue"
)]

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tallyline::accounts::{self, api_tokens};
use tallyline::dashboard::{OPERATOR_PAGES, TENANT_PAGES};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::api::describes::described;
use crate::schema::fixture;
use crate::web::{Browser, PASSWORD, site};

/// The least number of attempts that is worth the name.
const ATTEMPTS: usize = 5_000;
/// In every text of the other tenant, and nowhere else.
const MARKER: &str = "zzvictim";
/// Digits that only its numbers and amounts have.
const DIGITS: [&str; 2] = ["5559173", "918273645"];

/// Writes the marker into whatever the other tenant has.
const MARK: [&str; 12] = [
    "UPDATE users SET credits_micros = 918273645, company = 'zzvictim' WHERE id = $1",
    "UPDATE agents SET name = 'zzvictim agent', bolna_agent_id = 'zzvictim-agent' WHERE user_id = $1",
    "UPDATE contacts SET name = 'zzvictim contact', email = 'zzvictim@example.org', notes = 'zzvictim',
         phone_number = '1555917300' || right(phone_number, 1), phone_e164 = '+1555917300' || right(phone_number, 1) WHERE user_id = $1",
    "UPDATE calls SET phone_number = '15559173001', summary = 'zzvictim', credits_micros = 918273645 WHERE user_id = $1",
    "UPDATE transcripts SET content = 'zzvictim spoke' WHERE user_id = $1",
    "UPDATE lead_analytics SET company_name = 'zzvictim', phone_number = '15559173001', transcript_summary = 'zzvictim' WHERE user_id = $1",
    "UPDATE follow_ups SET remark = 'zzvictim', lead_phone = '15559173001' WHERE user_id = $1",
    "UPDATE customers SET name = 'zzvictim', notes = 'zzvictim' WHERE user_id = $1",
    "UPDATE credit_transactions SET description = 'zzvictim' WHERE user_id = $1",
    "UPDATE dashboard_cache SET cache_data = '{\"of\": \"zzvictim\"}' WHERE user_id = $1",
    "UPDATE tally.inbox SET body = 'zzvictim' WHERE user_id = $1",
    "UPDATE tally.quarantine SET detail = 'zzvictim' WHERE user_id = $1",
];

/// What the attempts are made with.
struct Other {
    tenant: Uuid,
    /// Ids of every kind.
    ids: Vec<String>,
    /// Cursors of its own lists.
    cursors: Vec<String>,
    /// Tokens of its that are no longer good, and cut ones.
    tokens: Vec<String>,
}

/// All tables that hold rows of tenants, with the column that says whose.
async fn tables(db: &TestDb) -> Vec<(String, String)> {
    let sql = "SELECT format('%I.%I', n.nspname, c.relname), a.attname::text FROM pg_attribute a
               JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname IN ('public', 'tally') AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT a.attisdropped
                 AND (a.attname IN ('user_id', 'target_user_id', 'assigned_to_user_id', 'tenant') OR (c.relname = 'users' AND a.attname = 'id'))
               ORDER BY 1, 2";
    sqlx::query_as(sql).fetch_all(&db.admin).await.unwrap()
}

/// A checksum of each of those tables' rows of this tenant.
async fn checksums(db: &TestDb, tenant: Uuid) -> BTreeMap<String, (i64, String)> {
    let mut sums = BTreeMap::new();
    for (table, column) in tables(db).await {
        let sql = format!(
            "SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t WHERE {column} = $1"
        );
        let sum = sqlx::query_as(AssertSqlSafe(sql)).bind(tenant).fetch_one(&db.admin).await.unwrap();
        sums.insert(format!("{table} {column}"), sum);
    }
    sums
}

/// Every uuid and number that is an id of this tenant's rows.
async fn ids(db: &TestDb, tenant: Uuid) -> Vec<String> {
    let sql = "SELECT format('%I.%I', n.nspname, c.relname), a.attname::text FROM pg_attribute a
               JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname IN ('public', 'tally') AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname IN ('id', 'contact_id', 'call_id')
                 AND EXISTS (SELECT FROM pg_attribute u WHERE u.attrelid = c.oid AND u.attname = 'user_id')";
    let tables: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&db.admin).await.unwrap();
    let mut ids = Vec::new();
    for (table, column) in tables {
        let sql = format!("SELECT DISTINCT {column}::text FROM {table} WHERE user_id = $1 AND {column} IS NOT NULL");
        let found: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant).fetch_all(&db.admin).await.unwrap();
        ids.extend(found);
    }
    ids.sort();
    ids.dedup();
    assert!(ids.len() > 15, "ids of many kinds: {ids:?}");
    ids
}

/// Ways to say the other's id where one's own belongs.
fn disguises(other: Uuid, own: Uuid) -> Vec<String> {
    let id = other.to_string();
    let percent: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let twice = percent.replace('%', "%25");
    vec![
        id.to_uppercase(),
        other.simple().to_string(),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
        percent,
        twice,
        format!("{own}/../{id}"),
        format!("{own}%2F..%2F{id}"),
        format!("{own}%252F..%252F{id}"),
        format!("..%2Ftenants%2F{id}"),
        format!("{own};{id}"),
        format!("{own},{id}"),
        format!("{own}%00{id}"),
        format!("{id}%20"),
        format!("%20{id}"),
        format!("{id}%0A"),
        format!("{own}?id={id}&x="),
        format!("{own}'%20OR%20user_id='{id}"),
        id,
    ]
}

struct Attempt {
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Attempt {
    fn at(uri: String) -> Self {
        Attempt { uri, headers: Vec::new(), body: String::new() }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn json(mut self, body: &Value) -> Self {
        self.headers.push(("content-type", "application/json".to_owned()));
        self.body = body.to_string();
        self
    }

    fn form(mut self, body: String) -> Self {
        self.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        self.body = body;
        self
    }

    /// Whether what comes back may hold this, since it was sent.
    fn said(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let sent = self.headers.iter().map(|(_, value)| value.as_str()).chain([self.uri.as_str(), self.body.as_str()]);
        sent.map(str::to_lowercase).any(|sent| sent.contains(&text))
    }
}

/// Methods and paths of pages and API, with `{id}` and `{item}`.
fn routes() -> Vec<(Method, String)> {
    let mut routes: Vec<(Method, String)> = described().into_iter().map(|(method, path, _)| (method, path)).collect();
    let pages = TENANT_PAGES.iter().map(|(path, _)| match *path {
        "" => "/?tenant={id}".to_owned(),
        path => format!("/tenants/{{id}}{path}"),
    });
    let below = TENANT_PAGES.iter().filter(|(path, _)| !path.is_empty());
    let below = below.map(|(path, _)| format!("/tenants/{{id}}{path}/{{item}}"));
    let operators = OPERATOR_PAGES.iter().flat_map(|(path, _)| [(*path).to_owned(), format!("{path}/{{item}}")]);
    for page in pages.chain(below).chain(operators).chain(["/account".to_owned()]) {
        routes.push((Method::GET, page.clone()));
        routes.push((Method::POST, page));
    }
    // What changes things has the same right to be refused whatever the method.
    for (method, path) in routes.clone() {
        let other = if method == Method::GET { Method::DELETE } else { Method::PUT };
        routes.push((other, path));
    }
    routes.sort_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    routes.dedup();
    routes
}

fn joined(uri: &str, query: &str) -> String {
    format!("{uri}{}{query}", if uri.contains('?') { '&' } else { '?' })
}

/// The attempts at one route.
fn attempts_at(method: &Method, path: &str, own: Uuid, other: &Other) -> Vec<Attempt> {
    let (id, mine) = (other.tenant.to_string(), own.to_string());
    let mut attempts = Vec::new();
    let at = |tenant: &str, item: &str| path.replace("{id}", tenant).replace("{item}", item);
    let item = other.ids[0].as_str();
    if path.contains("{id}") {
        for said in disguises(other.tenant, own) {
            attempts.push(Attempt::at(at(&said, item)));
        }
    }
    if path.contains("{item}") {
        for item in &other.ids {
            attempts.push(Attempt::at(at(&mine, item)));
            attempts.push(Attempt::at(at(&id, item)));
        }
    }
    let here = at(&mine, item);
    for name in ["tenant", "user_id", "userId", "id", "tenant_id", "agent", "contact", "call", "target_user_id"] {
        attempts.push(Attempt::at(joined(&here, &format!("{name}={id}"))));
        attempts.push(Attempt::at(joined(&here, &format!("{name}={mine}&{name}={id}"))));
    }
    for cursor in &other.cursors {
        attempts.push(Attempt::at(joined(&here, &format!("cursor={cursor}"))));
    }
    for header in ["x-tenant-id", "x-user-id", "x-forwarded-user", "tenant", "x-remote-user"] {
        attempts.push(Attempt::at(here.clone()).with(header, id.clone()));
    }
    for header in ["x-original-url", "x-rewrite-url"] {
        attempts.push(Attempt::at(here.clone()).with(header, at(&id, item)));
    }
    for verb in ["GET", "DELETE", "PUT"] {
        attempts.push(Attempt::at(at(&id, item)).with("x-http-method-override", verb.to_owned()));
    }
    for token in &other.tokens {
        attempts.push(Attempt::at(at(&id, item)).with("authorization", format!("Bearer {token}")));
    }
    if *method != Method::GET {
        for body in bodies(other) {
            attempts.push(Attempt::at(here.clone()).json(&body));
            attempts.push(Attempt::at(at(&id, item)).json(&body));
        }
        let form = format!("tenant={id}&user_id={id}&id={item}&status=completed&reason=x");
        attempts.push(Attempt::at(here.clone()).form(form.clone()).with("sec-fetch-site", "same-origin".to_owned()));
        attempts.push(Attempt::at(at(&id, item)).form(form).with("sec-fetch-site", "same-origin".to_owned()));
    }
    attempts
}

fn bodies(other: &Other) -> Vec<Value> {
    let (id, any) = (other.tenant, &other.ids);
    vec![
        json!({ "tenant": id, "user_id": id, "reason": "x", "mode": "all" }),
        json!({ "tenant": id, "mode": "all", "reason": "x" }),
        json!({ "reason": "x" }),
        json!({ "follow_up_date": "2026-12-01", "lead_email": "x@example.com", "call_id": any[any.len() / 2] }),
        json!({ "follow_up_date": "2026-12-01", "lead_email": "x@example.com", "user_id": id }),
        json!({ "name": "x", "user_id": id, "may_change": true }),
        json!({ "force": true }),
    ]
}

/// What of the other tenant an answer may not hold.
fn leaked<'a>(text: &str, attempt: &Attempt, marks: &'a [String]) -> Option<&'a str> {
    let text = text.to_lowercase();
    marks.iter().map(String::as_str).find(|mark| text.contains(*mark) && !attempt.said(mark))
}

async fn other(db: &TestDb, site: &axum::Router) -> Other {
    let victim = fixture::tenant(db, MARKER).await;
    for sql in MARK {
        sqlx::query(sql).bind(victim.user_id).execute(&db.admin).await.unwrap();
    }
    let mut connection = db.pool.acquire().await.unwrap();
    let (_, good) = api_tokens::create(&mut connection, victim.user_id, "good", true, None).await.unwrap();
    let mut owner = Browser::new(site);
    let mut cursors = Vec::new();
    for list in ["calls?from=2026-01-01&to=2026-01-31&limit=1", "contacts?limit=1"] {
        let uri = format!("/api/v1/tenants/{}/{list}", victim.user_id);
        let answer =
            owner.send(Method::GET, &uri, &[("authorization", &format!("Bearer {good}"))], String::new()).await;
        // The marks are where the owner looks: else nothing could be found by others.
        assert!(answer.text.contains(MARKER) || answer.text.contains(DIGITS[0]), "{}", answer.text);
        let page: Value = serde_json::from_str(&answer.text).unwrap();
        cursors.push(page["next"].as_str().unwrap().to_owned());
    }
    let (revoked, over) = api_tokens::create(&mut connection, victim.user_id, "over", true, None).await.unwrap();
    api_tokens::revoke(&mut connection, victim.user_id, revoked).await.unwrap();
    let mut cut = good.clone();
    cut.replace_range(70..71, if &good[70..71] == "A" { "B" } else { "A" });
    let tokens = vec![over, good[..good.len() - 1].to_owned(), cut, good.replacen("tly_", "tls_", 1)];
    Other { tenant: victim.user_id, ids: ids(db, victim.user_id).await, cursors, tokens }
}

/// Break tried: `may_read` not asked in `Tenant`, and any tenant's rows changed by who reads them
/// (89 attempts of 17,937 succeeded).
#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_of_thousands_reaches_another_tenant() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let other = other(&db, &site).await;
    let attacker = fixture::tenant(&db, "attacker").await.user_id;
    let hash = accounts::hash_password(PASSWORD.to_owned(), 12).await.unwrap();
    let own = "UPDATE users SET password_hash = $2 WHERE id = $1";
    sqlx::query(own).bind(attacker).bind(hash).execute(&db.admin).await.unwrap();
    let mut connection = db.pool.acquire().await.unwrap();
    let (_, token) = api_tokens::create(&mut connection, attacker, "attack", true, None).await.unwrap();
    drop(connection);
    let mut browser = Browser::new(&site);
    browser.sign_in("attacker@example.com", PASSWORD).await;
    let cookies = browser.cookies.clone();
    assert_eq!(cookies.len(), 2);

    // What it is to be found by, in small letters; numbers of one digit are no mark.
    let ids = other.ids.iter().filter(|id| id.len() > 8).cloned();
    let marks: Vec<String> =
        ids.chain([MARKER.to_owned(), other.tenant.to_string()]).chain(DIGITS.map(str::to_owned)).collect();
    let before = checksums(&db, other.tenant).await;
    let (mut made, mut answered, mut successes) = (0, BTreeMap::<u16, usize>::new(), Vec::new());
    for (method, path) in routes() {
        for attempt in attempts_at(&method, &path, attacker, &other) {
            // By turns with cookies and with a token; what brings a token brings no cookies.
            let brings = attempt.headers.iter().any(|(name, _)| *name == "authorization");
            let by_cookie = !brings && made % 2 == 0;
            browser.cookies = if by_cookie { cookies.clone() } else { BTreeMap::new() };
            let bearer = format!("Bearer {token}");
            let mut headers: Vec<(&str, &str)> =
                attempt.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            if !brings && !by_cookie {
                headers.push(("authorization", bearer.as_str()));
            }
            // Ending one's own session would end the attempts.
            if attempt.uri.starts_with("/api/v1/sessions/current") && method == Method::DELETE && by_cookie {
                continue;
            }
            if attempt.uri.parse::<axum::http::Uri>().is_err() {
                continue;
            }
            let answer = browser.send(method.clone(), &attempt.uri, &headers, attempt.body.clone()).await;
            made += 1;
            *answered.entry(answer.status.as_u16()).or_default() += 1;
            let whole = format!("{:?}\n{}", answer.headers, answer.text);
            if let Some(mark) = leaked(&whole, &attempt, &marks).filter(|_| answer.status.is_success()) {
                successes.push(format!("{method} {}: {} holds {mark}", attempt.uri, answer.status));
            }
        }
    }
    let after = checksums(&db, other.tenant).await;
    for (table, sum) in &before {
        if after.get(table) != Some(sum) {
            successes.push(format!("rows of {table} were changed"));
        }
    }
    println!("{made} attempts, answered {answered:?}, {} succeeded", successes.len());
    assert!(made >= ATTEMPTS, "{made} attempts");
    assert!(answered.get(&200).is_some_and(|count| *count > 100), "the attacker reads its own: {answered:?}");
    assert!(!answered.keys().any(|status| *status >= 500), "{answered:?}");
    assert!(successes.is_empty(), "{} of {made}:\n{}", successes.len(), successes.join("\n"));
}
