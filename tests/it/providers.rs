//! Accounts at providers, as an operator sets them, and what the status shows of them.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;
use tallyline::status;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::daemon::{Site, text};

const KEY: &str = "a-key-that-nobody-may-see";
const ACCOUNT: &str = "AC00000000000000000000000000000001";

fn with_key(site: &Site, arguments: &[&str], key: &str) -> Output {
    let mut child =
        site.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn added_tenant(site: &Site, email: &str) -> String {
    let added = site.run(&["tenant", "add", "--name", "One", "--email", email, "--json"]);
    assert!(added.status.success(), "{}", text(&added));
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    added["user_id"].as_str().unwrap().to_owned()
}

/// Breaks tried: the key among the trail's details; the row written without sealing.
#[tokio::test]
async fn an_account_is_set_listed_and_disabled_and_its_key_is_never_shown() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let tenant = added_tenant(&site, "one@example.test");
    let set = ["tenant", "provider", "set", "--tenant", &tenant, "--provider"];
    let bolna = with_key(&site, &[&set[..], &["bolna"]].concat(), &format!("{KEY}\n"));
    assert!(bolna.status.success(), "{}", text(&bolna));
    let twilio = with_key(&site, &[&set[..], &["twilio", "--account-sid", ACCOUNT]].concat(), KEY);
    assert!(twilio.status.success(), "{}", text(&twilio));
    let disabled = site.run(&["tenant", "provider", "disable", "--tenant", &tenant, "--provider", "twilio"]);
    assert!(disabled.status.success(), "{}", text(&disabled));

    let listed = site.run(&["tenant", "provider", "list", "--tenant", &tenant, "--json"]);
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(rows[0]["provider"], "bolna");
    assert_eq!(rows[0]["base_url"], "https://api.bolna.ai");
    assert_eq!(rows[0]["disabled_at"], Value::Null);
    assert_eq!(rows[1]["account_sid"], ACCOUNT);
    assert_eq!(rows[1]["disabled_reason"], "operator");
    let table = site.run(&["tenant", "provider", "list"]);
    for shown in [&bolna, &twilio, &disabled, &listed, &table] {
        assert!(!text(shown).contains(KEY), "{}", text(shown));
    }

    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed_key FROM tally.provider_accounts").fetch_all(&db.admin).await.unwrap();
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|sealed| !sealed.windows(KEY.len()).any(|part| part == KEY.as_bytes())));
    let trail: Vec<(String, Option<Uuid>, String)> = sqlx::query_as(
        "SELECT action, target_user_id, details::text FROM admin_audit_log WHERE resource_type = 'provider_account' ORDER BY created_at",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    let actions: Vec<&str> = trail.iter().map(|entry| entry.0.as_str()).collect();
    assert_eq!(actions, ["provider.set", "provider.set", "provider.disable"]);
    assert!(trail.iter().all(|entry| entry.1 == tenant.parse().ok() && !entry.2.contains(KEY)));
}

/// Nothing of it is written.
#[tokio::test]
async fn what_cannot_be_an_account_is_refused() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let tenant = added_tenant(&site, "one@example.test");
    let nobody = Uuid::new_v4().to_string();
    let system = Uuid::from_u128(1).to_string();
    for (arguments, key, code) in [
        (vec!["--tenant", &tenant, "--provider", "analysis"], KEY, 2),
        (vec!["--tenant", &tenant, "--provider", "bolna", "--base-url", "http://api.example.com"], KEY, 2),
        (vec!["--tenant", &tenant, "--provider", "bolna", "--account-sid", ACCOUNT], KEY, 2),
        (vec!["--tenant", &tenant, "--provider", "twilio"], KEY, 2),
        (vec!["--tenant", &tenant, "--provider", "twilio", "--account-sid", "AC1"], KEY, 2),
        (vec!["--tenant", &tenant, "--provider", "bolna"], "", 2),
        (vec!["--tenant", &tenant, "--provider", "bolna"], "two words", 2),
        (vec!["--tenant", &nobody, "--provider", "bolna"], KEY, 2),
        (vec!["--tenant", &system, "--provider", "bolna"], KEY, 2),
    ] {
        let refused = with_key(&site, &[&["tenant", "provider", "set"], arguments.as_slice()].concat(), key);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?} {}", text(&refused));
    }
    let disabled = site.run(&["tenant", "provider", "disable", "--tenant", &tenant, "--provider", "bolna"]);
    assert_eq!(disabled.status.code(), Some(2), "{}", text(&disabled));
    let written: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM tally.provider_accounts) + (SELECT count(*) FROM admin_audit_log WHERE action LIKE 'provider.%')",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap();
    assert_eq!(written, 0);
}

