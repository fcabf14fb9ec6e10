//! Providers that are slow, away, strict or wrong.

use std::time::Duration;

use tallyline_jobs::reconcile_calls::MAX_BODY_BYTES;
use tallyline_testkit::front::Fault;
use tallyline_testkit::wait_until;

use super::*;

const STATE: &str = "SELECT coalesce(disabled_reason, 'in use') || ' ' || coalesce(last_error, 'fine') || ' ' ||
    CASE WHEN reconciled_until IS NULL THEN 'unread' ELSE 'read' END FROM tally.provider_accounts";

async fn state(db: &TestDb) -> String {
    text(db, STATE).await.unwrap()
}

/// A tenant and a Bolna with `executions` ended executions of today.
async fn with_executions(executions: u32) -> (TestDb, Bolna, Uuid) {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let now = now(&db).await;
    bolna.change(|all| {
        (1..=executions).for_each(|n| all.put(completed(&execution_id(n), now - TimeDelta::minutes(i64::from(n)))))
    });
    (db, bolna, user)
}

fn one_window() -> Options {
    Options { first_days: 1, ..reconcile_options() }
}

/// By the log of the requests. Break tried: `get_once` without waiting for its turn.
#[tokio::test]
async fn requests_keep_the_pace() {
    let (db, bolna, user) = with_executions(40).await;
    let options = Options { bolna_requests_per_minute: 1200, ..one_window() };
    run_with(&db, user, &options).await.unwrap();
    let times: Vec<_> = bolna.front.requests().into_iter().map(|request| request.at).collect();
    assert_eq!(times.len(), 41);
    let (burst, per_second) = (10.0, (1200.0 - 10.0) / 60.0);
    for first in 0..times.len() {
        for last in first..times.len() {
            let seconds = (times[last] - times[first]).as_secs_f64();
            // Two more for what the way to the server may close up.
            let most = burst + per_second * seconds + 2.0;
            assert!((last - first + 1) as f64 <= most, "{} requests in {seconds} s", last - first + 1);
        }
    }
}

/// Break tried: the usual pause instead of the one that is asked for.
#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept() {
    let (db, bolna, user) = with_executions(1).await;
    bolna.front.next(Fault::TooMany(Some(1)));
    run_with(&db, user, &one_window()).await.unwrap();
    let requests = bolna.front.requests();
    assert_eq!(requests.iter().map(|r| r.status).collect::<Vec<_>>(), [429, 200, 200]);
    let pause = requests[1].at - requests[0].at;
    assert!((Duration::from_secs(1)..Duration::from_secs(8)).contains(&pause), "{pause:?}");

    // A long one is left to the queue.
    bolna.front.next(Fault::TooMany(Some(3000)));
    let failure = run_with(&db, user, &one_window()).await.unwrap_err();
    assert!(matches!(failure, Failure::RateLimited(pause) if pause == Duration::from_secs(3000)), "{failure:?}");
    assert_eq!(state(&db).await, "in use rate_limited read");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (db, bolna, user) = with_executions(1).await;
    let options = Options { timeout: Duration::from_millis(300), ..one_window() };
    bolna.front.next(Fault::Status(503));
    bolna.front.next(Fault::Slow(Duration::from_secs(5)));
    run_with(&db, user, &options).await.unwrap();
    assert_eq!(number(&db, INBOX).await, 1);
    assert_eq!(state(&db).await, "in use fine read");

    bolna.front.always(Some(Fault::Slow(Duration::from_secs(5))));
    assert!(matches!(run_with(&db, user, &options).await, Err(Failure::Unavailable("timeout"))));
    assert_eq!(state(&db).await, "in use timeout read");
}

/// What was fetched before the failure is stored; the watermark stands still. Break tried:
/// `fetch` returns at the failure without storing.
#[tokio::test]
async fn a_failure_on_the_way_loses_nothing_that_was_fetched() {
    let (db, bolna, user) = with_executions(30).await;
    bolna.front.matching(|path, _| path.ends_with(&execution_id(20)), Fault::Status(500));
    assert!(matches!(run_with(&db, user, &one_window()).await, Err(Failure::ServerError(500))));
    assert_eq!(number(&db, INBOX).await, 19);
    assert_eq!(state(&db).await, "in use http_500 unread");
    process(&db).await;
    bolna.front.clear_matching();
    bolna.front.clear_requests();
    run_with(&db, user, &one_window()).await.unwrap();
    assert_eq!((bolna.fetched().len(), number(&db, INBOX).await), (11, 30));
    assert_eq!(state(&db).await, "in use fine read");
}

