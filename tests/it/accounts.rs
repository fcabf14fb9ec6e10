//! Accounts: signing in, staying signed in, being shut out, and whose figures one sees.

use axum::http::{Method, StatusCode};
use sqlx::PgPool;
use tallyline::accounts::{self, Role, api_tokens};
use tallyline::receiver::Networks;
use tallyline_jobs::settings::Settings;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::web::{Browser, PASSWORD, account, site};

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// Broken by hand: without the door around the pages, the first answer is 200.
#[tokio::test]
async fn a_visitor_signs_in_is_led_back_and_signs_out() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let tenant = account(&db, "Ana@Example.com", Role::User).await;
    let mut browser = Browser::new(&site).at("192.0.2.1");

    let away = browser.get("/?days=7").await;
    assert_eq!((away.status, away.location()), (StatusCode::SEE_OTHER, "/sign-in?next=%2F%3Fdays%3D7"));
    let form = browser.get(away.location()).await;
    assert!(form.text.contains(r#"name="next" value="/?days=7""#), "{}", form.text);
    let back =
        browser.post("/sign-in", &[("email", " ana@example.com"), ("password", PASSWORD), ("next", "/?days=7")]).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, "/?days=7"));
    for cookie in back.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.contains("; Path=/"), "{cookie}");
    }
    assert_eq!(browser.get("/?days=7").await.status, StatusCode::OK);
    let figures = format!("/api/v1/tenants/{tenant}/figures?grain=day&from=2026-01-01&to=2026-01-02");
    assert_eq!(browser.get(&figures).await.status, StatusCode::OK);
    // What the browser holds is stored nowhere.
    let token = browser.cookies["tallyline_session"].clone();
    let stored = "SELECT count(*) FROM user_sessions s WHERE s::text LIKE '%' || $1 || '%'";
    let found: i64 = sqlx::query_scalar(stored).bind(&token[60..]).fetch_one(&db.admin).await.unwrap();
    assert_eq!(found, 0);

    let kept = browser.cookies.clone();
    assert_eq!(browser.post("/sign-out", &[]).await.location(), "/sign-in");
    assert!(browser.cookies.is_empty());
    browser.cookies = kept;
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "the session is over, not only forgotten");
    assert_eq!(browser.get(&figures).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_unknown_and_closed_are_one_answer() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    account(&db, "a@example.com", Role::User).await;
    let closed = account(&db, "closed@example.com", Role::User).await;
    sqlx::query("UPDATE users SET is_active = false WHERE id = $1").bind(closed).execute(&db.admin).await.unwrap();
    let mut answers = Vec::new();
    for (email, password) in [
        ("a@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("closed@example.com", PASSWORD),
        ("a@example.com", &"x".repeat(5_000)),
    ] {
        let answer = Browser::new(&site).sign_in(email, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{email}");
        answers.push(answer.text.replace(email, "…"));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(count(&db.admin, "SELECT count(*) FROM login_attempts WHERE NOT success").await, 4);
}

/// Broken by hand: with failures counted by account alone, the owner is shut out by
/// a stranger; counted after the password was looked at, more than five are verified.
#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_shut_out_and_nobody_else() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    account(&db, "owner@example.com", Role::User).await;
    let mut owner = Browser::new(&site).at("192.0.2.1");
    assert_eq!(owner.sign_in("owner@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);

    // All at once: the first five are looked at.
    let guesses = (0..12).map(|n| {
        let mut stranger = Browser::new(&site).at("198.51.100.9");
        async move { stranger.sign_in("owner@example.com", &format!("guess {n}")).await.status }
    });
    let answers = futures::future::join_all(guesses).await;
    let refused = answers.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count();
    let locked = answers.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!((refused, locked), (5, 7));
    let right = Browser::new(&site).at("198.51.100.9").sign_in("owner@example.com", PASSWORD).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "shut out, even with the right one");

    // From everywhere: strangers are shut out of the account, its owner is not.
    for n in 0..100 {
        let reason = "INSERT INTO login_attempts (email, ip_address, failure_reason) VALUES ('owner@example.com', $1::text::inet, 'wrong_credentials')";
        sqlx::query(reason).bind(format!("203.0.113.{n}")).execute(&db.admin).await.unwrap();
    }
    let fresh = Browser::new(&site).at("198.51.100.77").sign_in("owner@example.com", PASSWORD).await;
    assert_eq!(fresh.status, StatusCode::TOO_MANY_REQUESTS);
    let home = Browser::new(&site).at("192.0.2.1").sign_in("owner@example.com", PASSWORD).await;
    assert_eq!(home.status, StatusCode::SEE_OTHER, "from where it was signed in to before");

    // It passes.
    sqlx::query("UPDATE login_attempts SET attempted_at = attempted_at - interval '31 minutes'")
        .execute(&db.admin)
        .await
        .unwrap();
    let later = Browser::new(&site).at("198.51.100.9").sign_in("owner@example.com", PASSWORD).await;
    assert_eq!(later.status, StatusCode::SEE_OTHER);
}

async fn token_is_over(db: &TestDb) {
    sqlx::query("UPDATE user_sessions SET expires_at = now() - interval '1 second'").execute(&db.admin).await.unwrap();
}

/// Broken by hand: without ending the session in refused_refresh.sql, the thief's
/// copy goes on beside its owner.
#[tokio::test]
async fn a_session_goes_on_by_exchanging_its_refresh_token_once() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    account(&db, "a@example.com", Role::User).await;
    let mut browser = Browser::new(&site);
    browser.sign_in("a@example.com", PASSWORD).await;
    let first = browser.cookies.clone();

    token_is_over(&db).await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_ne!(browser.cookies["tallyline_session"], first["tallyline_session"]);
    assert_ne!(browser.cookies["tallyline_refresh"], first["tallyline_refresh"]);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);

    // A second request that was under way with the old one passes, without new tokens.
    let mut twin = Browser::new(&site);
    twin.cookies = first.clone();
    token_is_over(&db).await;
    let answer = twin.get("/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.headers.contains_key("set-cookie"));

    // Later the old one is a copy that somebody made: nobody goes on.
    sqlx::query("UPDATE user_sessions SET rotated_at = now() - interval '31 seconds'")
        .execute(&db.admin)
        .await
        .unwrap();
    let mut thief = Browser::new(&site);
    thief.cookies = first;
    assert_eq!(thief.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(count(&db.admin, "SELECT count(*) FROM user_sessions WHERE is_active").await, 0);
}

#[tokio::test]
async fn a_session_ends_after_its_time_however_often_it_is_used() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    account(&db, "a@example.com", Role::User).await;
    let mut browser = Browser::new(&site);
    browser.sign_in("a@example.com", PASSWORD).await;
    for _ in 0..3 {
        token_is_over(&db).await;
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
    }
    let life = "SELECT extract(epoch FROM refresh_expires_at - created_at)::bigint FROM user_sessions";
    assert_eq!(count(&db.admin, life).await, 24 * 3600, "the end stays where it was");
    sqlx::query(
        "UPDATE user_sessions SET expires_at = now() - interval '1 s', refresh_expires_at = now() - interval '1 s'",
    )
    .execute(&db.admin)
    .await
    .unwrap();
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn api_tokens_work_until_they_are_revoked() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let tenant = account(&db, "a@example.com", Role::User).await;
    let mut connection = db.pool.acquire().await.unwrap();
    let (id, token) = api_tokens::create(&mut connection, tenant, "reports", false, None).await.unwrap();
    let uri = format!("/api/v1/tenants/{tenant}/figures?grain=day&from=2026-01-01&to=2026-01-02");
    let mut program = Browser::new(&site).at("192.0.2.5");
    let ask = async |program: &mut Browser, token: &str| {
        let header = format!("Bearer {token}");
        program.send(Method::GET, &uri, &[("authorization", &header)], String::new()).await.status
    };
    assert_eq!(ask(&mut program, &token).await, StatusCode::OK);
    let mut wrong = token.clone();
    wrong.replace_range(80..81, if &token[80..81] == "A" { "B" } else { "A" });
    for wrong in [wrong.as_str(), "", "tly_", &token[..60]] {
        assert_eq!(ask(&mut program, wrong).await, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let listed = api_tokens::list(&db.pool, tenant).await.unwrap();
    assert!(listed[0].last_used_at.is_some());
    assert!(api_tokens::revoke(&mut connection, tenant, id).await.unwrap());
    assert_eq!(ask(&mut program, &token).await, StatusCode::UNAUTHORIZED);
    let (_, short) = api_tokens::create(&mut connection, tenant, "short", false, Some(-1)).await.unwrap();
    assert_eq!(ask(&mut program, &short).await, StatusCode::UNAUTHORIZED, "expired");
}

/// Broken by hand: without `may_read` the other tenant's page is served.
#[tokio::test]
async fn somebody_elses_tenant_is_no_tenant() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let own = account(&db, "a@example.com", Role::User).await;
    let other = account(&db, "b@example.com", Role::User).await;
    let mut browser = Browser::new(&site);
    browser.sign_in("a@example.com", PASSWORD).await;
    let nobody = Uuid::new_v4();
    for (tenant, status) in [(own, StatusCode::OK), (other, StatusCode::NOT_FOUND), (nobody, StatusCode::NOT_FOUND)] {
        assert_eq!(browser.get(&format!("/?tenant={tenant}")).await.status, status);
        let figures = format!("/api/v1/tenants/{tenant}/figures?grain=day&from=2026-01-01&to=2026-01-02");
        assert_eq!(browser.get(&figures).await.status, status);
    }
    let page = browser.get(&format!("/?tenant={other}")).await.text.replace(&other.to_string(), "…");
    let unknown = browser.get(&format!("/?tenant={nobody}")).await.text.replace(&nobody.to_string(), "…");
    assert_eq!(page, unknown, "nothing tells a tenant that exists from one that does not");
    assert_eq!(browser.get("/api/v1/backfills").await.status, StatusCode::NOT_FOUND, "for operators");

    account(&db, "op@example.com", Role::Admin).await;
    let mut operator = Browser::new(&site);
    operator.sign_in("op@example.com", PASSWORD).await;
    assert_eq!(operator.get(&format!("/?tenant={other}")).await.status, StatusCode::OK);
    assert_eq!(operator.get("/api/v1/backfills").await.status, StatusCode::OK);
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    account(&db, "a@example.com", Role::User).await;
    let mut browser = Browser::new(&site);
    browser.sign_in("a@example.com", PASSWORD).await;
    for headers in [
        [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")],
        [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example")],
    ] {
        let answer = browser.send(Method::POST, "/sign-out", &headers, String::new()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "still signed in");
}

/// Broken by hand: without clearing the token in use_link.sql, the link works twice.
#[tokio::test]
async fn a_link_sets_a_password_once_and_ends_all_sessions() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let user = account(&db, "a@example.com", Role::User).await;
    let mut browser = Browser::new(&site);
    browser.sign_in("a@example.com", PASSWORD).await;
    let settings = Settings::default();
    let mut connection = db.pool.acquire().await.unwrap();
    let void = accounts::make_link(&mut connection, &settings, user).await.unwrap();
    let link = accounts::make_link(&mut connection, &settings, user).await.unwrap();
    let (old, new) = (format!("/password/{void}"), format!("/password/{link}"));

    assert_eq!(browser.get(&new).await.status, StatusCode::OK);
    let fields = [("password", "another long password"), ("again", "another long password")];
    let differs = browser.post(&new, &[("password", "another long password"), ("again", "x")]).await;
    assert_eq!(differs.status, StatusCode::UNPROCESSABLE_ENTITY);
    let short = browser.post(&new, &[("password", "short"), ("again", "short")]).await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(short.text.contains("at least 12 characters"));
    assert_eq!(browser.post(&old, &fields).await.status, StatusCode::NOT_FOUND, "a newer link was made");
    assert_eq!(browser.post(&new, &fields).await.location(), "/sign-in");
    assert_eq!(browser.post(&new, &fields).await.status, StatusCode::NOT_FOUND, "used up");
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "signed out");
    assert_eq!(browser.sign_in("a@example.com", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.sign_in("a@example.com", "another long password").await.status, StatusCode::SEE_OTHER);
    assert_eq!(count(&db.admin, "SELECT count(*) FROM password_reset_attempts WHERE success").await, 1);
    assert_eq!(count(&db.admin, "SELECT count(*) FROM password_reset_attempts WHERE NOT success").await, 2);
}

/// Two processes have printed links; one is used.
#[tokio::test]
async fn the_first_account_is_made_once_by_a_link() {
    use std::sync::Arc;
    use tallyline::accounts::FirstRun;
    use tallyline::accounts::guard::Gate;

    let db = TestDb::new().await;
    let gate = Arc::new(Gate {
        pool: db.pool.clone(),
        settings: tallyline_jobs::settings::SettingsHandle::default(),
        login: true,
        is_https: false,
        trusted_proxies: Networks::default(),
        means: tallyline::operate::Means::default(),
    });
    let (one, secret) = FirstRun::start(&db.pool).await.unwrap();
    let (other, other_secret) = FirstRun::start(&db.pool).await.unwrap();
    let mut first = Browser::new(&tallyline::dashboard::router(&gate, one));
    let mut second = Browser::new(&tallyline::dashboard::router(&gate, other));
    let (uri, other_uri) = (format!("/first-run/{}", secret.unwrap()), format!("/first-run/{}", other_secret.unwrap()));
    let fields = [("email", "root@example.com"), ("name", "Root"), ("password", PASSWORD), ("again", PASSWORD)];

    assert_eq!(first.post("/first-run/guess", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(first.get(&other_uri).await.status, StatusCode::NOT_FOUND, "a link of another process");
    assert_eq!(first.get(&uri).await.status, StatusCode::OK);
    assert_eq!(first.post(&uri, &fields).await.location(), "/sign-in");
    assert_eq!(first.get(&uri).await.status, StatusCode::NOT_FOUND);
    let late = [("email", "evil@example.com"), ("name", "Evil"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(second.post(&other_uri, &late).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(first.sign_in("root@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_eq!(count(&db.admin, "SELECT count(*) FROM users WHERE role = 'super_admin'").await, 1);
    assert_eq!(count(&db.admin, "SELECT count(*) FROM admin_audit_log WHERE action = 'account.first'").await, 1);
    assert!(FirstRun::start(&db.pool).await.unwrap().1.is_none(), "a start after that prints none");
}
