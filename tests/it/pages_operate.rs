//! The pages of operators and everybody's own account: by requests, with what they
//! leave in the database and in the audit log.

use axum::Router;
use axum::http::{Method, StatusCode};
use serde_json::Value;
use tallyline::accounts::{Role, api_tokens};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::web::{Answer, Browser, PASSWORD, account, form, site};

mod people;

/// Every page that is read, with what must be on it.
const PAGES: [(&str, &str); 12] = [
    ("/operate", "Roll-up lag"),
    ("/operate/jobs", "No job"),
    ("/operate/jobs?state=dead", "provider says no"),
    ("/operate/jobs/4", "timed out"),
    ("/operate/queues", "there:7"),
    ("/operate/schedules", "nightly"),
    ("/operate/schedules/nightly", "30 3 * * *"),
    ("/operate/quarantine", "data_error"),
    ("/operate/backfills", "Preview"),
    ("/operate/quality", "agreed with the calls"),
    ("/operate/tenants", "tenant@example.com"),
    ("/operate/audit", "Nothing matches"),
];

/// Every change and its form, for who may not.
const CHANGES: [&str; 20] = [
    "/operate/jobs/4/retry",
    "/operate/jobs/4/cancel",
    "/operate/jobs/1/discard",
    "/operate/jobs/many",
    "/operate/queues/default/pause",
    "/operate/queues/default/resume",
    "/operate/queues/default/cap",
    "/operate/kinds/pause",
    "/operate/kinds/reconcile_all/resume",
    "/operate/schedules/nightly/run",
    "/operate/schedules/nightly/pause",
    "/operate/schedules/nightly/resume",
    "/operate/backfills",
    "/operate/backfills/00000000-0000-4000-8000-000000000000/pause",
    "/operate/quarantine/replay",
    "/operate/quarantine/1/replay",
    "/operate/quarantine/1/body",
    "/operate/accounts",
    "/operate/accounts/00000000-0000-4000-8000-000000000000/close",
    "/operate/tenants/00000000-0000-4000-8000-000000000000/rotate/bolna",
];

/// Fields that make sense to every one of these forms.
const FIELDS: [(&str, &str); 12] = [
    ("reason", "a test"),
    ("what", "cancel"),
    ("kind", "reconcile_all"),
    ("up_to", "100"),
    ("cap", "2"),
    ("mode", "all"),
    ("from", "2026-03-01"),
    ("to", "2026-03-02"),
    ("email", "new@example.com"),
    ("name", "New"),
    ("role", "admin"),
    ("overlap_hours", "1"),
];

/// Three dead letters (1 to 3), a job that waits for another attempt (4), one that
/// is due (5) and one that runs (6); a schedule; a webhook in quarantine (1).
async fn some_of_each(db: &TestDb) {
    let jobs = "INSERT INTO tally.dead_jobs
             (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
         SELECT n, CASE n WHEN 3 THEN 'verify_rollups' ELSE 'reconcile_all' END, 'default', '{\"who\": \"Asha\"}', 1, 5, 5,
             'provider says no', now(), now(), 5
         FROM generate_series(1, 3) n;
         INSERT INTO tally.job_leases (lease_id, label, started_at, beat_at, expires_at, queues)
         VALUES ('11111111-1111-4111-8111-111111111111', 'there:7', now(), now(), now() + interval '1 hour', '{default}');
         SELECT setval('tally.jobs_id_seq', 3);
         INSERT INTO tally.jobs (kind, queue, run_at, created_at, attempt, claims, last_error)
         VALUES ('reconcile_all', 'default', now() + interval '1 hour', now(), 1, 1, 'timed out');
         INSERT INTO tally.jobs (kind, queue, run_at, created_at) VALUES ('reconcile_all', 'default', now(), now());
         INSERT INTO tally.jobs (kind, queue, run_at, created_at, state, attempt, claims, lease_id, claimed_at,
             deadline_at, claimed_generation)
         VALUES ('reconcile_all', 'default', now(), now(), 'claimed', 1, 1, '11111111-1111-4111-8111-111111111111',
             now(), now() + interval '1 hour', 1);";
    sqlx::raw_sql(jobs).execute(&db.admin).await.unwrap();
    let rest = "INSERT INTO tally.schedules (name, kind, queue, priority, max_attempts, cron, timezone, payload, missed, overlap,
             next_fire_at, updated_at)
         VALUES ('nightly', 'purge_expired', 'default', 2, 5, '30 3 * * *', 'UTC', '{}', 'skip', 'skip', now() + interval '1 hour', now());
         INSERT INTO tally.inbox (user_id, id, provider, endpoint, body_sha256, body, headers)
         SELECT id, 1, 'bolna', 'endpoint', sha256('1'), '{\"id\":\"marker\"}', '{\"user-agent\": \"sender/1\"}' FROM users
         WHERE email = 'tenant@example.com';
         INSERT INTO tally.quarantine (user_id, id, provider, endpoint, inbox_id, reason, detail, received_at)
         SELECT user_id, 1, provider, endpoint, id, 'data_error', 'SQLSTATE 22P05', received_at FROM tally.inbox;";
    sqlx::raw_sql(rest).execute(&db.admin).await.unwrap();
}