/// Breaks tried: the account left in use (it is asked again); a key that was set while the old one
/// was being refused is taken out of use with it.
#[tokio::test]
async fn a_refused_key_takes_its_account_out_of_use() {
    for status in [401, 403] {
        let (db, bolna, user) = with_executions(1).await;
        bolna.front.next(Fault::Status(status));
        run_with(&db, user, &one_window()).await.unwrap();
        assert_eq!(state(&db).await, format!("http_{status} http_{status} unread"));
        run_with(&db, user, &one_window()).await.unwrap();
        assert_eq!(bolna.front.requests().len(), 1, "it is not asked again");

        bolna.change_key("another-key-of-a-test");
        account(&db, user, Provider::Bolna, &bolna.front.base_url, None, "another-key-of-a-test").await;
        run_with(&db, user, &one_window()).await.unwrap();
        assert_eq!(state(&db).await, "in use fine read");
    }
    let (db, bolna, user) = with_executions(1).await;
    bolna.change_key("another-key-of-a-test");
    bolna.front.next(Fault::Slow(Duration::from_millis(1500)));
    let options = one_window();
    let (ended, ()) = tokio::join!(run_with(&db, user, &options), async {
        // Its key is on the way in the first request, which is slow.
        wait_until("the request is there", Duration::from_secs(20), || async { bolna.front.requests().len() == 1 })
            .await;
        account(&db, user, Provider::Bolna, &bolna.front.base_url, None, "another-key-of-a-test").await;
    });
    ended.unwrap();
    assert!(state(&db).await.starts_with("in use"), "{}", state(&db).await);
}

/// Break tried: `read` without its bound.
#[tokio::test]
async fn an_answer_that_is_too_large_or_about_something_else_is_left_out() {
    let (db, bolna, user) = with_executions(3).await;
    bolna.front.matching(|path, _| path.ends_with(&execution_id(1)), Fault::Huge(MAX_BODY_BYTES + 1));
    bolna.front.matching(|path, _| path.ends_with(&execution_id(2)), Fault::Body("<html>"));
    run_with(&db, user, &one_window()).await.unwrap();
    assert_eq!(number(&db, INBOX).await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.provider_checks WHERE result = 'refused'").await, 2);
    assert_eq!(state(&db).await, "in use fine read");
    run_with(&db, user, &one_window()).await.unwrap();
    assert_eq!(
        bolna.fetched().iter().filter(|id| **id != execution_id(3)).count(),
        2,
        "they are not asked for again and again"
    );
}

/// A list that is not a list is never taken for an empty one. Break tried: `has_more` false by default.
#[tokio::test]
async fn a_list_that_cannot_be_read_moves_nothing() {
    let (db, bolna, user) = with_executions(1).await;
    for (fault, error) in [
        (Fault::Body("<html>"), "bad_list"),
        (Fault::Body("{}"), "bad_list"),
        (Fault::Body(r#"{"data":[]}"#), "bad_list"),
        (Fault::Body(r#"{"data":[],"has_more":true}"#), "empty_page"),
        (Fault::Redirect, "http_302"),
        (Fault::Status(422), "http_422"),
        (Fault::Huge(MAX_BODY_BYTES + 1), "too_large"),
    ] {
        bolna.front.next(fault);
        run_with(&db, user, &one_window()).await.unwrap_err();
        assert_eq!(state(&db).await, format!("in use {error} unread"));
    }
    assert!(bolna.front.requests().iter().all(|request| request.path == "/executions"), "no redirect is followed");
}

/// Break tried: `context` without the address.
#[tokio::test]
async fn a_key_is_not_sent_to_an_address_that_it_was_not_set_for() {
    let (db, bolna, user) = with_executions(1).await;
    let thief = Bolna::start(KEY).await;
    sqlx::query("UPDATE tally.provider_accounts SET base_url = $1")
        .bind(&thief.front.base_url)
        .execute(&db.admin)
        .await
        .unwrap();
    assert!(matches!(run_with(&db, user, &one_window()).await, Err(Failure::KeyNotOpened)));
    assert_eq!(state(&db).await, "in use key_not_opened unread");
    assert_eq!((thief.front.requests().len(), bolna.front.requests().len()), (0, 0));
}
