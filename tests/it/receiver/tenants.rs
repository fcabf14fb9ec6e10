//! Tenants, agents, zones: what is done by hand.

use std::time::Duration;

use sqlx::Connection;
use tallyline::tenants::{
    NewTenant, TenantError, add_agent, create_tenant, list_agents, list_endpoints, list_tenants, rotate_secret,
    set_allowed_ips, set_timezone, tenant_by_email,
};
use tallyline_model::Provider;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::support::{ACCOUNT, add_tenant, endpoint, key, new_tenant};
use crate::daemon::{Site, text};

#[tokio::test]
async fn a_new_tenant_has_a_lane_and_three_endpoints_with_secrets_told_once() {
    let db = TestDb::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let one = add_tenant(&mut conn, "a@example.test").await;
    let two = create_tenant(&mut conn, &key(), NewTenant::new("Beta", "b@example.test")).await.unwrap();
    let names: std::collections::HashSet<_> =
        one.endpoints.iter().chain(&two.endpoints).map(|endpoint| endpoint.endpoint.clone()).collect();
    assert_eq!(names.len(), 6);
    assert!(names.iter().all(|name| name.len() >= 16));
    assert_eq!(endpoint(&one, Provider::Twilio).secret, "test_token_0123456789abcdef012345");
    assert_eq!(endpoint(&two, Provider::Twilio).secret.len(), 32);
    assert!(endpoint(&two, Provider::Analysis).secret.starts_with("whsec_"));
    assert!(endpoint(&two, Provider::Bolna).secret.len() >= 43);

    let stored: String = sqlx::query_scalar("SELECT string_agg(e::text, E'\n') FROM tally.endpoints e")
        .fetch_one(&db.admin)
        .await
        .unwrap();
    let shown = format!("{one:?} {two:?}");
    for endpoint in one.endpoints.iter().chain(&two.endpoints) {
        assert!(!stored.contains(&hex::encode(&endpoint.secret)), "a secret lies open");
        assert!(!stored.contains(&endpoint.secret) && !shown.contains(&endpoint.secret));
    }
    let lanes: i64 = sqlx::query_scalar("SELECT count(*) FROM tally.lanes").fetch_one(&db.admin).await.unwrap();
    assert_eq!(lanes, 2);

    let tenants = list_tenants(&mut conn).await.unwrap();
    let seen: Vec<_> = tenants.iter().map(|t| (t.user_id, t.name.as_str(), t.agents)).collect();
    assert_eq!(seen, [(one.user_id, "Acme", 0), (two.user_id, "Beta", 0)]);
    let listed = list_endpoints(&mut conn, one.user_id).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|e| (e.provider.as_str(), e.account_sid.as_deref())).collect();
    assert_eq!(listed, [("analysis", None), ("bolna", None), ("twilio", Some(ACCOUNT))]);
}

#[tokio::test]
async fn a_tenant_that_cannot_be_is_refused_with_the_reason_and_leaves_nothing() {
    let db = TestDb::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let first = add_tenant(&mut conn, "Anna@example.test").await;
    // In a transaction of the caller's, which must survive every refusal.
    let mut tx = conn.begin().await.unwrap();
    let mut refusal = async |tenant: NewTenant| create_tenant(&mut tx, &key(), tenant).await.unwrap_err();
    assert!(matches!(refusal(new_tenant("ANNA@example.test")).await, TenantError::DuplicateEmail(_)));
    for zone in ["Mars/Olympus", "", "EST", "asia/kolkata"] {
        let tenant = NewTenant { timezone: zone.to_owned(), ..new_tenant("b@example.test") };
        assert!(matches!(refusal(tenant).await, TenantError::UnknownZone(_)), "{zone}");
    }
    let base = || new_tenant("b@example.test");
    for tenant in [
        NewTenant { email: "nobody".to_owned(), ..base() },
        NewTenant { name: " ".to_owned(), ..base() },
        NewTenant { name: "x".repeat(256), ..base() },
        NewTenant { currency: "usd".to_owned(), ..base() },
        NewTenant { score_scale: 1, ..base() },
        NewTenant { billing_pulse_seconds: 0, ..base() },
        NewTenant { credits_per_minute_micros: -1, ..base() },
        NewTenant { default_country_code: Some("+91".to_owned()), ..base() },
    ] {
        let said = format!("{tenant:?}");
        assert!(matches!(refusal(tenant).await, TenantError::Invalid(_)), "{said}");
    }
    let created = create_tenant(&mut tx, &key(), base()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(tenant_by_email(&mut conn, "B@Example.Test").await.unwrap(), Some(created.user_id));
    assert_eq!(tenant_by_email(&mut conn, "anna@example.test").await.unwrap(), Some(first.user_id));
    let left: (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM public.users), (SELECT count(*) FROM tally.endpoints)")
            .fetch_one(&db.admin)
            .await
            .unwrap();
    assert_eq!(left, (2, 6));
}

/// An event in the inbox that was put into quarantine.
async fn quarantined(db: &TestDb, user_id: Uuid, n: i64, reason: &str, agent: &str, stripped: bool) {
    sqlx::query(
        "WITH i AS (INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body) VALUES ($1, 'bolna', 'endpoint',
             sha256($2::bigint::text::bytea), CASE WHEN $5 THEN NULL ELSE ''::bytea END) RETURNING user_id, provider, endpoint, id, received_at)
         INSERT INTO tally.quarantine (user_id, provider, endpoint, inbox_id, received_at, reason, wait_key) SELECT i.*, $3, $4 FROM i",
    )
    .bind(user_id)
    .bind(n)
    .bind(reason)
    .bind(agent)
    .bind(stripped)
    .execute(&db.admin)
    .await
    .unwrap();
}