struct Here {
    db: TestDb,
    site: Router,
    tenant: Uuid,
}

impl Here {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let site = site(&db, true);
        let tenant = account(&db, "tenant@example.com", Role::User).await;
        some_of_each(&db).await;
        Here { db, site, tenant }
    }

    /// A browser in which an account of this role has signed in.
    async fn signed_in(&self, email: &str, role: Role) -> Browser {
        account(&self.db, email, role).await;
        let mut browser = Browser::new(&self.site).at("192.0.2.7");
        assert_eq!(browser.sign_in(email, PASSWORD).await.status, StatusCode::SEE_OTHER);
        browser
    }

    async fn admin(&self) -> Browser {
        self.signed_in("admin@example.com", Role::Admin).await
    }

    async fn root(&self) -> Browser {
        self.signed_in("root@example.com", Role::SuperAdmin).await
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db.admin).await.unwrap()
    }

    /// Action, thing and details of the newest entry of the audit log, which must
    /// say from where it was made.
    async fn last_entry(&self) -> (String, String, Value) {
        let newest = "SELECT action, resource_type || ' ' || resource_id, details FROM admin_audit_log
                      WHERE ip_address = '192.0.2.7' ORDER BY created_at DESC, id LIMIT 1";
        sqlx::query_as(newest).fetch_one(&self.db.admin).await.unwrap()
    }

    async fn entries(&self) -> i64 {
        self.count("SELECT count(*) FROM admin_audit_log").await
    }
}

/// Posts a form of our own page, which must lead on.
async fn done(browser: &mut Browser, uri: &str, fields: &[(&str, &str)]) -> String {
    let answer = browser.post(uri, fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{uri}: {}", answer.text);
    answer.location().to_owned()
}

async fn read(browser: &mut Browser, uri: &str) -> String {
    let Answer { status, text, .. } = browser.get(uri).await;
    assert_eq!(status, StatusCode::OK, "{uri}: {text}");
    assert_eq!(text.matches("<h1").count(), 1, "{uri}");
    assert!(!text.contains(" style="), "{uri} has inline styles");
    text
}

/// Broken by hand: with an `Operator` that lets every role pass, the tenant reads the pages.
#[tokio::test]
async fn to_who_is_no_operator_the_pages_are_not_there() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    for (page, part) in PAGES {
        let part = if page == "/operate/jobs" { "reconcile_all" } else { part };
        let text = read(&mut admin, page).await;
        assert!(text.contains(part), "{page}: {text}");
    }
    let mut tenant = Browser::new(&here.site).at("192.0.2.8");
    tenant.sign_in("tenant@example.com", PASSWORD).await;
    let unknown = tenant.get("/operate/nothing-here").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    for (page, _) in PAGES {
        let answer = tenant.get(page).await;
        assert_eq!((answer.status, &answer.text), (StatusCode::NOT_FOUND, &unknown.text), "{page}");
    }
    for change in CHANGES {
        let answer = tenant.post(change, &FIELDS).await;
        assert_eq!((answer.status, &answer.text), (StatusCode::NOT_FOUND, &unknown.text), "{change}");
    }
    assert_eq!(here.entries().await, 0);
}

