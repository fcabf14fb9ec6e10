//! Notifications on their way to tenants' endpoints, by real requests.

mod turns;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tallyline_jobs::DeliverNotifications;
use tallyline_jobs::deliver_notifications::Options;
use tallyline_jobs::notify::{self, Created};
use tallyline_secrets::SealingKey;
use tallyline_testkit::webhook_sink::{Answer, WebhookSink};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::support::{number, tenant};

const LONG: Duration = Duration::from_secs(60);

fn key() -> SealingKey {
    SealingKey::new([7; 32])
}

fn options() -> Options {
    Options {
        concurrency: 4,
        per_endpoint: 2,
        request_timeout: Duration::from_secs(30),
        retry_delays: vec![Duration::from_secs(3600); 2],
        retention_days: 30,
    }
}

fn drain(db: &TestDb) -> DeliverNotifications {
    drain_with(db, options())
}

fn drain_with(db: &TestDb, options: Options) -> DeliverNotifications {
    DeliverNotifications::new(db.pool.clone(), tallyline_jobs::http::client().unwrap(), key(), options)
}

/// Does everything that is due.
async fn run(drain: &DeliverNotifications) {
    for _ in 0..1_000 {
        if drain.run_unit().await.unwrap() == 0 {
            return;
        }
    }
    panic!("there is no end to what is due");
}

async fn endpoint(db: &TestDb, user: Uuid, sink: &WebhookSink, kinds: Option<&[&str]>) -> Created {
    let kinds: Option<Vec<String>> = kinds.map(|kinds| kinds.iter().map(|&kind| kind.to_owned()).collect());
    let mut connection = db.pool.acquire().await.unwrap();
    notify::add_endpoint(&mut connection, &key(), user, &sink.url, kinds.as_deref()).await.unwrap()
}

async fn notification(db: &TestDb, user: Uuid, kind: &str, name: &str) -> Uuid {
    sqlx::query_scalar(
        "INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(user)
    .bind(kind)
    .bind(json!({ "name": name, "none": null, "number": 12_345_678_901_234_i64 }))
    .bind(name)
    .fetch_one(&db.pool)
    .await
    .unwrap()
}

async fn execute(db: &TestDb, statement: &'static str) {
    sqlx::query(statement).execute(&db.admin).await.unwrap();
}

/// As if every wait were over.
async fn due_now(db: &TestDb) {
    execute(db, "UPDATE tally.notification_deliveries SET not_before = now() WHERE state = 'pending'").await;
}

/// State, attempts, last status and error of every delivery.
async fn deliveries(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', d.state, d.attempts, d.last_status, d.last_error)
         FROM tally.notification_deliveries d JOIN tally.notifications n ON n.id = d.notification_id ORDER BY n.idempotency_key, 1",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap()
}

async fn now_seconds(db: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT floor(extract(epoch FROM now()))::bigint").fetch_one(&db.admin).await.unwrap()
}

#[tokio::test]
async fn a_notification_is_posted_once_to_each_endpoint_that_wants_it() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let (all, some, other) = (WebhookSink::start().await, WebhookSink::start().await, WebhookSink::start().await);
    let secret = endpoint(&db, user, &all, None).await.secret;
    let some_secret = endpoint(&db, user, &some, Some(&["credits.low"])).await.secret;
    endpoint(&db, tenant(&db, "UTC").await, &other, None).await;
    let low = notification(&db, user, "credits.low", "a").await;
    let due = notification(&db, user, "follow_up.due", "b").await;
    run(&drain(&db)).await;

    let attempts = all.attempts();
    let ids: BTreeSet<String> = attempts.iter().map(|attempt| attempt.id.clone()).collect();
    assert_eq!((attempts.len(), ids), (2, [low.to_string(), due.to_string()].into()));
    let some_attempts = some.attempts();
    assert_eq!(some_attempts.iter().map(|attempt| attempt.id.clone()).collect::<Vec<_>>(), [low.to_string()]);
    assert_eq!(other.attempts().len(), 0);
    for attempt in attempts {
        assert_eq!((attempt.method.as_str(), attempt.target.as_str()), ("POST", "/hook"));
        assert_eq!(attempt.content_type, "application/json");
        assert_eq!((attempt.signed_by(&secret), attempt.signature_count()), (1, 1));
        assert_eq!(attempt.signed_by(&some_secret), 0);
        let age = now_seconds(&db).await - attempt.timestamp.parse::<i64>().unwrap();
        assert!((0..60).contains(&age), "{age} s");
        let body: Value = serde_json::from_slice(&attempt.body).unwrap();
        let is_low = attempt.id == low.to_string();
        assert_eq!(body["type"], if is_low { "credits.low" } else { "follow_up.due" });
        assert_eq!(body["data"]["name"], if is_low { "a" } else { "b" });
        assert_eq!(body["data"]["number"], 12_345_678_901_234_i64);
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(body.as_object().unwrap().len(), 3);
    }
    assert_eq!(some_attempts[0].signed_by(&some_secret), 1);
    assert_eq!(deliveries(&db).await, ["delivered 1 204", "delivered 1 204", "delivered 1 204"]);
}

