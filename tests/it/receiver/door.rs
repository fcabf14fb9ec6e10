//! Who gets in: authentication, and what is refused although it is authentic.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tallyline::receiver::MAX_REFUSED_PER_TENANT;
use tallyline::tenants::{rotate_secret, set_allowed_ips};
use tallyline_model::Provider;
use tallyline_secrets::signature::twilio;

use super::support::{FORM, ORIGIN, Running, add_tenant, answer, endpoint, execution, key, whole};

#[tokio::test]
async fn wrong_secrets_and_unknown_endpoints_look_the_same() {
    let it = Running::start().await;
    let own = endpoint(&it.tenant, Provider::Bolna);
    let other = add_tenant(&mut it.db.pool.acquire().await.unwrap(), "b@example.test").await;
    let other = endpoint(&other, Provider::Bolna).secret;
    let (name, secret) = (own.endpoint.as_str(), own.secret.as_str());
    let last = if secret.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{last}", &secret[..secret.len() - 1]);
    let analysis = endpoint(&it.tenant, Provider::Analysis).endpoint;
    let mut requests = Vec::new();
    for (name, authorization) in [
        (name, None),
        (name, Some(format!("Bearer {changed}"))),
        (name, Some(format!("Bearer {}", &secret[..secret.len() - 1]))),
        (name, Some(format!("Bearer {secret}x"))),
        (name, Some(format!("Bearer {}", secret.to_uppercase()))),
        (name, Some(format!("Bearer {other}"))),
        (name, Some(format!("Basic {secret}"))),
        (name, Some(secret.to_owned())),
        (name, Some(String::new())),
        ("no-such-endpoint", Some(format!("Bearer {secret}"))),
        ("%2e%2e%2f", Some(format!("Bearer {secret}"))),
        ("NO", Some(format!("Bearer {secret}"))),
        (analysis.as_str(), Some(format!("Bearer {secret}"))),
    ] {
        let request = it.post(&format!("/webhooks/bolna/{name}"), execution("e-1"));
        requests.push(match authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        });
    }
    requests.push(it.bolna(execution("e-1")).header("authorization", "Bearer second"));
    let mut first = None;
    for (position, request) in requests.into_iter().enumerate() {
        let seen = whole(request.send().await.unwrap()).await;
        assert_eq!((seen.0, seen.2.as_str()), (401, ""), "request {position}");
        assert_eq!(*first.get_or_insert_with(|| seen.clone()), seen, "request {position}");
    }
    assert_eq!(it.stored().await, (0, 0, 0));
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200, "the right one gets in");
    it.stop().await;
}

#[tokio::test]
async fn twilio_is_believed_only_for_what_it_signed_for_our_origin() {
    let it = Running::start().await;
    let path = it.path(Provider::Twilio);
    let token = endpoint(&it.tenant, Provider::Twilio).secret;
    let form = |signature: String, body: &str| {
        it.post(&path, body)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature)
    };
    let sign = |url: &str, body: &str| twilio::sign(token.as_bytes(), url, twilio::Content::Form(body.as_bytes()));
    let good = sign(&format!("{ORIGIN}{path}"), FORM);
    let elsewhere = sign(&format!("https://evil.example{path}"), FORM);
    let slash = sign(&format!("{ORIGIN}{path}/"), FORM);
    let longer = format!("{FORM}&x=1");
    let refused = [
        ("another body", form(good.clone(), &longer)),
        ("another origin", form(elsewhere, FORM).header("host", "evil.example")),
        ("a slash more", form(slash, FORM)),
        ("twice", form(good.clone(), FORM).header("x-twilio-signature", good.clone())),
        ("10 kB", form("A".repeat(10_240), FORM)),
        ("empty", form(String::new(), FORM)),
        ("missing", it.post(&path, FORM).header("content-type", "application/x-www-form-urlencoded")),
        (
            "unknown endpoint",
            it.post("/webhooks/twilio/no-such-endpoint", FORM)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("x-twilio-signature", sign(&format!("{ORIGIN}/webhooks/twilio/no-such-endpoint"), FORM)),
        ),
    ];
    for (name, request) in refused {
        assert_eq!(answer(request).await, (403, String::new()), "{name}");
    }
    assert_eq!(it.stored().await, (0, 0, 0));
    assert_eq!(answer(form(good, FORM)).await.0, 200);
    let kept: Vec<u8> = sqlx::query_scalar("SELECT body FROM tally.inbox").fetch_one(&it.db.admin).await.unwrap();
    assert_eq!(kept, FORM.as_bytes());
    it.stop().await;
}

