//! The pages in a real browser, served by the real process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod chromium;
#[path = "../support/daemon.rs"]
#[allow(dead_code, reason = "other programs of tests use the rest")]
mod daemon;
mod look;
mod screens;
mod walk;

use std::time::Duration;

use serde_json::{Value, json};
use tallyline::accounts::{self, Role, people};
use tallyline::tenants::{self, CreatedEndpoint, NewTenant};
use tallyline_secrets::SealingKey;
use tallyline_testkit::{TestDb, wait_until};

use crate::chromium::{Chromium, ENTER, TAB};
use crate::daemon::Site;

/// Nothing here should take so long on any machine.
const PATIENCE: Duration = Duration::from_secs(45);
const PASSWORD: &str = "a password of some length";
const WIDE: (u32, u32) = (1280, 900);
const NARROW: (u32, u32) = (390, 844);

async fn set_password(db: &TestDb, email: &str) {
    let hash = accounts::hash_password(PASSWORD.to_owned(), 12).await.unwrap();
    let sql = "UPDATE users SET password_hash = $2 WHERE email = $1";
    let set = sqlx::query(sql).bind(email).bind(hash).execute(&db.admin).await.unwrap();
    assert_eq!(set.rows_affected(), 1);
}

async fn account(db: &TestDb, email: &str, role: Role) {
    people::add(&mut db.pool.acquire().await.unwrap(), email, "Somebody", role).await.unwrap();
    set_password(db, email).await;
}

/// Signs in by the form and waits for the page behind it.
async fn sign_in(browser: &Chromium, site: &Site, email: &str) {
    browser.open(&format!("http://{}/sign-in", site.address)).await;
    let fill = "document.querySelector('#email').value = arguments[0];
        document.querySelector('#password').value = arguments[1];";
    browser.script(fill, json!([email, PASSWORD])).await;
    browser.click(".account button").await;
    browser.until("somebody is signed in", "return location.pathname !== '/sign-in'").await;
}

/// A whole number as a page shows it.
fn shown_number(shown: &Value) -> u64 {
    shown.as_str().unwrap().replace(',', "").trim().parse().unwrap()
}

/// No mouse is needed: the form has the focus, and the keys reach all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_job_is_run_again_by_somebody_who_signed_in_by_keyboard() {
    let Some(browser) = Chromium::start().await else { return };
    let db = TestDb::new().await;
    account(&db, "operator@example.com", Role::Admin).await;
    let dead = "INSERT INTO tally.dead_jobs
             (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
         VALUES (900001, 'verify_rollups', 'default', '{}', 1, 5, 5, 'timed out', now(), now(), 5)";
    sqlx::query(dead).execute(&db.admin).await.unwrap();
    let site = Site::new(&db);
    let _daemon = site.start().await;

    browser.open(&format!("http://{}/operate/jobs?state=dead", site.address)).await;
    assert_eq!(browser.script("return location.pathname", json!([])).await, "/sign-in");
    browser.keys("operator@example.com").await;
    browser.keys(TAB).await;
    browser.keys(PASSWORD).await;
    browser.keys(TAB).await;
    let focused = browser.script("return document.activeElement.textContent", json!([])).await;
    assert_eq!(focused, "Sign in");
    browser.keys(ENTER).await;
    // Where they wanted to go, and not the first page.
    browser.until("the dead jobs are shown", "return location.pathname === '/operate/jobs'").await;
    let first = "return document.activeElement === document.body || document.activeElement === null";
    assert_eq!(browser.script(first, json!([])).await, true);
    browser.keys(TAB).await;
    let skip = browser.script("return document.activeElement.textContent", json!([])).await;
    assert_eq!(skip, "Skip to the content", "the first stop of the keyboard");

    browser.click("main a[href*='/operate/jobs/900001']").await;
    browser.until("the job is shown", "return location.pathname === '/operate/jobs/900001'").await;
    browser.click("form[action$='/retry'] button").await;
    browser.until("it is said", "return document.querySelector('.done, [role=status]') !== null").await;
    let left = "SELECT count(*) FROM tally.dead_jobs";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(&db.admin).await.unwrap(), 0);
    assert_eq!(browser.messages().await, Vec::<String>::new());
}

