//! Run-time settings: set by one process, followed by the others, bad ones ignored.

use std::time::Duration;

use serde_json::Value;
use tallyline_jobs::settings::{self, Settings, SettingsHandle, Unusable};
use tallyline_testkit::{TestDb, wait_until};
use tokio_util::sync::CancellationToken;

use crate::daemon::{Site, text};

async fn row(db: &TestDb, key: &str, value: &str) {
    sqlx::query(
        "INSERT INTO system_config (config_key, config_value) VALUES ($1, $2)
         ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value",
    )
    .bind(key)
    .bind(value)
    .execute(&db.admin)
    .await
    .unwrap();
}

/// Break tried: `reload` without writing the new settings into the handle.
#[tokio::test]
async fn a_running_process_follows_the_command_line() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let handle = SettingsHandle::load(&db.pool).await.unwrap();
    assert_eq!(*handle.current(), Settings::default());
    let stop = CancellationToken::new();
    let watcher = tokio::spawn(settings::watch(db.pool.clone(), handle.clone(), stop.clone()));

    let set = site.run(&["settings", "set", "credits_per_minute", "0.75"]);
    assert!(set.status.success(), "{}", text(&set));
    wait_until("the price is followed", Duration::from_secs(30), || async {
        handle.current().credits_per_minute_micros == 750_000
    })
    .await;
    let unset = site.run(&["settings", "unset", "credits_per_minute"]);
    assert!(unset.status.success(), "{}", text(&unset));
    wait_until("the default is back", Duration::from_secs(30), || async { *handle.current() == Settings::default() })
        .await;
    stop.cancel();
    watcher.await.unwrap();

    let trail: Vec<(String, Value)> = sqlx::query_as(
        "SELECT action, details FROM admin_audit_log WHERE resource_id = 'credits_per_minute' ORDER BY created_at",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    let told: Vec<_> =
        trail.iter().map(|(action, details)| (action.as_str(), &details["before"], &details["after"])).collect();
    let price = Value::from("0.75");
    assert_eq!(told, [("setting.set", &Value::Null, &price), ("setting.unset", &price, &Value::Null)]);
}

/// Break tried: defaults instead of the last values where a row is unusable.
#[tokio::test]
async fn a_value_that_cannot_be_used_leaves_the_last_one_in_force() {
    let db = TestDb::new().await;
    row(&db, "billing_pulse_seconds", "30").await;
    let handle = SettingsHandle::load(&db.pool).await.unwrap();
    assert_eq!(handle.current().billing_pulse_seconds, 30);

    row(&db, "billing_pulse_seconds", "half a minute").await;
    row(&db, "no_such_setting", "1").await;
    // What jobs note there is no setting.
    row(&db, "last_kpi_refresh", "1764147600").await;
    row(&db, "audit_cursor", "00000000-0000-0000-0000-000000000000").await;
    let rejected = handle.reload(&db.pool).await.unwrap();
    assert_eq!(handle.current().billing_pulse_seconds, 30);
    let reasons: Vec<_> = rejected.into_iter().map(|row| (row.key, row.reason)).collect();
    let expected = [
        ("billing_pulse_seconds".to_owned(), Unusable::NotInRange(1, 3600)),
        ("no_such_setting".to_owned(), Unusable::Unknown),
    ];
    assert_eq!(reasons, expected);

    let site = Site::new(&db);
    let list = site.run(&["settings", "list", "--json"]);
    assert_eq!(list.status.code(), Some(1), "{}", text(&list));
    assert!(text(&list).contains("no_such_setting"));
    let refused = site.run(&["settings", "set", "billing_pulse_seconds", "0"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
}

/// Break tried: `tenant add` with constants of its own.
#[tokio::test]
async fn a_new_tenant_begins_with_what_the_platform_is_set_to() {
    let db = TestDb::new().await;
    row(&db, "billing_pulse_seconds", "20").await;
    row(&db, "credits_per_minute", "1.25").await;
    row(&db, "new_user_bonus_credits", "40").await;
    let site = Site::new(&db);
    let added = site.run(&["tenant", "add", "--name", "Tenant", "--email", "a@example.test"]);
    assert!(added.status.success(), "{}", text(&added));
    let (pulse, price, balance): (i32, i64, i64) =
        sqlx::query_as("SELECT billing_pulse_seconds, credits_per_minute_micros, credits_micros FROM users")
            .fetch_one(&db.admin)
            .await
            .unwrap();
    assert_eq!((pulse, price, balance), (20, 1_250_000, 40_000_000));
    let trail: Vec<String> =
        sqlx::query_scalar("SELECT l.action FROM admin_audit_log l JOIN users u ON u.id = l.target_user_id")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(trail, ["tenant.add"]);
}
