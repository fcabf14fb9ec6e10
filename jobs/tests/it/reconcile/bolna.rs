//! What Bolna knows and no webhook has told.

use std::collections::BTreeSet;
use std::time::Duration;

use tallyline_testkit::front::Fault;
use tallyline_testkit::wait_until;

use super::*;

/// Breaks tried: `lacks` false for every call that we have (nothing is recovered); a fetched
/// body stored without its pending row (it is never applied).
#[tokio::test]
async fn a_missed_end_is_fetched_once_and_charged_once() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let began = now(&db).await - TimeDelta::minutes(20);
    for status in ["initiated", "ringing", "in-progress"] {
        webhook(&db, user, &in_status(CALL, status, began)).await;
    }
    process(&db).await;
    assert_eq!(text(&db, "SELECT outcome FROM calls").await.as_deref(), Some("in_progress"));
    bolna.change(|all| all.put(completed(CALL, began)));

    run(&db, user).await;
    assert_eq!(text(&db, "SELECT outcome FROM calls").await.as_deref(), Some("answered"));
    assert_eq!(number(&db, "SELECT cost_micros FROM calls").await, 35_400);
    assert_eq!(bolna.fetched(), [CALL]);
    let inbox = number(&db, INBOX).await;

    // The next run stores and fetches nothing.
    run(&db, user).await;
    assert_eq!((bolna.fetched().len(), number(&db, INBOX).await), (1, inbox));

    // The webhook comes after all, in other bytes.
    let mut late = completed(CALL, began);
    late["billing_settled"] = json!(true);
    webhook(&db, user, &late).await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM credit_transactions WHERE call_id IS NOT NULL").await, 1);
    assert_eq!(number(&db, "SELECT 15000000 - credits_micros FROM users").await, 1_000_000);
    roll_up(&db).await;
    check_exact(&db).await;
}

#[tokio::test]
async fn a_call_that_was_never_announced_is_recovered() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let mut inbound = completed(CALL, now(&db).await - TimeDelta::days(3));
    inbound["telephony_data"]["call_type"] = json!("inbound");
    bolna.change(|all| all.put(inbound));
    run(&db, user).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE lead_type = 'inbound' AND outcome = 'answered'").await, 1);
    let (endpoint, sha): (String, bool) =
        sqlx::query_as("SELECT endpoint, body_sha256 = sha256(body) FROM tally.inbox")
            .fetch_one(&db.admin)
            .await
            .unwrap();
    assert_eq!((endpoint.as_str(), sha), (reconcile_calls::ENDPOINT, true));
}

/// A call whose end only the carrier told is not settled: its price and its talk are Bolna's.
/// Break tried: in `known_executions.sql` statuses of either provider.
#[tokio::test]
async fn the_carriers_word_does_not_end_the_asking() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let began = now(&db).await - TimeDelta::minutes(20);
    let sid = "CA00000000000000000000000000000001";
    let mut ended = completed(CALL, began);
    ended["telephony_data"]["provider_call_id"] = json!(sid);
    let mut live = in_status(CALL, "in-progress", began);
    live["telephony_data"]["provider_call_id"] = json!(sid);
    webhook(&db, user, &live).await;
    let callback = format!("CallSid={sid}&CallStatus=completed&CallDuration=27&Direction=outbound-api");
    deliver(&db, user, "twilio", callback.as_bytes()).await;
    process(&db).await;
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM calls WHERE completed_at IS NOT NULL AND duration_seconds = 27 AND cost_micros = 0"
        )
        .await,
        1
    );
    bolna.change(|all| all.put(ended));
    run(&db, user).await;
    assert_eq!(number(&db, "SELECT cost_micros FROM calls").await, 35_400);
}

/// A corrected length is fetched though the call has ended; the same length in the older spelling
/// is not. Break tried: `same_seconds` always true.
#[tokio::test]
async fn an_end_that_differs_is_fetched_again() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let began = now(&db).await - TimeDelta::hours(2);
    bolna.change(|all| {
        all.put(completed(CALL, began));
        all.old_spelling = true;
    });
    webhook(&db, user, &completed(CALL, began)).await;
    process(&db).await;
    run(&db, user).await;
    assert_eq!(bolna.fetched(), Vec::<String>::new());

    let mut longer = completed(CALL, began);
    longer["conversation_duration"] = json!(61.5);
    longer["updated_at"] = json!(stamp(began + TimeDelta::seconds(90)));
    bolna.change(|all| all.put(longer));
    run(&db, user).await;
    assert_eq!(bolna.fetched(), [CALL]);
    assert_eq!(number(&db, "SELECT duration_seconds::bigint FROM calls").await, 61);
    assert_eq!(number(&db, "SELECT 15000000 - credits_micros FROM users").await, 2_000_000);
    run(&db, user).await;
    assert_eq!(bolna.fetched().len(), 1);
}

