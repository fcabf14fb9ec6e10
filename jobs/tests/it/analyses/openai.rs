//! The provider that asks an endpoint: what it sends, what it makes of the answers,
//! what it costs, and what becomes of a request whose process dies.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tallyline_testkit::openai::{OpenAi, Reply, full_answer};
use tallyline_testkit::{TestDb, wait_until};
use tokio::sync::Semaphore;

use super::support::*;

const DEADLINE: Duration = Duration::from_secs(60);

async fn one_call(zone: &str) -> (TestDb, OpenAi) {
    let db = TestDb::new().await;
    let user = tenant(&db, zone).await;
    let server = OpenAi::start(Some(API_KEY)).await;
    openai(&db, user, &server).await;
    call(&db, user, "call-1", json!({})).await;
    (db, server)
}

async fn wait_reason(db: &TestDb) -> Option<String> {
    text(db, "SELECT wait_reason FROM tally.call_analyses").await
}

/// Defect 56 of the platform: "tomorrow" was the day after the analysis.
/// Break tried: the present time in the request instead of the call's.
#[tokio::test]
async fn defect_56_a_retry_a_day_later_sends_the_identical_request() {
    let (db, server) = one_call("Asia/Kolkata").await;
    server.script([Reply::Status(500, None)]);
    settle(&db, &analyzer(&db)).await;
    assert_eq!(
        (state(&db).await, wait_reason(&db).await.as_deref()),
        (is("pending", Some("server_error")), Some("retry"))
    );
    assert_eq!(server.requests().len(), 1, "not before its time");
    pass_time(&db).await;
    settle(&db, &analyzer(&db)).await;

    let requests = server.requests();
    assert_eq!((requests.len(), state(&db).await), (2, is("succeeded", None)));
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(requests[0].authorization.as_deref(), Some("Bearer sk-test-of-the-tenant"));
    let (body, asked) = (requests[0].json(), requests[0].asked());
    assert_eq!((&body["model"], &body["temperature"]), (&json!("small-model"), &json!(0)));
    assert_eq!(body["response_format"]["json_schema"]["strict"], json!(true));
    assert_eq!(body["response_format"]["json_schema"]["schema"]["properties"]["intent_score"]["maximum"], json!(3));
    assert_eq!(
        asked["calls"],
        json!([{ "started_at": "2026-03-03T15:41", "weekday": "Tuesday", "time_zone": "Asia/Kolkata", "utc_offset": "+05:30",
                 "direction": "outbound", "transcript": TRANSCRIPT }])
    );
    let lead = &leads(&db, "individual").await[0];
    assert_eq!(
        (&lead["total_score"], &lead["quality"], &lead["lead_status_tag"]),
        (&json!(13), &json!("hot"), &json!("Hot"))
    );
    assert_eq!(
        (&lead["demo_book_datetime"], &lead["transcript_summary"]),
        (&json!("2026-03-04T11:30:00+00:00"), &json!("Asked for prices."))
    );
    assert_eq!(text(&db, "SELECT name FROM contacts").await.as_deref(), Some("Asha"));
}