/// Broken by hand: without the condition on `wait_key` the other agent's event
/// comes back too; without the one on the body the stripped one does.
#[tokio::test]
async fn an_agent_brings_back_the_events_that_waited_for_it_and_no_others() {
    let db = TestDb::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let tenant = add_tenant(&mut conn, "a@example.test").await.user_id;
    let other = add_tenant(&mut conn, "b@example.test").await.user_id;
    quarantined(&db, tenant, 1, "unknown_agent", "agent-1", false).await;
    quarantined(&db, tenant, 2, "unknown_agent", "agent-1", false).await;
    quarantined(&db, tenant, 3, "unknown_agent", "agent-2", false).await;
    quarantined(&db, tenant, 4, "no_call", "agent-1", false).await;
    quarantined(&db, tenant, 5, "unknown_agent", "agent-1", true).await;
    quarantined(&db, other, 1, "unknown_agent", "agent-1", false).await;

    let id = add_agent(&mut conn, tenant, "agent-1", "Asha").await.unwrap();
    let pending: Vec<(Uuid, bool)> = sqlx::query_as(
        "SELECT p.user_id, p.received_at = i.received_at AND p.state = 'ready'
         FROM tally.inbox_pending p JOIN tally.inbox i ON i.user_id = p.user_id AND i.id = p.inbox_id
         WHERE i.body_sha256 IN (sha256('1'), sha256('2'))",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(pending, [(tenant, true), (tenant, true)]);
    let left: (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM tally.inbox_pending), (SELECT count(*) FROM tally.quarantine)")
            .fetch_one(&db.admin)
            .await
            .unwrap();
    assert_eq!(left, (2, 4));

    let agents = list_agents(&mut conn, tenant).await.unwrap();
    assert_eq!((agents.len(), agents[0].id, agents[0].name.as_str()), (1, id, "Asha"));
    let again = add_agent(&mut conn, tenant, "agent-1", "Asha").await.unwrap_err();
    assert!(matches!(again, TenantError::DuplicateAgent(_)), "{again}");
    let nobody = add_agent(&mut conn, Uuid::nil(), "agent-1", "Asha").await.unwrap_err();
    assert!(matches!(nobody, TenantError::UnknownTenant), "{nobody}");
    assert!(add_agent(&mut conn, other, "agent-1", "Same id, other tenant").await.is_ok());
}

#[tokio::test]
async fn a_new_zone_marks_its_buckets_and_those_of_the_old_one() {
    let db = TestDb::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let tenant = add_tenant(&mut conn, "a@example.test").await.user_id;
    let other = add_tenant(&mut conn, "b@example.test").await.user_id;
    for user_id in [tenant, other] {
        for statement in [
            "INSERT INTO tally.quarter_rollups (user_id, bucket_start, agent_id, generation, duration_values, duration_counts, contact_ids)
             SELECT $1, timestamptz '2026-03-03 00:00Z' + n * interval '15 minutes', gen_random_uuid(), 1, '{}', '{}', '{}'
             FROM generate_series(0, 4) n, generate_series(1, 2)",
            "INSERT INTO public.user_analytics (user_id, grain, bucket_start, bucket_end, zone, date, hour, generation)
             VALUES ($1, 'hour', '2026-03-03 00:00Z', '2026-03-03 01:00Z', 'UTC', '2026-03-03', 0, 1)",
            "INSERT INTO public.agent_analytics (user_id, agent_id, grain, bucket_start, bucket_end, zone, date, hour, generation)
             VALUES ($1, gen_random_uuid(), 'hour', '2026-03-03 00:00Z', '2026-03-03 01:00Z', 'UTC', '2026-03-03', 0, 1)",
            "INSERT INTO tally.rollup_marks (user_id, tier, bucket_start) VALUES ($1, 1, '2026-03-03 00:00Z')",
        ] {
            sqlx::query(statement).bind(user_id).execute(&db.admin).await.unwrap();
        }
    }
    let seen = async |user_id: Uuid| -> (i64, i64, i64, i64, String) {
        sqlx::query_as(
            "SELECT (SELECT count(*) FROM public.user_analytics WHERE user_id = u.id), (SELECT count(*) FROM public.agent_analytics WHERE user_id = u.id),
                 (SELECT count(*) FROM tally.rollup_marks WHERE user_id = u.id AND tier = 0), (SELECT count(*) FROM tally.rollup_marks
                  WHERE user_id = u.id AND tier > 0), u.timezone::text FROM public.users u WHERE u.id = $1",
        )
        .bind(user_id)
        .fetch_one(&db.admin)
        .await
        .unwrap()
    };
    set_timezone(&mut conn, tenant, "UTC").await.unwrap();
    assert_eq!(seen(tenant).await, (1, 1, 0, 1, "UTC".to_owned()), "nothing changes");
    let wrong = set_timezone(&mut conn, tenant, "Mars/Olympus").await.unwrap_err();
    assert!(matches!(wrong, TenantError::UnknownZone(_)), "{wrong}");
    assert_eq!(seen(tenant).await, (1, 1, 0, 1, "UTC".to_owned()));

    set_timezone(&mut conn, tenant, "Asia/Kolkata").await.unwrap();
    // Rows of the zone before stay until the roll-up comes; two hours half an hour off, their day and month are marked besides.
    assert_eq!(seen(tenant).await, (1, 1, 0, 5, "Asia/Kolkata".to_owned()));
    assert_eq!(seen(other).await, (1, 1, 0, 1, "UTC".to_owned()));
    let nobody = set_timezone(&mut conn, Uuid::nil(), "Asia/Kolkata").await.unwrap_err();
    assert!(matches!(nobody, TenantError::UnknownTenant), "{nobody}");
}

#[tokio::test]
async fn secrets_and_addresses_that_cannot_be_are_refused() {
    let db = TestDb::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let tenant = add_tenant(&mut conn, "a@example.test").await.user_id;
    let hour = Duration::from_secs(3_600);
    for (provider, secret) in [
        (Provider::Bolna, "short"),
        (Provider::Bolna, "with a blank in its middle"),
        (Provider::Analysis, "whsec_************"),
    ] {
        let refusal = rotate_secret(&mut conn, &key(), tenant, provider, Some(secret), hour).await.unwrap_err();
        assert!(matches!(refusal, TenantError::Invalid(_)), "{secret}: {refusal}");
    }
    let nobody = rotate_secret(&mut conn, &key(), Uuid::nil(), Provider::Bolna, None, hour).await.unwrap_err();
    assert!(matches!(nobody, TenantError::NoEndpoint("bolna")), "{nobody}");
    let bad = ["not an address".to_owned()];
    let refusal = set_allowed_ips(&mut conn, tenant, Provider::Bolna, Some(&bad)).await.unwrap_err();
    assert!(matches!(refusal, TenantError::Invalid(_)), "{refusal}");
}

#[tokio::test]
async fn who_may_send_is_set_and_lifted_by_command() {
    let db = TestDb::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let tenant = add_tenant(&mut conn, "a@example.test").await.user_id;
    let site = Site::new(&db);
    let command = |more: &[&str]| {
        let output = site.run(&[&["tenant", "allow-ips", &tenant.to_string(), "bolna"], more].concat());
        (output.status.success(), text(&output))
    };
    let allowed = async |conn: &mut sqlx::PgConnection| {
        let endpoints = list_endpoints(conn, tenant).await.unwrap();
        endpoints.into_iter().find(|endpoint| endpoint.provider == "bolna").unwrap().allowed_ips
    };
    let (fine, said) = command(&["10.0.0.0/8", "::1"]);
    assert!(fine && said.contains("10.0.0.0/8 ::1"), "{said}");
    let expected = Some(vec!["10.0.0.0/8".to_owned(), "::1/128".to_owned()]);
    assert_eq!(allowed(&mut conn).await, expected);
    for wrong in [&[][..], &["no address"], &["10.0.0.1", "--any"]] {
        let (fine, said) = command(wrong);
        assert!(!fine && !said.is_empty(), "{wrong:?}");
        assert_eq!(allowed(&mut conn).await, expected, "{wrong:?}");
    }
    assert!(command(&["--any"]).0);
    assert_eq!(allowed(&mut conn).await, None);
    let written: i64 = sqlx::query_scalar("SELECT count(*) FROM admin_audit_log WHERE action = 'endpoint.allow_ips'")
        .fetch_one(&db.admin)
        .await
        .unwrap();
    assert_eq!(written, 2);
}