/// 180 executions; while the pages are read 20 come in and three of the last page change, which
/// puts them on a page that was read before. Break tried: one pass only (23 are lost). Ids are
/// remembered over pages and passes, and what was fetched is noted: either alone keeps each to one fetch.
#[tokio::test]
async fn a_list_that_moves_while_it_is_read_gives_every_execution_once() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let now = now(&db).await;
    let created = move |n: u32| now - TimeDelta::minutes(i64::from(n) + 30);
    bolna.change(|all| (1..=180).for_each(|n| all.put(completed(&execution_id(n), created(n)))));
    bolna.after_page(1, move |all| {
        for n in 181..=200 {
            let mut new = completed(&execution_id(n), created(1));
            new["updated_at"] = json!(stamp(now));
            all.put(new);
        }
    });
    bolna.after_page(2, move |all| (178..=180).for_each(|n| all.touch(&execution_id(n), now)));

    let options = Options { first_days: 1, ..reconcile_options() };
    run_with(&db, user, &options).await.unwrap();
    let fetched = bolna.fetched();
    assert_eq!(fetched.iter().collect::<BTreeSet<_>>().len(), 200, "each one");
    assert_eq!(fetched.len(), 200, "and once");
    assert_eq!(number(&db, INBOX).await, 200);
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE outcome = 'answered'").await, 200);

    bolna.front.clear_requests();
    run_with(&db, user, &options).await.unwrap();
    assert_eq!((bolna.fetched().len(), number(&db, INBOX).await), (0, 200), "a second run finds nothing");
    assert!(bolna.front.requests().iter().all(|request| request.status == 200));
}

/// The list is asked as it wants to be: both ends given, no `Z`, never more than 7 days, and from
/// the watermark on. Break tried: no upper bound for `window_hours` (the list answers 422).
#[tokio::test]
async fn windows_are_as_long_as_the_list_allows() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let now = now(&db).await;
    bolna.change(|all| {
        [1, 8, 19]
            .iter()
            .for_each(|days| all.put(completed(&execution_id(*days), now - TimeDelta::days(i64::from(*days)))))
    });
    let options = Options { first_days: 20, window_hours: 100_000, ..reconcile_options() };
    run_with(&db, user, &options).await.unwrap();
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 3);
    assert_eq!(bolna.listed(), 3);
    for request in bolna.front.requests().iter().filter(|request| request.path == "/executions") {
        assert_eq!(request.status, 200);
        assert!(!request.query.contains('Z') && request.query.matches("%2B00%3A00").count() == 2, "{}", request.query);
    }
    bolna.front.clear_requests();
    run_with(&db, user, &options).await.unwrap();
    assert_eq!(bolna.listed(), 1, "what was read before the look-back is not read again");
}

/// Break tried: the later half left out.
#[tokio::test]
async fn a_window_with_too_many_executions_is_halved() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let now = now(&db).await;
    let created = |n: u32| now - TimeDelta::minutes(8 * i64::from(n));
    bolna.change(|all| (1..=170).for_each(|n| all.put(completed(&execution_id(n), created(n)))));
    let options = Options { first_days: 1, max_window_ids: 60, ..reconcile_options() };
    run_with(&db, user, &options).await.unwrap();
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 170);
    assert_eq!(bolna.fetched().len(), 170);
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM tally.provider_accounts WHERE reconciled_until > now() - interval '1 minute'"
        )
        .await,
        1
    );
}