/// Set again it is in use again; what was reconciled stays so only at the same address.
#[tokio::test]
async fn another_address_begins_anew() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let tenant = added_tenant(&site, "one@example.test");
    let set = |base_url: &str| {
        let arguments =
            ["tenant", "provider", "set", "--tenant", &tenant, "--provider", "bolna", "--base-url", base_url];
        assert!(with_key(&site, &arguments, KEY).status.success());
    };
    let state = "SELECT base_url || ' ' || coalesce(reconciled_until::text, 'anew') || ' ' || coalesce(disabled_reason, 'in use')
                 FROM tally.provider_accounts";
    let state = || sqlx::query_scalar::<_, String>(state).fetch_one(&db.admin);
    set("https://a.example.com");
    sqlx::query("UPDATE tally.provider_accounts SET reconciled_until = '2026-03-01Z', disabled_at = now(), disabled_reason = 'http_401'")
        .execute(&db.admin)
        .await
        .unwrap();
    set("https://a.example.com/");
    assert_eq!(state().await.unwrap(), "https://a.example.com 2026-03-01 00:00:00+00 in use");
    set("https://b.example.com");
    assert_eq!(state().await.unwrap(), "https://b.example.com anew in use");
}

/// Defect 40: that something is not reconciled is seen. Break tried: disabled accounts counted as in use.
#[tokio::test]
async fn defect_40_what_is_not_reconciled_is_on_the_status_screen() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    for (position, email) in
        ["one@example.test", "two@example.test", "three@example.test", "four@example.test"].iter().enumerate()
    {
        let tenant = added_tenant(&site, email);
        if position < 2 {
            let set = ["tenant", "provider", "set", "--tenant", &tenant, "--provider", "bolna"];
            assert!(with_key(&site, &set, KEY).status.success());
        }
    }
    let statements = [
        "UPDATE tally.provider_accounts SET disabled_at = now(), disabled_reason = 'http_401', last_error = 'http_401'
         WHERE user_id = (SELECT max(user_id::text)::uuid FROM tally.provider_accounts)",
        "UPDATE tally.provider_accounts SET reconciled_until = now() - interval '3 hours', last_error = 'timeout' WHERE disabled_at IS NULL",
        "INSERT INTO tally.provider_checks (user_id, provider, ref, result, first_checked_at, checked_at, next_check_at)
         SELECT user_id, 'bolna', r, r, now(), now(), now() FROM tally.provider_accounts, unnest('{found,unknown,refused}'::text[]) r",
    ];
    for statement in statements {
        sqlx::raw_sql(statement).execute(&db.admin).await.unwrap();
    }
    let found = status::collect(&db.pool).await.unwrap();
    let r = &found.reconcile;
    assert_eq!((r.accounts_in_use, r.accounts_failing, r.accounts_disabled, r.tenants_without), (1, 1, 1, 3));
    assert_eq!((r.unknown_calls, r.refused_answers), (2, 2));
    assert!((10_800.0..11_000.0).contains(&r.oldest_watermark_seconds.unwrap()));
    let screen = found.to_string();
    let lines: Vec<&str> = screen.lines().skip_while(|line| *line != "Reconciliation").collect();
    assert_eq!(
        lines[2].split_whitespace().collect::<Vec<_>>(),
        ["1", "1", "1", "3", "3", "h", "0", "min", "2", "2"],
        "{screen}"
    );
}
