//! Notifications and follow-ups as operators and receivers meet them: the command
//! line, a daemon, a daemon that is killed.

use std::time::Duration;

use serde_json::Value;
use tallyline_testkit::webhook_sink::{Answer, WebhookSink};
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, text};

const LONG: Duration = Duration::from_secs(60);

/// Runs a command that must go well; returns what it printed.
fn done(site: &Site, arguments: &[&str]) -> String {
    let output = site.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn json(site: &Site, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(site, arguments)).unwrap()
}

async fn tenant(db: &TestDb, site: &Site) -> String {
    done(site, &["tenant", "add", "--name", "Tenant", "--email", "a@example.test", "--default-country-code", "91"]);
    sqlx::query_scalar("SELECT id::text FROM users").fetch_one(&db.admin).await.unwrap()
}

async fn notify(db: &TestDb, key: &str) {
    sqlx::query("INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key) SELECT id, 'credits.low', '{}', $1 FROM users")
        .bind(key)
        .execute(&db.admin)
        .await
        .unwrap();
}

async fn trail(db: &TestDb) -> Vec<String> {
    let actions = "SELECT action FROM admin_audit_log WHERE action NOT LIKE 'tenant.%' ORDER BY created_at, id";
    sqlx::query_scalar(actions).fetch_all(&db.admin).await.unwrap()
}

/// Break tried: the claim without an end; after the kill nobody takes the delivery again.
#[tokio::test]
async fn a_daemon_that_is_killed_while_it_posts_is_made_up_for() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let (user, sink) = (tenant(&db, &site).await, WebhookSink::start().await);
    let created = json(&site, &["notify", "endpoint", "add", "--tenant", &user, "--url", &sink.url, "--json"]);
    let secret = created["secret"].as_str().unwrap();
    notify(&db, "a").await;
    sink.otherwise(Answer::Held(200));
    let daemon = site.start().await;
    wait_until("the request is under way", LONG, || async { sink.attempts().len() == 1 }).await;
    daemon.kill();
    sink.release();
    // Its claim lasts longer than a request may; the test does not wait for that.
    let lapse = "UPDATE tally.notification_deliveries SET claimed_until = now() WHERE claimed_until IS NOT NULL";
    assert_eq!(sqlx::query(lapse).execute(&db.admin).await.unwrap().rows_affected(), 1);
    let _daemon = site.start().await;
    wait_until("it is delivered", LONG, || async {
        let delivered = ["notify", "list", "--tenant", &user, "--state", "delivered", "--json"];
        json(&site, &delivered)[0]["attempts"] == 2
    })
    .await;
    let attempts = sink.attempts();
    assert_eq!((attempts.len(), &attempts[0].id), (2, &attempts[1].id));
    assert!(attempts.iter().all(|attempt| attempt.signed_by(secret) == 1));
    assert_eq!(attempts[0].body, attempts[1].body);

    let metrics = reqwest::get(format!("http://{}/metrics", site.address)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"tallyline_notification_attempts_total{outcome="delivered"} 1"#), "{metrics}");
}

#[tokio::test]
async fn operators_look_after_endpoints() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let user = tenant(&db, &site).await;
    let add = |url| site.run(&["notify", "endpoint", "add", "--tenant", &user, "--url", url, "--kind", "credits.low"]);
    for (url, code) in [("http://example.com/", 2), ("nonsense", 2), ("https://example.com/secret-path", 0)] {
        let output = add(url);
        assert_eq!(output.status.code(), Some(code), "{url}: {}", text(&output));
        assert_eq!(text(&output).contains("whsec_"), code == 0);
    }
    let list = || json(&site, &["notify", "endpoint", "list", "--tenant", &user, "--json"]);
    let endpoint = list()[0]["endpoint"].as_str().unwrap().to_owned();
    let change = |what: &str| done(&site, &["notify", "endpoint", what, "--tenant", &user, &endpoint]);
    assert!(change("rotate").contains("whsec_"));
    assert!(!list()[0]["previous_expires_at"].is_null());
    assert_eq!(change("disable").trim(), "disabled");
    assert_eq!(list()[0]["disabled_reason"], "by hand");
    assert_eq!(change("enable").trim(), "enabled");
    notify(&db, "a").await;
    assert_eq!(json(&site, &["notify", "list", "--tenant", &user, "--json"])[0]["state"], "waiting");
    assert_eq!(done(&site, &["notify", "replay", "--tenant", &user, "--failed"]).trim(), "0 to be sent again");
    let other = uuid::Uuid::new_v4().to_string();
    assert_eq!(site.run(&["notify", "endpoint", "enable", "--tenant", &other, &endpoint]).status.code(), Some(2));
    assert!(done(&site, &["status"]).contains("notifications"));

    let expected = ["add", "rotate", "disable", "enable"].map(|what| format!("notification_endpoint.{what}"));
    let mut expected = expected.to_vec();
    expected.push("notification.replay".to_owned());
    assert_eq!(trail(&db).await, expected);
    let leaks = "SELECT count(*) FROM admin_audit_log WHERE details::text ~ 'whsec_|secret-path'";
    assert_eq!(sqlx::query_scalar::<_, i64>(leaks).fetch_one(&db.admin).await.unwrap(), 0);
}