/// Breaks tried: 401 retried; the code fence not taken off; scores not held against the scale; a refusal taken for an answer.
#[tokio::test]
async fn answers_become_leads_retries_or_failures() {
    let db = TestDb::new().await;
    let (user, server) = (tenant(&db, "UTC").await, OpenAi::start(Some(API_KEY)).await);
    openai(&db, user, &server).await;
    let mut calls = 0;
    let out_of_range = |key: &str, value: i32| {
        let mut answer = full_answer();
        answer[key] = json!(value);
        Reply::Analysis(answer)
    };
    let mut wrong = full_answer();
    wrong["intent_score"] = json!("high");
    let cut = full_answer().to_string();
    let again = |code: &'static str| is("pending", Some(code));
    let over = |code: &'static str| is("failed", Some(code));
    for (reply, found) in [
        (Reply::Content(format!("```json\n{}\n```", full_answer())), is("succeeded", None)),
        (Reply::Content(cut[..cut.len() / 2].to_owned()), again("invalid_json")),
        (Reply::Raw("<html>".to_owned()), again("invalid_json")),
        (Reply::Refusal, again("refusal")),
        (Reply::Length(cut), again("length")),
        (Reply::Analysis(json!({ "answer": 42 })), again("schema_violation")),
        (Reply::Analysis(json!([1])), again("schema_violation")),
        (Reply::Analysis(wrong), again("schema_violation")),
        (out_of_range("intent_score", 4), again("out_of_range")),
        (out_of_range("total_score", 16), again("out_of_range")),
        (out_of_range("fit_score", -1), again("out_of_range")),
        (Reply::Status(429, None), again("rate_limited")),
        (Reply::Status(408, None), again("timed_out")),
        (Reply::Status(409, None), again("conflict")),
        (Reply::Status(503, None), again("server_error")),
        (Reply::Status(400, None), over("bad_request")),
        (Reply::Status(401, None), over("unauthorised")),
        (Reply::Status(403, None), over("forbidden")),
        (Reply::Status(404, None), over("not_found")),
        (Reply::Status(302, None), over("refused")),
    ] {
        run(&db, "TRUNCATE tally.call_analyses, transcripts, lead_analytics").await;
        calls += 1;
        call(&db, user, &format!("call-{calls}"), json!({})).await;
        let shown = format!("{reply:?}");
        server.script([reply]);
        settle(&db, &analyzer(&db)).await;
        assert_eq!(state(&db).await, found, "{shown}");
        assert_eq!(leads(&db, "individual").await.len(), usize::from(found.0 == "succeeded"), "{shown}");
        let status = text(&db, "SELECT analysis_status FROM transcripts").await.unwrap();
        let expected = match found.0.as_str() {
            "succeeded" => "completed",
            other => other,
        };
        assert_eq!(status, expected, "{shown}");
        let kept = text(&db, "SELECT coalesce(error_detail, '') FROM tally.call_analyses").await.unwrap();
        assert!(!kept.contains("interested"), "{kept}");
    }
}

/// Break tried: the attempts not bounded, with which the analysis stays pending.
#[tokio::test]
async fn retries_are_bounded_and_wait_as_long_as_the_endpoint_wants() {
    let (db, server) = one_call("UTC").await;
    server.script([Reply::Status(429, Some("7200".to_owned()))]);
    settle(&db, &analyzer(&db)).await;
    let waits = "SELECT (not_before BETWEEN now() + interval '119 minutes' AND now() + interval '120 minutes')::text FROM tally.call_analyses";
    assert_eq!(text(&db, waits).await.as_deref(), Some("true"));
    pass_time(&db).await;
    let date = text(
        &db,
        "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '3 hours', 'Dy, DD Mon YYYY HH24:MI:SS') || ' GMT'",
    )
    .await;
    server.script([Reply::Status(503, date)]);
    settle(&db, &analyzer(&db)).await;
    let waits = "SELECT (not_before BETWEEN now() + interval '179 minutes' AND now() + interval '180 minutes')::text FROM tally.call_analyses";
    assert_eq!(text(&db, waits).await.as_deref(), Some("true"));
    pass_time(&db).await;
    server.script([Reply::Status(500, None)]);
    settle(&db, &analyzer(&db)).await;
    assert_eq!((state(&db).await, server.requests().len()), (is("failed", Some("server_error")), 3));
    assert_eq!(text(&db, "SELECT analysis_status FROM transcripts").await.as_deref(), Some("failed"));
}