/// Break tried: a new id for each attempt; the timestamp of the notification signed.
#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_id_and_signed_anew() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sink = WebhookSink::start().await;
    let secret = endpoint(&db, user, &sink, None).await.secret;
    let id = notification(&db, user, "credits.low", "a").await;
    let drain = drain_with(&db, Options { retry_delays: vec![Duration::from_secs(3600); 4], ..options() });
    let elsewhere = vec![("location", sink.url.clone())];
    let answers =
        [Answer::Status(500, vec![]), Answer::Cut, Answer::Status(307, elsewhere), Answer::Status(404, vec![])];
    sink.script(answers);
    for expected in [
        "pending 1 500 refused",
        "pending 2 the connection ended without an answer",
        "pending 3 307 redirects are not followed",
        "pending 4 404 refused",
        "delivered 5 204",
    ] {
        run(&drain).await;
        assert_eq!(deliveries(&db).await, [expected]);
        run(&drain).await;
        assert_eq!(deliveries(&db).await, [expected], "before its time");
        // So that the next attempt has another timestamp.
        let second = now_seconds(&db).await;
        wait_until("the next second", LONG, || async { now_seconds(&db).await > second }).await;
        due_now(&db).await;
    }
    let attempts = sink.attempts();
    assert_eq!(attempts.len(), 5, "a redirect is not followed");
    let timestamps: BTreeSet<&str> = attempts.iter().map(|attempt| attempt.timestamp.as_str()).collect();
    assert_eq!(timestamps.len(), 5);
    for attempt in &attempts {
        assert_eq!(
            (attempt.id.as_str(), attempt.body.as_slice()),
            (id.to_string().as_str(), attempts[0].body.as_slice())
        );
        assert_eq!(attempt.signed_by(&secret), 1);
    }
    assert_eq!(number(&db, "SELECT failures::bigint FROM tally.notification_endpoints").await, 0);
}

#[tokio::test]
async fn the_schedule_ends_and_what_failed_can_be_replayed() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sink = WebhookSink::start().await;
    let endpoint = endpoint(&db, user, &sink, None).await;
    let id = notification(&db, user, "credits.low", "a").await;
    sink.otherwise(Answer::Status(500, vec![]));
    let delays = [5, 300, 86_400].map(Duration::from_secs).to_vec();
    let drain = drain_with(&db, Options { retry_delays: delays.clone(), ..options() });
    for delay in delays {
        run(&drain).await;
        let wait: f64 = sqlx::query_scalar(
            "SELECT extract(epoch FROM not_before - now())::float8 FROM tally.notification_deliveries",
        )
        .fetch_one(&db.admin)
        .await
        .unwrap();
        // A tenth either way, and some time since then.
        let delay = delay.as_secs_f64();
        assert!(delay * 0.9 - 30.0 < wait && wait <= delay * 1.1, "{wait} s of {delay} s");
        assert!(delay < 60.0 || delay * 0.89 < wait, "{wait} s of {delay} s");
        due_now(&db).await;
    }
    run(&drain).await;
    assert_eq!(deliveries(&db).await, ["failed 4 500 refused"]);
    due_now(&db).await;
    run(&drain).await;
    assert_eq!(sink.attempts().len(), 4);

    sink.otherwise(Answer::Status(200, vec![]));
    let mut connection = db.pool.acquire().await.unwrap();
    for (notification, of_endpoint, replayed) in [
        (None, Some(Uuid::new_v4()), 0),
        (Some(Uuid::new_v4()), None, 0),
        (None, None, 1),
        (None, None, 0),
        (Some(id), Some(endpoint.id), 1),
    ] {
        assert_eq!(notify::replay(&mut connection, user, notification, of_endpoint).await.unwrap(), replayed);
        run(&drain).await;
    }
    assert_eq!(notify::replay(&mut connection, tenant(&db, "UTC").await, Some(id), None).await.unwrap(), 0);
    assert_eq!(deliveries(&db).await, ["delivered 1 200"]);
    let ids: BTreeSet<String> = sink.attempts().into_iter().map(|attempt| attempt.id).collect();
    assert_eq!((sink.attempts().len(), ids), (6, [id.to_string()].into()));
}

