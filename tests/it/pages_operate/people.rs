//! Tenants, accounts, the audit log, and everybody's own account.

use axum::http::StatusCode;
use tallyline::accounts::{Role, api_tokens};
use tallyline::tenants::{NewTenant, create_tenant};
use tallyline_secrets::SealingKey;
use uuid::Uuid;

use super::{Here, done, read};
use crate::web::{Browser, PASSWORD, account};

/// What stands in `<pre class="secret">`.
fn secret(page: &str) -> String {
    page.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// Broken by hand: with a `who_may` that lets all pass, the admin changes accounts.
#[tokio::test]
async fn only_a_super_admin_makes_secrets_and_accounts() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    let other = account(&here.db, "other@example.com", Role::User).await;
    assert_eq!(admin.get("/operate/accounts").await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.get(&format!("/operate/accounts/{other}")).await.status, StatusCode::NOT_FOUND);
    let fields = [("email", "new@example.com"), ("name", "New"), ("role", "super_admin"), ("overlap_hours", "1")];
    for change in ["close", "open", "link", "role"] {
        let answer = admin.post(&format!("/operate/accounts/{other}/{change}"), &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{change}");
    }
    assert_eq!(admin.post("/operate/accounts", &fields).await.status, StatusCode::FORBIDDEN);
    let rotate = format!("/operate/tenants/{}/rotate/bolna", here.tenant);
    assert_eq!(admin.post(&rotate, &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(here.entries().await, 0);
    assert_eq!(here.count("SELECT count(*) FROM users WHERE email = 'new@example.com'").await, 0);
}

#[tokio::test]
async fn a_tenant_is_found_and_its_endpoint_gets_a_new_secret() {
    let here = Here::new().await;
    let mut connection = here.db.pool.acquire().await.unwrap();
    let new = NewTenant::new("Zebra Ltd", "z@example.com");
    let tenant = create_tenant(&mut connection, &SealingKey::new([7; 32]), new).await.unwrap();
    let mut root = here.root().await;
    let found = read(&mut root, "/operate/tenants?q=zebra").await;
    assert!(found.contains("Zebra Ltd") && !found.contains("tenant@example.com"), "{found}");
    let page = format!("/operate/tenants/{}", tenant.user_id);
    assert!(read(&mut root, &page).await.contains("/webhooks/bolna/"));
    let shown = root.post(&format!("{page}/rotate/bolna"), &[("overlap_hours", "2")]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let secret = secret(&shown.text);
    let known = "SELECT count(*) FROM tally.endpoints WHERE user_id = $1 AND provider = 'bolna' AND secret_sha256 = sha256(convert_to($2, 'UTF8'))
                 AND previous_expires_at BETWEEN now() + interval '1 hour' AND now() + interval '2 hours'";
    let known: i64 =
        sqlx::query_scalar(known).bind(tenant.user_id).bind(&secret).fetch_one(&here.db.admin).await.unwrap();
    assert_eq!(known, 1);
    let (action, _, details) = here.last_entry().await;
    assert_eq!((action.as_str(), &details["overlap_hours"]), ("endpoint.rotate_secret", &2.into()));
    assert!(!details.to_string().contains(&secret));
    assert!(!read(&mut root, &page).await.contains(&secret), "it is shown once");
    assert_eq!(root.get(&format!("/operate/tenants/{}", Uuid::new_v4())).await.status, StatusCode::NOT_FOUND);
    assert_eq!(root.post(&format!("{page}/rotate/nobody"), &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_account_is_added_and_changed_but_never_the_last_super_admin() {
    let here = Here::new().await;
    let mut root = here.root().await;
    let fields = [("email", "new@example.com"), ("name", "New"), ("role", "admin")];
    let made = root.post("/operate/accounts", &fields).await;
    let link = secret(&made.text);
    let mut browser = Browser::new(&here.site);
    let set = browser.post(&link, &[("password", "another long one"), ("again", "another long one")]).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER, "{}", set.text);
    assert_eq!(browser.sign_in("new@example.com", "another long one").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/operate").await.status, StatusCode::OK);
    assert!(read(&mut root, "/operate/accounts").await.contains("new@example.com"));
    assert_eq!(root.post("/operate/accounts", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY, "taken");

    let id: Uuid = sqlx::query_scalar("SELECT id FROM users WHERE email = 'new@example.com'")
        .fetch_one(&here.db.admin)
        .await
        .unwrap();
    let page = format!("/operate/accounts/{id}");
    done(&mut root, &format!("{page}/role"), &[("role", "user")]).await;
    assert_eq!(browser.get("/operate").await.status, StatusCode::NOT_FOUND, "at once");
    let (action, _, details) = here.last_entry().await;
    assert_eq!(
        (action.as_str(), &details["before"]["role"], &details["after"]["role"]),
        ("account.change", &"admin".into(), &"user".into())
    );
    done(&mut root, &format!("{page}/close"), &[]).await;
    assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER, "its sessions are over");
    done(&mut root, &format!("{page}/open"), &[]).await;
    assert_eq!(browser.sign_in("new@example.com", "another long one").await.status, StatusCode::SEE_OTHER);
    let again = secret(&root.post(&format!("{page}/link"), &[]).await.text);
    assert_ne!(again, link);
    assert_eq!(here.last_entry().await.0, "account.link");

    let own: Uuid = sqlx::query_scalar("SELECT id FROM users WHERE email = 'root@example.com'")
        .fetch_one(&here.db.admin)
        .await
        .unwrap();
    let answer = root.post(&format!("/operate/accounts/{own}/close"), &[]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(here.count("SELECT count(*) FROM users WHERE role = 'super_admin' AND is_active").await, 1);
}

#[tokio::test]
async fn the_audit_log_is_filtered_and_goes_on_where_a_page_ends() {
    let here = Here::new().await;
    let mut admin = here.admin().await;
    done(&mut admin, "/operate/queues/default/pause", &[("reason", "why not")]).await;
    let many = "INSERT INTO admin_audit_log (admin_user_id, action, resource_type, resource_id, target_user_id, created_at)
        SELECT '00000000-0000-0000-0000-000000000001', 'tenant.add', 'tenant', n::text, $1, timestamptz '2026-05-01' + (n / 2) * interval '1 s'
        FROM generate_series(1, 120) n";
    sqlx::query(many).bind(here.tenant).execute(&here.db.admin).await.unwrap();
    let (mut uri, mut seen) = ("/operate/audit?who=command+line&action=tenant.".to_owned(), 0);
    loop {
        let page = read(&mut admin, &uri).await;
        seen += page.matches("<td>tenant.add</td>").count();
        assert!(!page.contains("queue.pause"));
        let Some(next) = page.split("<a href=\"").find(|part| part.contains("rel=\"next\"")) else { break };
        uri = next.split('"').next().unwrap().replace("&amp;", "&");
    }
    assert_eq!(seen, 120);
    let of_admin = read(&mut admin, "/operate/audit?who=admin@example.com").await;
    assert!(of_admin.contains("queue.pause") && of_admin.contains("192.0.2.7") && !of_admin.contains("tenant.add"));
    let nobody = read(&mut admin, "/operate/audit?who=nobody@example.com").await;
    assert!(nobody.contains("Nothing matches"));
    let day = read(&mut admin, "/operate/audit?from=2026-05-01&to=2026-05-01").await;
    assert!(day.contains("tenant.add") && !day.contains("queue.pause"));
    let link = of_admin.split("href=\"/operate/audit/").nth(1).unwrap().split('"').next().unwrap();
    let entry = read(&mut admin, &format!("/operate/audit/{link}")).await;
    assert!(entry.contains("Before") && entry.contains("After") && entry.contains("why not"), "{entry}");
}

#[tokio::test]
async fn own_sessions_end_one_or_all_others() {
    let here = Here::new().await;
    let mut own = Browser::new(&here.site).at("192.0.2.7");
    own.sign_in("tenant@example.com", PASSWORD).await;
    let (mut second, mut third) = (Browser::new(&here.site), Browser::new(&here.site));
    second.sign_in("tenant@example.com", PASSWORD).await;
    third.sign_in("tenant@example.com", PASSWORD).await;
    let mut other = here.signed_in("other@example.com", Role::User).await;
    let of_other: Uuid = sqlx::query_scalar(
        "SELECT s.id FROM user_sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'other@example.com'",
    )
    .fetch_one(&here.db.admin)
    .await
    .unwrap();
    assert_eq!(own.post(&format!("/account/sessions/{of_other}/end"), &[]).await.status, StatusCode::NOT_FOUND);
    let page = read(&mut own, "/account").await;
    let session = page.split("/account/sessions/").nth(1).unwrap().split('/').next().unwrap();
    done(&mut own, &format!("/account/sessions/{session}/end"), &[]).await;
    let alive = [second.get("/account").await.status, third.get("/account").await.status];
    assert_eq!(alive.iter().filter(|status| **status == StatusCode::OK).count(), 1);
    done(&mut own, "/account/sessions/end-others", &[]).await;
    assert_eq!(third.get("/account").await.status, StatusCode::SEE_OTHER);
    assert_eq!(second.get("/account").await.status, StatusCode::SEE_OTHER);
    assert_eq!(own.get("/account").await.status, StatusCode::OK);
    assert_eq!(other.get("/account").await.status, StatusCode::OK);
    assert_eq!(here.last_entry().await.0, "session.end_others");
}

#[tokio::test]
async fn own_tokens_are_shown_once_and_revoked() {
    let here = Here::new().await;
    let mut own = Browser::new(&here.site).at("192.0.2.7");
    own.sign_in("tenant@example.com", PASSWORD).await;
    let made = own.post("/account/tokens", &[("name", "reports"), ("days", "30")]).await;
    let token = secret(&made.text);
    let holder = api_tokens::find(&here.db.pool, &token).await.unwrap().unwrap();
    assert_eq!(holder.account.user_id, here.tenant);
    assert!(!holder.may_change(Role::User));
    let page = read(&mut own, "/account").await;
    assert!(page.contains("reports") && !page.contains(&token));
    let id = page.split("/account/tokens/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let mut other = here.signed_in("other@example.com", Role::SuperAdmin).await;
    assert_eq!(other.post(&format!("/account/tokens/{id}/revoke"), &[]).await.status, StatusCode::NOT_FOUND);
    done(&mut own, &format!("/account/tokens/{id}/revoke"), &[]).await;
    assert!(api_tokens::find(&here.db.pool, &token).await.unwrap().is_none());
    assert_eq!(here.last_entry().await.0, "api_token.revoke");
    for wrong in [[("name", " "), ("days", "")], [("name", "x"), ("days", "0")]] {
        assert_eq!(own.post("/account/tokens", &wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

/// Broken by hand: without `verify` any old password will do.
#[tokio::test]
async fn a_password_changes_for_who_knows_the_old_one() {
    let here = Here::new().await;
    let mut own = Browser::new(&here.site).at("192.0.2.7");
    own.sign_in("tenant@example.com", PASSWORD).await;
    let mut second = Browser::new(&here.site);
    second.sign_in("tenant@example.com", PASSWORD).await;
    let new = "something else that is long";
    for (old, new, again) in [("wrong", new, new), (PASSWORD, new, "typo"), (PASSWORD, "short", "short")] {
        let answer = own.post("/account/password", &[("old", old), ("new", new), ("again", again)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    }
    assert_eq!(here.entries().await, 0);
    done(&mut own, "/account/password", &[("old", PASSWORD), ("new", new), ("again", new)]).await;
    assert_eq!(here.last_entry().await.0, "account.password");
    assert_eq!(own.get("/account").await.status, StatusCode::OK);
    assert_eq!(second.get("/account").await.status, StatusCode::SEE_OTHER, "others are signed out");
    assert_eq!(second.sign_in("tenant@example.com", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    let mut guesser = Browser::new(&here.site).at("198.51.100.4");
    assert_eq!(guesser.sign_in("tenant@example.com", new).await.status, StatusCode::SEE_OTHER);
    for _ in 0..5 {
        let answer =
            guesser.post("/account/password", &[("old", "guess"), ("new", PASSWORD), ("again", PASSWORD)]).await;
        assert!(answer.text.contains("is another"), "{}", answer.text);
    }
    let answer = guesser.post("/account/password", &[("old", new), ("new", PASSWORD), ("again", PASSWORD)]).await;
    assert!(answer.text.contains("Too many failures"), "{}", answer.text);
}