/// Defect 25 of the platform: a crash in the middle lost the lead.
/// Break tried: `a.claim = r.claim` left out of `end_calls.sql`; the late answer then ends the claim of the other worker.
#[tokio::test]
async fn defect_25_work_of_a_process_that_died_or_froze_is_done_again_and_counts_once() {
    let (db, server) = one_call("UTC").await;
    let gate = Arc::new(Semaphore::new(0));
    let mut late = full_answer();
    late["total_score"] = json!(9);
    server.script([Reply::Held(Arc::clone(&gate), Box::new(Reply::Analysis(late)))]);
    let frozen = Arc::new(analyzer(&db));
    let unit = tokio::spawn({
        let frozen = Arc::clone(&frozen);
        async move { frozen.run_unit().await.unwrap() }
    });
    wait_until("the condition holds", DEADLINE, async || server.requests().len() == 1).await;
    assert_eq!(state(&db).await, is("claimed", None));
    let other = analyzer(&db);
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        .await,
        0
    );

    assert_eq!(other.run_unit().await.unwrap(), 0, "the claim holds");
    run(&db, "UPDATE tally.call_analyses SET claimed_until = now()").await;
    assert_eq!(other.run_unit().await.unwrap(), 1);
    assert_eq!(state(&db).await, is("succeeded", None));
    let ended = text(&db, "SELECT to_jsonb(a)::text FROM tally.call_analyses a").await;
    gate.add_permits(1);
    unit.await.unwrap();
    assert_eq!(
        text(&db, "SELECT to_jsonb(a)::text FROM tally.call_analyses a").await,
        ended,
        "what comes late changes nothing"
    );
    settle(&db, &other).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox WHERE provider = 'analysis'").await, 1);
    assert_eq!(leads(&db, "individual").await[0]["total_score"], json!(13));
    // Both requests were paid for.
    let (paid, noted) =
        ("SELECT spent_micros FROM tally.analysis_spend", "SELECT cost_micros FROM tally.call_analyses");
    assert!(number(&db, paid).await > number(&db, noted).await);

    // One whose processes always die is given up.
    run(&db, "UPDATE tally.call_analyses SET state = 'claimed', claim = 0, claimed_until = now(), attempts = 3, finished_at = NULL").await;
    assert_eq!(other.run_unit().await.unwrap(), 1);
    assert_eq!((state(&db).await, server.requests().len()), (is("failed", Some("never_ended")), 2));
}

/// Break tried: the reservation left out of `claim`; the second request is then made within the same cap.
#[tokio::test]
async fn a_day_costs_no_more_than_its_cap() {
    let (db, server) = one_call("Asia/Kolkata").await;
    let user = db_user(&db).await;
    call(&db, user, "call-2", json!({})).await;
    // One request may cost its bytes and the output's tokens: some 8,000; the cap holds one, not two.
    run(&db, "UPDATE tally.analysis_settings SET daily_cap_micros = 12000, concurrency = 8").await;
    let gate = Arc::new(Semaphore::new(0));
    server.script([Reply::Held(Arc::clone(&gate), Box::new(Reply::Analysis(full_answer())))]);
    let analyzer = Arc::new(analyzer(&db));
    let unit = tokio::spawn({
        let analyzer = Arc::clone(&analyzer);
        async move { analyzer.run_unit().await.unwrap() }
    });
    wait_until("the condition holds", DEADLINE, async || server.requests().len() == 1).await;
    let reserved = number(&db, "SELECT spent_micros FROM tally.analysis_spend").await;
    assert!((6_000..=12_000).contains(&reserved), "{reserved}");
    assert_eq!(analyzer.run_unit().await.unwrap(), 1, "the other is put off");
    assert_eq!(server.requests().len(), 1);
    let midnight = "SELECT (not_before = (SELECT bucket_end FROM tally.calendar WHERE zone = 'Asia/Kolkata' AND grain = 'day' AND bucket_start <= now()
                    ORDER BY bucket_start DESC LIMIT 1))::text FROM tally.call_analyses WHERE wait_reason = 'spending_cap'";
    assert_eq!(text(&db, midnight).await.as_deref(), Some("true"));
    gate.add_permits(1);
    unit.await.unwrap();

    // The cost is what the endpoint says was used, at the tenant's prices.
    let cost = "SELECT input_tokens + 4 * output_tokens FROM tally.call_analyses WHERE state = 'succeeded'";
    let cost = number(&db, cost).await;
    assert!(cost > 0 && cost < reserved, "{cost}");
    assert_eq!(number(&db, "SELECT cost_micros FROM tally.call_analyses WHERE state = 'succeeded'").await, cost);
    assert_eq!(number(&db, "SELECT spent_micros FROM tally.analysis_spend").await, cost);

    // Used up: everything that is due is put off at once.
    run(&db, "UPDATE tally.analysis_spend SET spent_micros = 12000").await;
    pass_time(&db).await;
    settle(&db, &analyzer).await;
    assert_eq!(server.requests().len(), 1);
    run(&db, "UPDATE tally.analysis_spend SET spent_micros = 0").await;
    pass_time(&db).await;
    settle(&db, &analyzer).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_analyses WHERE state = 'succeeded'").await, 2);
}