struct Sender {
    url: String,
    endpoint: CreatedEndpoint,
}

impl Sender {
    /// The provider says that a call has ended, just now.
    async fn ended(&self, db: &TestDb, id: u32, status: &str) {
        let now = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
        let now: String = sqlx::query_scalar(now).fetch_one(&db.admin).await.unwrap();
        let talk = if status == "completed" { 42.0 } else { 0.0 };
        let body = json!({
            "id": format!("00000000-0000-4000-8000-{id:012}"), "agent_id": "agent-1", "status": status,
            "conversation_duration": talk, "created_at": now, "updated_at": now, "user_number": "+12025550143",
        });
        let request = reqwest::Client::new().post(&self.url).bearer_auth(&self.endpoint.secret).json(&body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

async fn tenant(db: &TestDb, site: &Site) -> Sender {
    let mut connection = db.pool.acquire().await.unwrap();
    let new = NewTenant::new("Acme", "acme@example.com");
    let created = tenants::create_tenant(&mut connection, &SealingKey::new([7; 32]), new).await.unwrap();
    tenants::add_agent(&mut connection, created.user_id, "agent-1", "Reception").await.unwrap();
    set_password(db, "acme@example.com").await;
    let endpoint = created.endpoints.into_iter().find(|e| e.provider == tallyline_model::Provider::Bolna).unwrap();
    Sender { url: format!("http://{}/webhooks/bolna/{}", site.address, endpoint.endpoint), endpoint }
}

const CALLS: &str =
    "const tile = [...document.querySelectorAll('.tile')].find((t) => t.querySelector('h2').textContent === 'Calls');
    const calls = tile && tile.querySelector('.value').textContent.trim();";

/// A tenant's own eyes: what the overview counts is what its links list, filters narrow the list, and a call that ends
/// meanwhile appears by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_figure_leads_to_its_calls_and_a_new_call_appears_by_itself() {
    let Some(browser) = Chromium::start().await else { return };
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let sender = tenant(&db, &site).await;
    let _daemon = site.start().await;
    for (id, status) in [(1, "completed"), (2, "busy"), (3, "completed"), (4, "no-answer")] {
        sender.ended(&db, id, status).await;
    }
    sign_in(&browser, &site, "acme@example.com").await;
    wait_until("four calls are counted", PATIENCE, || async {
        browser.open(&format!("http://{}/", site.address)).await;
        browser.script(&format!("{CALLS} return calls === '4'"), json!([])).await == true
    })
    .await;

    // From the figure to its calls.
    let answered = "return [...document.querySelectorAll('.legend li')].find((li) => li.textContent.includes('Answered')).querySelector('a.count')";
    let figure = browser.script(&format!("{answered}.textContent"), json!([])).await;
    assert_eq!(shown_number(&figure), 2);
    browser.script(&answered.replace("return ", "").replace("a.count')", "a.count').click()"), json!([])).await;
    browser.until("the calls are shown", "return location.pathname.endsWith('/calls')").await;
    let listed = "return [document.querySelector('.counted strong').textContent, document.querySelectorAll('.figures tbody tr').length]";
    assert_eq!(browser.script(listed, json!([])).await, json!(["2", 2]));

    // Another outcome, by the form.
    let choose = "document.querySelector('#outcome').value = 'busy'; document.title = 'before'";
    browser.script(choose, json!([])).await;
    browser.click(".filters button").await;
    browser
        .until("the form was sent", "return document.title !== 'before' && location.search.includes('outcome=busy')")
        .await;
    assert_eq!(browser.script(listed, json!([])).await, json!(["1", 1]));

    // The same document all the time: a mark on the window survives no reload.
    browser.open(&format!("http://{}/", site.address)).await;
    browser.script("window.same = true", json!([])).await;
    sender.ended(&db, 5, "completed").await;
    browser.until("the fifth call appears", &format!("{CALLS} return calls === '5'")).await;
    assert_eq!(browser.script("return window.same === true", json!([])).await, true);
    assert_eq!(browser.messages().await, Vec::<String>::new());
}