/// Break tried: `change.sql` without `follow_up_status = 'pending'`.
#[tokio::test]
async fn follow_ups_by_hand() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let user = tenant(&db, &site).await;
    sqlx::query("INSERT INTO contacts (user_id, name, phone_number, phone_e164) SELECT id, 'Asha', '+919800000001', '+919800000001' FROM users")
        .execute(&db.admin)
        .await
        .unwrap();
    let add = ["follow-up", "add", "--tenant", &user, "--date", "2031-03-05"];
    done(&site, &[&add[..], &["--phone", "098000 00001", "--remark", "Wants prices"]].concat());
    assert_eq!(site.run(&add).status.code(), Some(2), "neither number nor address");
    let list = || json(&site, &["follow-up", "list", "--tenant", &user, "--json"]);
    let row = &list()[0];
    assert_eq!(
        (&row["phone_e164"], &row["lead_name"], &row["source"]),
        (&"+919800000001".into(), &"Asha".into(), &"manual".into())
    );
    assert!(row["contact_id"].is_string());
    let id = row["id"].as_str().unwrap().to_owned();
    done(&site, &["follow-up", "reschedule", "--tenant", &user, &id, "--date", "2031-03-06"]);
    assert_eq!((&list()[0]["follow_up_date"], &list()[0]["status"]), (&"2031-03-06".into(), &"pending".into()));
    done(&site, &["follow-up", "complete", "--tenant", &user, &id]);
    for change in ["complete", "cancel"] {
        assert_eq!(site.run(&["follow-up", change, "--tenant", &user, &id]).status.code(), Some(2), "{change}");
    }
    assert_eq!(list()[0]["status"], "completed");

    done(&site, &[&add[..], &["--email", "lead@example.test"]].concat());
    let second = json(&site, &["follow-up", "list", "--tenant", &user, "--status", "pending", "--json"]);
    done(&site, &["follow-up", "cancel", "--tenant", &user, second[0]["id"].as_str().unwrap()]);
    assert_eq!(
        trail(&db).await,
        ["add", "reschedule", "complete", "add", "cancel"].map(|what| format!("follow_up.{what}"))
    );
}

/// A day has begun everywhere, but at any moment the clocks of one of these zones have
/// not come to nine. Break tried: the job with nine o'clock of its own.
#[tokio::test]
async fn the_hour_of_reminders_is_a_setting() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    done(&site, &["settings", "set", "follow_up_reminder_hour", "0"]);
    for (email, zone) in [("a", "UTC"), ("b", "Asia/Singapore"), ("c", "America/Los_Angeles")] {
        let email = format!("{email}@example.test");
        done(&site, &["tenant", "add", "--name", "Tenant", "--email", &email, "--timezone", zone]);
    }
    sqlx::query(
        "INSERT INTO follow_ups (user_id, lead_phone, follow_up_date) SELECT id, '+12025550143', (now() AT TIME ZONE timezone)::date FROM users",
    )
    .execute(&db.admin)
    .await
    .unwrap();
    let _daemon = site.start().await;
    sqlx::query("SELECT tally.request_job('remind_follow_ups', 'test', NULL, '0 s')").execute(&db.admin).await.unwrap();
    wait_until("all three are reminded", LONG, || async {
        let told = "SELECT count(*) FROM tally.notifications WHERE kind = 'follow_up.due'";
        sqlx::query_scalar::<_, i64>(told).fetch_one(&db.admin).await.unwrap() == 3
    })
    .await;
}