async fn db_user(db: &TestDb) -> uuid::Uuid {
    sqlx::query_scalar("SELECT id FROM users").fetch_one(&db.admin).await.unwrap()
}

/// Breaks tried: `turn` not written, with which the first tenant has the first two; `concurrency` held neither in
/// `next_tenant.sql` nor in `claim::request`.
#[tokio::test]
async fn tenants_take_turns_and_none_has_more_requests_than_it_may() {
    let db = TestDb::new().await;
    let server = OpenAi::start(None).await;
    let gate = Arc::new(Semaphore::new(0));
    server.otherwise(Reply::Held(Arc::clone(&gate), Box::new(Reply::Analysis(full_answer()))));
    for _ in 0..2 {
        let user = tenant(&db, "UTC").await;
        openai(&db, user, &server).await;
        for call_no in 0..6 {
            call(&db, user, &format!("call-{call_no}"), json!({})).await;
        }
    }
    let analyzer = Arc::new(analyzer(&db));
    let by_tenant = "SELECT string_agg(n::text, ',') FROM (SELECT count(*) AS n FROM tally.call_analyses WHERE state = 'claimed' GROUP BY user_id) s";
    let mut units = Vec::new();
    for expected in 1..=4 {
        let analyzer = Arc::clone(&analyzer);
        units.push(tokio::spawn(async move { analyzer.run_unit().await.unwrap() }));
        wait_until("the condition holds", DEADLINE, async || server.requests().len() == expected).await;
        if expected == 2 {
            assert_eq!(text(&db, by_tenant).await.as_deref(), Some("1,1"), "in turn");
        }
    }
    assert_eq!(text(&db, by_tenant).await.as_deref(), Some("2,2"));
    assert_eq!(analyzer.run_unit().await.unwrap(), 0);
    gate.add_permits(100);
    for unit in units {
        assert_eq!(unit.await.unwrap(), 1);
    }
    settle(&db, &analyzer).await;
    assert_eq!(states(&db).await, vec![is("succeeded", None); 12]);
}

#[tokio::test]
async fn an_endpoint_that_is_out_of_order_is_left_alone() {
    let (db, server) = one_call("UTC").await;
    let user = db_user(&db).await;
    let base_url = server.base_url.clone();
    drop(server);
    let mut options = options();
    options.max_attempts = 100;
    options.breaker.failures = 2;
    options.breaker.open_for = Duration::ZERO;
    let analyzer = analyzer_with(&db, options.clone());
    for _ in 0..2 {
        wait_until("the condition holds", DEADLINE, async || analyzer.run_unit().await.unwrap() == 1).await;
        assert_eq!(state(&db).await, is("pending", Some("unreachable")));
        pass_time(&db).await;
    }
    options.breaker.open_for = Duration::from_secs(3600);
    let analyzer = analyzer_with(&db, options);
    for worked in [1, 1, 0, 0] {
        assert_eq!(analyzer.run_unit().await.unwrap(), worked);
        pass_time(&db).await;
    }
    // Others are not concerned.
    let server = OpenAi::start(None).await;
    assert_ne!(server.base_url, base_url);
    let other = tenant(&db, "UTC").await;
    openai(&db, other, &server).await;
    call(&db, other, "call-of-another", json!({})).await;
    settle(&db, &analyzer).await;
    let done = "SELECT count(*) FROM tally.call_analyses a JOIN tally.analysis_settings s USING (user_id) WHERE a.state = 'succeeded'";
    assert_eq!(number(&db, done).await, 1);
    assert_ne!(other, user);
}

/// A key that was sealed with another installation's key is no reason to give analyses up.
#[tokio::test]
async fn a_key_that_does_not_open_keeps_the_work_waiting() {
    let (db, server) = one_call("UTC").await;
    run(&db, "UPDATE tally.analysis_settings SET sealed_api_key = '\\x0102'").await;
    assert_eq!(analyzer(&db).run_unit().await.unwrap(), 0);
    assert_eq!((state(&db).await, server.requests().len()), (is("pending", None), 0));
    let shown: Vec<Value> = leads(&db, "individual").await;
    assert_eq!(shown, Vec::<Value>::new());
}