/// Break tried: `Retry-After` ignored.
#[tokio::test]
async fn who_asks_to_wait_is_waited_for() {
    for (status, retry_after, least, most) in [
        (429, "7200", 7_100, 7_200),
        (502, "7200", 7_100, 7_200),
        (503, "9999999", 86_300, 86_400),
        (504, "1", 3_200, 3_960),
        (500, "7200", 3_200, 3_960),
    ] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        let sink = WebhookSink::start().await;
        endpoint(&db, user, &sink, None).await;
        notification(&db, user, "credits.low", "a").await;
        sink.script([Answer::Status(status, vec![("retry-after", retry_after.to_owned())])]);
        run(&drain(&db)).await;
        let wait =
            number(&db, "SELECT extract(epoch FROM not_before - now())::bigint FROM tally.notification_deliveries")
                .await;
        assert!((least..=most).contains(&wait), "{status} {retry_after}: {wait} s");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_until_somebody_enables_it() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let (gone, sound) = (WebhookSink::start().await, WebhookSink::start().await);
    let endpoint_id = endpoint(&db, user, &gone, None).await.id;
    endpoint(&db, user, &sound, None).await;
    gone.script([Answer::Status(500, vec![]), Answer::Status(410, vec![])]);
    let drain = drain(&db);
    for name in ["a", "b", "c"] {
        notification(&db, user, "credits.low", name).await;
    }
    run(&drain).await;
    let found = number(&db, "SELECT count(*) FROM tally.notification_deliveries WHERE state = 'cancelled'").await;
    assert_eq!((gone.attempts().len(), found), (2, 2));
    let mut connection = db.pool.acquire().await.unwrap();
    let rows = notify::list_endpoints(&mut connection, user).await.unwrap();
    assert_eq!(rows[0].disabled_reason.as_deref(), Some(notify::GONE));
    assert_eq!((rows[1].disabled_at, sound.attempts().len()), (None, 3));

    notification(&db, user, "credits.low", "d").await;
    due_now(&db).await;
    run(&drain).await;
    assert_eq!((gone.attempts().len(), sound.attempts().len()), (2, 4));
    assert!(notify::enable_endpoint(&mut connection, user, endpoint_id).await.unwrap());
    assert!(!notify::enable_endpoint(&mut connection, user, endpoint_id).await.unwrap());
    run(&drain).await;
    assert_eq!(gone.attempts().len(), 4, "what was cancelled comes, what came to others meanwhile does not");
    assert_eq!(number(&db, "SELECT count(*) FROM tally.notification_deliveries WHERE state = 'failed'").await, 1);

    assert!(notify::disable_endpoint(&mut connection, user, endpoint_id, "by hand").await.unwrap());
    assert!(!notify::disable_endpoint(&mut connection, user, endpoint_id, "again").await.unwrap());
    let stranger = notify::disable_endpoint(&mut connection, Uuid::new_v4(), endpoint_id, "no").await;
    assert!(matches!(stranger, Err(notify::NotifyError::UnknownEndpoint)));
}

/// Break tried: `previous_expires_at` not looked at.
#[tokio::test]
async fn while_a_key_is_rotated_both_sign() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sink = WebhookSink::start().await;
    let first = endpoint(&db, user, &sink, None).await;
    let mut connection = db.pool.acquire().await.unwrap();
    let second =
        notify::rotate_endpoint(&mut connection, &key(), user, first.id, Duration::from_secs(3600)).await.unwrap();
    let drain = drain(&db);
    notification(&db, user, "credits.low", "a").await;
    run(&drain).await;
    execute(&db, "UPDATE tally.notification_endpoints SET previous_expires_at = now()").await;
    notification(&db, user, "credits.low", "b").await;
    run(&drain).await;
    let attempts = sink.attempts();
    let signed = |at: usize| {
        (attempts[at].signed_by(&first.secret), attempts[at].signed_by(&second.secret), attempts[at].signature_count())
    };
    assert_eq!((signed(0), signed(1)), ((1, 1, 2), (0, 1, 1)));
    let too_long =
        notify::rotate_endpoint(&mut connection, &key(), user, first.id, Duration::from_secs(400 * 86_400)).await;
    assert!(matches!(too_long, Err(notify::NotifyError::Invalid(_))));
}