#[tokio::test]
async fn json_of_twilio_needs_its_hash_in_the_signed_address() {
    let it = Running::start().await;
    let token = endpoint(&it.tenant, Provider::Twilio).secret;
    let body = r#"{"CallSid":"CA00000000000000000000000000000001"}"#;
    let send = |path: String, body: &str| {
        let signature = twilio::sign(token.as_bytes(), &format!("{ORIGIN}{path}"), twilio::Content::None);
        it.post(&path, body).header("content-type", "application/json").header("x-twilio-signature", signature)
    };
    let path = it.path(Provider::Twilio);
    let hashed = format!("{path}?bodySHA256={}", hex::encode(Sha256::digest(body)));
    assert_eq!(answer(send(path, body)).await.0, 403);
    assert_eq!(answer(send(hashed.clone(), &format!("{body} "))).await.0, 403);
    // Authentic; but a status of a call comes as a form.
    assert_eq!(answer(send(hashed, body)).await, (400, r#"{"error":"not_a_call_status"}"#.to_owned()));
    it.stop().await;
}

#[tokio::test]
async fn a_form_cut_so_that_its_account_is_lost_is_refused() {
    let it = Running::start().await;
    // The very text that was signed, since nothing separates names from values.
    let cut = FORM.replacen("AccountSid=AC", "AccountSidA=C", 1);
    let signature = it.twilio(FORM).build().unwrap().headers()["x-twilio-signature"].clone();
    let request = it
        .post(&it.path(Provider::Twilio), cut)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature);
    assert_eq!(answer(request).await, (400, r#"{"error":"no_account"}"#.to_owned()));
    assert_eq!(it.stored().await, (0, 0, 1));
    it.stop().await;
}

#[tokio::test]
async fn an_analysis_is_signed_now_and_for_this_body() {
    let it = Running::start().await;
    let body = r#"{"execution_id":"e-1","analysis_type":"individual","analysis":{"total_score":12}}"#;
    for age_seconds in [330, -330] {
        assert_eq!(answer(it.analysis(body, age_seconds).await).await, (401, String::new()), "{age_seconds}");
    }
    let secret = endpoint(&it.tenant, Provider::Analysis).secret;
    let bearer = it.post(&it.path(Provider::Analysis), body).bearer_auth(secret);
    assert_eq!(answer(bearer.header("content-type", "application/json")).await.0, 401);
    let other = it.analysis(body, 0).await.body("{}");
    assert_eq!(answer(other).await.0, 401);
    assert_eq!(it.stored().await, (0, 0, 0));
    for age_seconds in [0, 270] {
        assert_eq!(answer(it.analysis(body, age_seconds).await).await.0, 200, "{age_seconds}");
    }
    assert_eq!(it.stored().await, (1, 1, 0));
    it.stop().await;
}

#[tokio::test]
async fn after_a_rotation_the_old_secret_lives_as_long_as_was_said() {
    let it = Running::start().await;
    let mut conn = it.db.pool.acquire().await.unwrap();
    for (provider, body) in [(Provider::Bolna, execution("e-1")), (Provider::Twilio, FORM.to_owned())] {
        let send = async || match provider {
            Provider::Bolna => answer(it.bolna(body.as_str())).await.0,
            _ => answer(it.twilio(&body)).await.0,
        };
        let (user_id, hour) = (it.tenant.user_id, Duration::from_secs(3_600));
        let rotated = rotate_secret(&mut conn, &key(), user_id, provider, None, hour).await.unwrap();
        assert_ne!(rotated.secret, endpoint(&it.tenant, provider).secret);
        assert_eq!(send().await, 200, "{provider}: both are accepted");
        rotate_secret(&mut conn, &key(), user_id, provider, None, hour).await.unwrap();
        assert_ne!(send().await, 200, "{provider}: the one before the last is not");
    }
    let user_id = it.tenant.user_id;
    let now = rotate_secret(&mut conn, &key(), user_id, Provider::Bolna, None, Duration::ZERO).await.unwrap();
    let last = rotate_secret(&mut conn, &key(), user_id, Provider::Bolna, None, Duration::ZERO).await.unwrap();
    let path = it.path(Provider::Bolna);
    assert_eq!(answer(it.post(&path, execution("e-2")).bearer_auth(now.secret)).await.0, 401);
    assert_eq!(answer(it.post(&path, execution("e-2")).bearer_auth(last.secret)).await.0, 200);
    drop(conn);
    it.stop().await;
}

#[tokio::test]
async fn only_the_address_of_the_connection_decides() {
    let it = Running::start().await;
    let mut conn = it.db.pool.acquire().await.unwrap();
    let forged = || it.bolna(execution("e-1")).header("x-forwarded-for", "13.203.39.153");
    for (allowed, status) in [("13.203.39.153", 403), ("127.0.0.0/8", 200)] {
        let allowed = [allowed.to_owned()];
        set_allowed_ips(&mut conn, it.tenant.user_id, Provider::Bolna, Some(&allowed)).await.unwrap();
        assert_eq!(answer(forged()).await.0, status, "{allowed:?}");
        let wrong = it.post(&it.path(Provider::Bolna), execution("e-1")).bearer_auth("wrong");
        assert_eq!(answer(wrong).await.0, 401, "who does not know the secret learns nothing of addresses");
    }
    drop(conn);
    it.stop().await;
}

#[tokio::test]
async fn a_body_that_names_no_call_is_refused_and_kept() {
    let it = Running::start().await;
    let huge = format!("{}x", " ".repeat(100_000));
    let bodies = [
        ("", "not_json"),
        ("null", "not_an_object"),
        ("[]", "not_an_object"),
        (r#"{"id":"e-1""#, "not_json"),
        (r#"{"id":"e-1"}x"#, "not_json"),
        (r#"{"status":"completed"}"#, "no_id"),
        (r#"{"id":"a","execution_id":"b"}"#, "id_mismatch"),
        (r#"{"id":"a","id":"a"}"#, "duplicate_key"),
        (huge.as_str(), "not_json"),
    ];
    for (body, reason) in bodies {
        let expected = (400, format!(r#"{{"error":"{reason}"}}"#));
        assert_eq!(answer(it.bolna(body)).await, expected, "{body:.40}");
        let kept: (String, Vec<u8>) =
            sqlx::query_as("SELECT reason, body FROM tally.quarantine ORDER BY id DESC LIMIT 1")
                .fetch_one(&it.db.admin)
                .await
                .unwrap();
        assert_eq!(kept, (reason.to_owned(), body.as_bytes()[..body.len().min(65_536)].to_vec()), "{body:.40}");
    }
    assert_eq!(it.stored().await, (0, 0, 9));
    it.stop().await;
}

#[tokio::test]
async fn the_refused_bodies_of_a_tenant_do_not_pile_up() {
    let it = Running::start().await;
    // Events that were accepted and quarantined later are not among those that go.
    sqlx::query(
        "INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, inbox_id, body, received_at)
         SELECT $1, 'bolna', 'seeded', 'seeded', CASE WHEN n <= 5 THEN n END, CASE WHEN n > 5 THEN ''::bytea END, now()
         FROM generate_series(1, 1205) n",
    )
    .bind(it.tenant.user_id)
    .execute(&it.db.admin)
    .await
    .unwrap();
    for _ in 0..3 {
        assert_eq!(answer(it.bolna("[]")).await.0, 400);
    }
    assert_eq!(it.count("SELECT count(*) FROM tally.quarantine WHERE inbox_id IS NOT NULL").await, 5);
    assert_eq!(it.count("SELECT count(*) FROM tally.quarantine WHERE inbox_id IS NULL").await, MAX_REFUSED_PER_TENANT);
    assert_eq!(it.count("SELECT count(*) FROM tally.quarantine WHERE reason = 'not_an_object'").await, 3);
    it.stop().await;
}