/// A run that is killed between pages has moved no watermark, and the next one ends as if nothing
/// had happened. Break tried: `advance` before `read_window` (60 calls are never seen).
#[tokio::test]
async fn a_run_that_is_killed_is_read_again_to_the_same_end() {
    let (db, control) = (TestDb::new().await, TestDb::new().await);
    let (bolna, other) = (Bolna::start(KEY).await, Bolna::start(KEY).await);
    let options = Options { look_back_hours: 0, first_days: 1, ..reconcile_options() };
    let began = now(&db).await - TimeDelta::hours(3);
    for bolna in [&bolna, &other] {
        bolna.change(|all| {
            (1..=110).for_each(|n| all.put(completed(&execution_id(n), began + TimeDelta::seconds(i64::from(n)))))
        });
    }
    let user = bolna_tenant(&db, &bolna).await;
    // Newest first: this one is on the second page, after the first was stored.
    bolna.front.matching(|path, _| path.ends_with(&execution_id(40)), Fault::Slow(Duration::from_secs(600)));
    tokio::select! {
        ended = run_with(&db, user, &options) => panic!("ended though it should hang: {ended:?}"),
        () = wait_until("it hangs in the middle", Duration::from_secs(60), || async { bolna.fetched().len() >= 70 }) => {}
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.provider_accounts WHERE reconciled_until IS NOT NULL").await, 0);
    let stored = number(&db, INBOX).await;
    assert!((50..110).contains(&stored), "{stored}");
    process(&db).await;
    bolna.front.clear_matching();
    run_with(&db, user, &options).await.unwrap();
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.provider_accounts WHERE reconciled_until IS NOT NULL").await, 1);

    let user = bolna_tenant(&control, &other).await;
    run_with(&control, user, &options).await.unwrap();
    process(&control).await;
    assert_eq!(number(&control, "SELECT count(*) FROM calls").await, 110);
    assert_eq!(picture(&db).await, picture(&control).await);
}

/// Calls without an end are asked for by id, whatever the list shows; what Bolna does not know is
/// shown, asked again ever more seldom, and stays as it is. Breaks tried: a pause that does not grow;
/// a call unknown to Bolna made up as failed is what `outcome` would show.
#[tokio::test]
async fn a_stuck_call_is_asked_for_and_an_unknown_one_is_shown() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let now = now(&db).await;
    let options = Options { first_days: 1, ..reconcile_options() };
    let (known, unknown, young) = (execution_id(1), execution_id(2), execution_id(3));
    webhook(&db, user, &in_status(&known, "in-progress", now - TimeDelta::days(9))).await;
    webhook(&db, user, &in_status(&unknown, "ringing", now - TimeDelta::days(8))).await;
    webhook(&db, user, &in_status(&young, "ringing", now - TimeDelta::minutes(50))).await;
    process(&db).await;
    bolna.change(|all| all.put(completed(&known, now - TimeDelta::days(9))));

    run_with(&db, user, &options).await.unwrap();
    process(&db).await;
    assert_eq!(bolna.fetched().into_iter().collect::<BTreeSet<_>>(), [known.clone(), unknown.clone()].into());
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE outcome = 'answered'").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE outcome = 'in_progress'").await, 2);
    let unknown_calls = "SELECT count(*) FROM tally.provider_checks WHERE result = 'unknown'";
    assert_eq!(number(&db, unknown_calls).await, 1);

    let pause = "SELECT extract(epoch FROM next_check_at - checked_at)::bigint FROM tally.provider_checks WHERE result = 'unknown'";
    for (checks, seconds) in [(1, 3600), (2, 7200), (3, 14_400), (4, 28_800), (5, 57_600), (6, 86_400), (7, 86_400)] {
        assert_eq!(
            (number(&db, "SELECT max(checks)::bigint FROM tally.provider_checks").await, number(&db, pause).await),
            (checks, seconds)
        );
        bolna.front.clear_requests();
        run_with(&db, user, &options).await.unwrap();
        assert_eq!(bolna.fetched(), Vec::<String>::new(), "it rests");
        sql(&db, "UPDATE tally.provider_checks SET next_check_at = now()").await;
        run_with(&db, user, &options).await.unwrap();
        assert_eq!(bolna.fetched(), std::slice::from_ref(&unknown));
    }

    // Bolna remembers: the flag goes away.
    bolna.change(|all| all.put(in_status(&unknown, "no-answer", now - TimeDelta::days(8))));
    sql(&db, "UPDATE tally.provider_checks SET next_check_at = now()").await;
    run_with(&db, user, &options).await.unwrap();
    process(&db).await;
    assert_eq!(number(&db, unknown_calls).await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE outcome = 'no_answer'").await, 1);
}

/// Break tried: `listed` not kept: the execution is fetched by every run for ever.
#[tokio::test]
async fn an_execution_of_a_foreign_agent_goes_to_quarantine_and_is_not_fetched_again() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let began = now(&db).await - TimeDelta::hours(1);
    let mut foreign = in_status(CALL, "in-progress", began);
    foreign["agent_id"] = json!("00000000-0000-4000-8000-0000000000ff");
    bolna.change(|all| all.put(foreign.clone()));
    run(&db, user).await;
    run(&db, user).await;
    assert_eq!(bolna.fetched(), [CALL]);
    assert_eq!(text(&db, "SELECT reason FROM tally.quarantine").await.as_deref(), Some("unknown_agent"));
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 0);
    // What changes is fetched.
    foreign["status"] = json!("completed");
    bolna.change(|all| all.put(foreign));
    run(&db, user).await;
    assert_eq!((bolna.fetched().len(), number(&db, INBOX).await), (2, 2));
}