#[tokio::test]
async fn without_an_endpoint_notifications_wait_for_one_and_grow_too_old() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let drain = drain(&db);
    for (kind, name) in [("credits.low", "a"), ("follow_up.due", "b"), ("credits.low", "old")] {
        notification(&db, user, kind, name).await;
    }
    execute(
        &db,
        "UPDATE tally.notifications SET created_at = now() - interval '31 days' WHERE idempotency_key = 'old'",
    )
    .await;
    run(&drain).await;
    let mut connection = db.pool.acquire().await.unwrap();
    assert_eq!(notify::list(&mut connection, user, Some("waiting"), 10).await.unwrap().len(), 3);

    let sink = WebhookSink::start().await;
    let first = endpoint(&db, user, &sink, Some(&["credits.low"])).await;
    run(&drain).await;
    let names = || {
        sink.attempts()
            .iter()
            .map(|a| serde_json::from_slice::<Value>(&a.body).unwrap()["data"]["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), ["a"]);
    let unwanted = notify::list(&mut connection, user, Some("unwanted"), 10).await.unwrap();
    assert_eq!((unwanted.len(), unwanted[0].kind.as_str()), (1, "follow_up.due"));

    // Nobody wanted it then; somebody does now.
    endpoint(&db, user, &sink, Some(&["follow_up.due"])).await;
    assert_eq!(notify::replay(&mut connection, user, Some(unwanted[0].id), None).await.unwrap(), 1);
    run(&drain).await;
    assert_eq!(names(), ["a", "b"]);

    notify::disable_endpoint(&mut connection, user, first.id, "by hand").await.unwrap();
    execute(
        &db,
        "UPDATE tally.notification_endpoints SET disabled_at = now(), disabled_reason = 'x' WHERE disabled_at IS NULL",
    )
    .await;
    notification(&db, user, "credits.low", "c").await;
    run(&drain).await;
    assert_eq!(names().len(), 2);
    notify::enable_endpoint(&mut connection, user, first.id).await.unwrap();
    run(&drain).await;
    assert_eq!(names(), ["a", "b", "c"]);
}

/// A worker is frozen in its request until somebody else has claimed the delivery and
/// found the receiver overloaded. Thawed, it changes nothing.
///
/// Break tried: `settle.sql` without the number of the claim; the delivery is then
/// called delivered by an answer that is older than the last attempt.
#[tokio::test]
async fn who_lost_its_claim_writes_nothing() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sink = WebhookSink::start().await;
    endpoint(&db, user, &sink, None).await;
    notification(&db, user, "credits.low", "a").await;
    let drain = Arc::new(drain(&db));
    sink.script([Answer::Held(200), Answer::Status(503, vec![])]);
    let frozen = tokio::spawn({
        let drain = Arc::clone(&drain);
        async move { drain.run_unit().await.unwrap() }
    });
    wait_until("the request is under way", LONG, || async { sink.attempts().len() == 1 }).await;
    assert_eq!(drain.run_unit().await.unwrap(), 0, "it is claimed");
    execute(&db, "UPDATE tally.notification_deliveries SET claimed_until = now()").await;
    run(&drain).await;
    let settled = ["pending 2 503 the receiver asks to wait"];
    assert_eq!(deliveries(&db).await, settled);
    sink.release();
    frozen.await.unwrap();
    assert_eq!(deliveries(&db).await, settled);
    assert_eq!(number(&db, "SELECT failures::bigint FROM tally.notification_endpoints").await, 1);
}

/// Break tried: the claim not committed before the request.
#[tokio::test]
async fn a_process_that_dies_in_its_request_is_made_up_for() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sink = WebhookSink::start().await;
    endpoint(&db, user, &sink, None).await;
    let id = notification(&db, user, "credits.low", "a").await;
    let drain = Arc::new(drain(&db));
    sink.script([Answer::Held(200)]);
    let dying = tokio::spawn({
        let drain = Arc::clone(&drain);
        async move { drain.run_unit().await }
    });
    wait_until("the request is under way", LONG, || async { sink.attempts().len() == 1 }).await;
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        .await,
        0
    );
    dying.abort();
    assert!(dying.await.is_err());
    run(&drain).await;
    assert_eq!(deliveries(&db).await, ["pending 1"], "not before its claim lapses");
    execute(&db, "UPDATE tally.notification_deliveries SET claimed_until = now()").await;
    run(&drain).await;
    assert_eq!(deliveries(&db).await, ["delivered 2 204"]);
    assert_eq!(
        sink.attempts().into_iter().map(|attempt| attempt.id).collect::<Vec<_>>(),
        [id.to_string(), id.to_string()]
    );
}