/// Broken by hand: with a `who_may` that lets all pass, the token that only reads changes something.
#[tokio::test]
async fn tokens_that_read_and_other_sites_change_nothing() {
    let here = Here::new().await;
    let root = account(&here.db, "root@example.com", Role::SuperAdmin).await;
    let mut connection = here.db.pool.acquire().await.unwrap();
    let (_, reads) = api_tokens::create(&mut connection, root, "reads", false, None).await.unwrap();
    let (_, changes) = api_tokens::create(&mut connection, root, "changes", true, None).await.unwrap();
    let mut program = Browser::new(&here.site).at("192.0.2.7");
    let urlencoded = ("content-type", "application/x-www-form-urlencoded");
    let reads = format!("Bearer {reads}");
    for change in CHANGES {
        let answer = program.send(Method::POST, change, &[("authorization", &reads), urlencoded], form(&FIELDS)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{change}: {}", answer.text);
    }
    let mut browser = Browser::new(&here.site).at("192.0.2.7");
    browser.sign_in("root@example.com", PASSWORD).await;
    for change in CHANGES.iter().chain(&["/account/tokens", "/account/password", "/account/sessions/end-others"]) {
        let answer =
            browser.send(Method::POST, change, &[("sec-fetch-site", "cross-site"), urlencoded], form(&FIELDS)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{change}: {}", answer.text);
    }
    assert_eq!(here.entries().await, 0);
    assert_eq!(here.count("SELECT count(*) FROM tally.jobs WHERE cancel_requested_at IS NULL").await, 3);

    let changes = format!("Bearer {changes}");
    let headers = [("authorization", changes.as_str()), urlencoded];
    let answer = program.send(Method::POST, "/operate/jobs/4/retry", &headers, String::new()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let answer = program.send(Method::POST, "/account/tokens", &headers, form(&[("name", "more")])).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "a token makes no tokens: {}", answer.text);
    assert_eq!(here.entries().await, 1);
}

#[tokio::test]
async fn a_job_is_retried_cancelled_discarded_replayed() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    let page = read(&mut admin, "/operate/jobs/1").await;
    assert!(page.contains("provider says no") && page.contains("Asha"), "{page}");
    let to = done(&mut admin, "/operate/jobs/1/retry", &[]).await;
    assert!(read(&mut admin, &to).await.contains("Replayed: due now"));
    assert_eq!(here.count("SELECT count(*) FROM tally.jobs WHERE id = 1").await, 1);
    let (action, what, _) = here.last_entry().await;
    assert_eq!((action.as_str(), what.as_str()), ("job.replay", "job 1"));

    assert_eq!(done(&mut admin, "/operate/jobs/4/retry", &[]).await, "/operate/jobs/4?said=due-now");
    assert_eq!(here.count("SELECT count(*) FROM tally.jobs WHERE id = 4 AND run_at <= now()").await, 1);
    assert_eq!(here.last_entry().await.0, "job.due_now");
    assert_eq!(done(&mut admin, "/operate/jobs/6/retry", &[]).await, "/operate/jobs/6?said=runs");

    assert_eq!(admin.post("/operate/jobs/5/cancel", &[("reason", " ")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let to = done(&mut admin, "/operate/jobs/5/cancel", &[("reason", "wrong tenant")]).await;
    assert_eq!(to, "/operate/jobs/5?said=removed");
    assert!(read(&mut admin, &to).await.contains("wrong tenant"), "the history says why");
    assert_eq!(here.count("SELECT count(*) FROM tally.jobs WHERE id = 5").await, 0);
    assert_eq!(here.last_entry().await.2["reason"], "wrong tenant");
    let to = done(&mut admin, "/operate/jobs/6/cancel", &[("reason", "stop")]).await;
    assert_eq!(to, "/operate/jobs/6?said=requested");

    let to = done(&mut admin, "/operate/jobs/2/discard", &[("reason", "by hand")]).await;
    assert_eq!(to, "/operate/jobs/2?said=discarded");
    assert_eq!(here.count("SELECT count(*) FROM tally.dead_jobs WHERE job_id = 2").await, 0);
    let before = here.entries().await;
    assert_eq!(done(&mut admin, "/operate/jobs/2/discard", &[("reason", "x")]).await, "/operate/jobs/2?said=ended");
    assert_eq!(admin.post("/operate/jobs/99/retry", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(here.entries().await, before, "where nothing was done nothing is entered");
}

/// Broken by hand: without `up_to` the letter that died after the preview is
/// replayed, too.
#[tokio::test]
async fn many_jobs_are_shown_and_counted_before_they_are_changed() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    let preview = read(&mut admin, "/operate/jobs/many?what=replay&kind=reconcile_all").await;
    assert!(preview.contains("<strong>2</strong> jobs would be put back"), "{preview}");
    let up_to = preview.split("name=\"up_to\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    sqlx::query(
        "INSERT INTO tally.dead_jobs
             (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
         VALUES (77, 'reconcile_all', 'default', '{}', 1, 5, 5, 'later', now(), now(), 5)",
    )
    .execute(&here.db.admin)
    .await
    .unwrap();
    let fields = [("what", "replay"), ("kind", "reconcile_all"), ("up_to", up_to.as_str()), ("reason", "mended")];
    assert_eq!(admin.post("/operate/jobs/many", &fields[..2]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = admin.post("/operate/jobs/many", &fields).await;
    assert!(answer.text.contains("<strong>2</strong> jobs: put back"), "{}", answer.text);
    assert_eq!(here.count("SELECT count(*) FROM tally.jobs WHERE id IN (1, 2)").await, 2);
    assert_eq!(here.count("SELECT count(*) FROM tally.dead_jobs WHERE job_id IN (3, 77)").await, 2);
    let (action, what, details) = here.last_entry().await;
    assert_eq!((action.as_str(), what.as_str(), &details["jobs"]), ("job.replay", "job many", &2.into()));

    let top = here.count("SELECT max(id) FROM tally.jobs").await.to_string();
    let fields = [("what", "cancel"), ("queue", "default"), ("state", "waiting"), ("up_to", &top), ("reason", "flood")];
    let answer = admin.post("/operate/jobs/many", &fields).await;
    assert!(answer.text.contains("<strong>3</strong> jobs: removed"), "{}", answer.text);
    assert_eq!(here.count("SELECT count(*) FROM tally.jobs").await, 2, "what is delayed and what runs");
}

#[tokio::test]
async fn lists_of_jobs_go_on_where_a_page_ends() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    let many = "INSERT INTO tally.jobs (kind, queue, run_at, created_at)
                SELECT 'verify_rollups', 'default', now(), now() FROM generate_series(1, 120)";
    sqlx::query(many).execute(&here.db.admin).await.unwrap();
    let (mut uri, mut seen, mut pages) = ("/operate/jobs?state=live&kind=verify_rollups".to_owned(), 0, 0);
    loop {
        let page = read(&mut admin, &uri).await;
        seen += page.matches("<td>verify_rollups</td>").count();
        pages += 1;
        let Some(next) = page.split("<a href=\"").find(|part| part.contains("rel=\"next\"")) else { break };
        uri = next.split('"').next().unwrap().replace("&amp;", "&");
    }
    assert_eq!((seen, pages), (120, 3));
    assert_eq!(admin.get("/operate/jobs?state=lost-ones").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(admin.get("/operate/jobs?before=1.2.3").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn queues_and_kinds_are_paused_capped_and_resumed() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    done(&mut admin, "/operate/queues/default/pause", &[("reason", "the provider is down")]).await;
    assert!(read(&mut admin, "/operate/queues").await.contains("the provider is down"));
    assert_eq!(here.count("SELECT count(*) FROM tally.paused_queues WHERE queue = 'default'").await, 1);
    let (action, what, details) = here.last_entry().await;
    assert_eq!((action.as_str(), what.as_str()), ("queue.pause", "queue default"));
    assert_eq!((&details["before"]["paused"], &details["after"]["paused"]), (&false.into(), &true.into()));
    done(&mut admin, "/operate/queues/default/resume", &[]).await;
    assert_eq!(here.count("SELECT count(*) FROM tally.paused_queues").await, 0);
    assert_eq!(done(&mut admin, "/operate/queues/default/resume", &[]).await, "/operate/queues?said=was-not");

    done(&mut admin, "/operate/queues/default/cap", &[("cap", "2")]).await;
    assert_eq!(here.count("SELECT tenant_cap::bigint FROM tally.queue_caps WHERE queue = 'default'").await, 2);
    assert_eq!(here.last_entry().await.2["after"], 2);
    assert_eq!(
        admin.post("/operate/queues/default/cap", &[("cap", "0")]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    done(&mut admin, "/operate/queues/default/cap", &[("cap", "")]).await;
    assert_eq!(here.count("SELECT count(*) FROM tally.queue_caps").await, 0);

    done(&mut admin, "/operate/kinds/pause", &[("kind", "reconcile_all"), ("reason", "noisy")]).await;
    assert_eq!(here.count("SELECT count(*) FROM tally.paused_kinds WHERE kind = 'reconcile_all'").await, 1);
    done(&mut admin, "/operate/kinds/reconcile_all/resume", &[]).await;
    assert_eq!(here.last_entry().await.0, "kind.resume");
    for (unknown, fields) in [
        ("/operate/queues/nothing/pause", [("reason", "x"), ("kind", "")]),
        ("/operate/kinds/pause", [("reason", "x"), ("kind", "nothing")]),
    ] {
        assert_eq!(admin.post(unknown, &fields).await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn a_schedule_is_run_paused_and_resumed() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    let to = done(&mut admin, "/operate/schedules/nightly/run", &[]).await;
    assert_eq!(to, "/operate/schedules/nightly?said=enqueued");
    assert!(read(&mut admin, &to).await.contains("by hand"));
    assert_eq!(here.count("SELECT count(*) FROM tally.schedule_fires WHERE manual").await, 1);
    assert_eq!(here.last_entry().await.1, "schedule nightly");
    let again = done(&mut admin, "/operate/schedules/nightly/run", &[]).await;
    assert_eq!(again, "/operate/schedules/nightly?said=still-lives");
    done(&mut admin, "/operate/schedules/nightly/run", &[("force", "yes")]).await;
    assert_eq!(here.count("SELECT count(*) FROM tally.jobs WHERE kind = 'purge_expired'").await, 2);
    done(&mut admin, "/operate/schedules/nightly/pause", &[("reason", "holidays")]).await;
    assert!(read(&mut admin, "/operate/schedules").await.contains("paused: holidays"));
    done(&mut admin, "/operate/schedules/nightly/resume", &[]).await;
    assert_eq!(here.last_entry().await.0, "schedule.resume");
    assert_eq!(here.count("SELECT count(*) FROM tally.schedules WHERE paused").await, 0);
    assert_eq!(admin.get("/operate/schedules/nothing").await.status, StatusCode::NOT_FOUND);
}

/// Broken by hand: with a `who_may` that lets all pass, an admin sees the body.
#[tokio::test]
async fn what_is_in_quarantine_is_replayed_and_bodies_are_not_seen_unseen() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    let page = read(&mut admin, "/operate/quarantine/1").await;
    assert!(page.contains("sender/1") && page.contains("SQLSTATE 22P05") && !page.contains("marker"), "{page}");
    assert_eq!(admin.post("/operate/quarantine/1/body", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(here.entries().await, 0);
    let shown = here.root().await.post("/operate/quarantine/1/body", &[]).await;
    assert!(shown.text.contains("marker"), "{}", shown.text);
    let (action, what, details) = here.last_entry().await;
    assert_eq!((action.as_str(), what.as_str()), ("inbox.show_body", "quarantine 1"));
    assert!(!details.to_string().contains("marker"));

    assert_eq!(done(&mut admin, "/operate/quarantine/1/replay", &[]).await, "/operate/quarantine?said=pending");
    let pending = "SELECT count(*) FROM tally.inbox_pending WHERE inbox_id = 1";
    assert_eq!((here.count(pending).await, here.count("SELECT count(*) FROM tally.quarantine").await), (1, 0));
    assert_eq!(here.last_entry().await.0, "inbox.replay");
    assert_eq!(admin.post("/operate/quarantine/1/replay", &[]).await.status, StatusCode::NOT_FOUND);

    let again = "DELETE FROM tally.inbox_pending;
        INSERT INTO tally.quarantine (user_id, id, provider, endpoint, inbox_id, reason, received_at)
        SELECT user_id, 2, provider, endpoint, id, 'data_error', received_at FROM tally.inbox;
        INSERT INTO tally.quarantine (user_id, id, provider, endpoint, reason, body, received_at)
        SELECT user_id, 3, provider, endpoint, 'not_json', '{nonsense', received_at FROM tally.inbox";
    sqlx::raw_sql(again).execute(&here.db.admin).await.unwrap();
    let page = read(&mut admin, "/operate/quarantine?reason=data_error").await;
    assert!(page.contains("Replay these 1") && page.contains("not_json"), "{page}");
    let fields = [("reason", "data_error"), ("up_to", "3")];
    let answer = admin.post("/operate/quarantine/replay", &fields).await;
    assert!(answer.text.contains("<strong>1</strong> events of reason data_error"), "{}", answer.text);
    assert_eq!(here.count("SELECT count(*) FROM tally.quarantine WHERE reason = 'not_json'").await, 1);
    assert_eq!(here.last_entry().await.1, "quarantine many");
    assert_eq!(done(&mut admin, "/operate/quarantine/3/replay", &[]).await, "/operate/quarantine/3?said=still-refused");
}

#[tokio::test]
async fn a_backfill_is_previewed_started_and_steered() {
    let here = Here::new().await;
    let calls = "WITH a AS (INSERT INTO agents (user_id, name, bolna_agent_id) VALUES ($1, 'Agent', 'agent') RETURNING user_id, id)
         INSERT INTO calls (user_id, agent_id, started_at)
         SELECT user_id, id, timestamptz '2026-03-01 12:00Z' + n * interval '1 day' FROM a, generate_series(0, 9) n";
    sqlx::query(calls).bind(here.tenant).execute(&here.db.admin).await.unwrap();
    let mut admin = here.admin().await;
    let tenant = here.tenant.to_string();
    let days = format!("tenant={tenant}&from=2026-03-03&to=2026-03-05&mode=all");
    let preview = read(&mut admin, &format!("/operate/backfills/preview?{days}")).await;
    assert!(preview.contains("<dt>Calls</dt><dd>3</dd>"), "{preview}");
    assert_eq!(here.count("SELECT count(*) FROM tally.backfills").await, 0);
    let fields =
        [("tenant", tenant.as_str()), ("from", "2026-03-03"), ("to", "2026-03-05"), ("mode", "all"), ("reason", "why")];
    let to = done(&mut admin, "/operate/backfills", &fields).await;
    let page = to.split('?').next().unwrap().to_owned();
    assert!(read(&mut admin, &to).await.contains("0 of 3 planned"));
    assert_eq!(here.last_entry().await.0, "backfill.start");
    for (change, state) in [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")] {
        done(&mut admin, &format!("{page}/{change}"), &[]).await;
        assert!(read(&mut admin, &page).await.contains(&format!("<strong>{state}</strong>")), "{change}");
        let (action, _, details) = here.last_entry().await;
        assert_eq!((action, &details["after"]["state"]), (format!("backfill.{change}"), &state.into()));
    }
    assert_eq!(admin.post(&format!("{page}/resume"), &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = admin.get("/operate/backfills/preview?from=2026-03-05&to=2026-03-03").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_quality_page_counts_events_differences_and_what_does_not_end() {
    let here = Here::new().await;
    let facts = "INSERT INTO tally.audit_differences (user_id, found_by, figure, compared_with, expected, found)
         VALUES ($1, 'sample', 'total_calls', 'calls', '3', '4')";
    sqlx::query(facts).bind(here.tenant).execute(&here.db.admin).await.unwrap();
    let rows = "INSERT INTO user_analytics (user_id, grain, bucket_start, bucket_end, zone, date, hour, generation, in_progress_calls,
             total_calls, contact_ids, duration_values, duration_counts)
         SELECT $1, g, b, b + l, 'UTC', b::date, CASE g WHEN 'hour' THEN extract(hour FROM b AT TIME ZONE 'UTC')::int END, 1, n, n, e::text::uuid[], e, e
         FROM (SELECT *, CASE g WHEN 'day' THEN '{}'::int[] END AS e FROM (VALUES ('hour', date_trunc('hour', now()) - interval '4 hours', interval '1 hour', 2),
                      ('hour', date_trunc('day', now()) - interval '1 day', interval '1 hour', 3),
                      ('day', date_trunc('day', now()) - interval '1 day', interval '1 day', 5),
                      ('day', date_trunc('day', now()) - interval '3 days', interval '1 day', 7),
                      ('day', date_trunc('day', now()) - interval '30 days', interval '1 day', 11)) v (g, b, l, n)) w";
    sqlx::query(rows).bind(here.tenant).execute(&here.db.admin).await.unwrap();
    let page = read(&mut here.admin().await, "/operate/quality").await;
    let cells = |numbers: [&str; 3]| numbers.map(|n| format!("<td class=\"n\">{n}</td>")).join("");
    assert!(page.contains(&cells(["5", "7", "11"])), "{page}");
    assert!(page.contains("total_calls") && page.contains("<td class=\"n\">1</td><td class=\"n\">1</td>"), "{page}");
    assert_eq!(page.matches(" UTC</time></th>").count(), 48, "{page}");
}