#[tokio::test]
async fn what_cannot_be_sent_is_no_request() {
    for (change, error) in [
        (
            "UPDATE tally.notification_endpoints SET url = 'http://example.com/'",
            "the address is not one that is posted to",
        ),
        ("UPDATE tally.notification_endpoints SET sealed_key = '\\x00'", "the signing key cannot be opened"),
        ("UPDATE tally.notification_endpoints SET url = 'http://127.0.0.1:1/'", "no connection"),
    ] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        let sink = WebhookSink::start().await;
        endpoint(&db, user, &sink, None).await;
        execute(&db, change).await;
        notification(&db, user, "credits.low", "a").await;
        run(&drain(&db)).await;
        assert_eq!(deliveries(&db).await, [format!("pending 1 {error}")]);
        assert_eq!(sink.attempts().len(), 0);
    }
}

#[tokio::test]
async fn who_does_not_answer_in_time_has_failed() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sink = WebhookSink::start().await;
    endpoint(&db, user, &sink, None).await;
    notification(&db, user, "credits.low", "a").await;
    sink.script([Answer::Held(200)]);
    run(&drain_with(&db, Options { request_timeout: Duration::from_millis(300), ..options() })).await;
    assert_eq!(deliveries(&db).await, ["pending 1 no answer in time"]);
}

/// Break tried: pending deliveries not looked at.
#[tokio::test]
async fn what_is_past_its_retention_goes_unless_it_is_still_on_its_way() {
    let db = TestDb::new().await;
    let (user, silent) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    let sink = WebhookSink::start().await;
    let id = endpoint(&db, user, &sink, None).await.id;
    notification(&db, user, "credits.low", "delivered").await;
    run(&drain(&db)).await;
    sink.otherwise(Answer::Status(500, vec![]));
    notification(&db, user, "credits.low", "pending").await;
    run(&drain(&db)).await;
    notification(&db, silent, "credits.low", "waiting").await;
    execute(&db, "UPDATE tally.notifications SET created_at = now() - interval '30 days 1 second'").await;
    notification(&db, silent, "credits.low", "young").await;
    let left = || async {
        let purge = sqlx::query(include_str!("../../../sql/purge/notifications.sql")).bind(30);
        purge.execute(&db.pool).await.unwrap();
        let keys = "SELECT idempotency_key FROM tally.notifications ORDER BY 1";
        sqlx::query_scalar::<_, String>(keys).fetch_all(&db.admin).await.unwrap()
    };
    assert_eq!(left().await, ["pending", "young"]);
    let mut connection = db.pool.acquire().await.unwrap();
    notify::disable_endpoint(&mut connection, user, id, "by hand").await.unwrap();
    assert_eq!(left().await, ["young"]);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.notification_deliveries").await, 0);
}

#[tokio::test]
async fn bad_endpoints_are_refused() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let mut connection = db.pool.acquire().await.unwrap();
    let long = format!("https://example.com/{}", "a".repeat(2_000));
    let stranger = Uuid::new_v4();
    for (user, url, kind) in [
        (user, "http://example.com/", None),
        (user, long.as_str(), None),
        (user, "https://example.com/", Some("credits.high")),
        (stranger, "https://example.com/", None),
    ] {
        let kinds: Option<Vec<String>> = kind.map(|kind| vec![kind.to_owned()]);
        assert!(
            notify::add_endpoint(&mut connection, &key(), user, url, kinds.as_deref()).await.is_err(),
            "{url} {kind:?}"
        );
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.notification_endpoints").await, 0);
}
