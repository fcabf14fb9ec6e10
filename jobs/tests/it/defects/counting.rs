//! Calls are counted once, in one row a bucket, and follow their calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tallyline_jobs::roll_up as job;

use super::*;

/// Daily upserts never met their conflict target (a key with NULL in it), so each event added a row.
///
/// Break tried: the key of `user_analytics` dropped, and `ON CONFLICT` with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_01_a_bucket_is_one_row_however_many_events_and_roll_ups_meet() {
    let (db, user) = scene("Asia/Kathmandu").await;
    let (db, done) = (Arc::new(db), Arc::new(AtomicBool::new(false)));
    let refreshers: Vec<_> = (0..4)
        .map(|_| {
            let (db, done) = (Arc::clone(&db), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    job::run_unit(&db.pool, &roll_up_options()).await.unwrap();
                }
            })
        })
        .collect();
    for n in 0..20 {
        for (status, second) in [("initiated", 10), ("ringing", 12), ("call-disconnected", 40), ("completed", 50)] {
            let seconds = if second < 40 { 0 } else { 30 + n };
            let more = json!({ "conversation_duration": seconds });
            send(&db, user, [event(&format!("call-{n}"), status, second, more)]).await;
            process(&db).await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for refresher in refreshers {
        refresher.await.unwrap();
    }
    settle(&db).await;
    let rows = "SELECT grain || ': ' || count(*) || ' rows, ' || sum(total_calls) || ' calls'
                FROM (SELECT grain, total_calls FROM user_analytics UNION ALL SELECT grain || ' of an agent', total_calls FROM agent_analytics) r
                GROUP BY grain ORDER BY grain";
    let expected = ["day", "day of an agent", "hour", "hour of an agent", "month", "month of an agent"];
    assert_eq!(texts(&db, rows).await, expected.map(|grain| format!("{grain}: 1 rows, 20 calls")));
}

/// A unique key on (agent, date) refused the hours beside the day, and the call with them.
///
/// Break tried: that very key.
#[tokio::test]
async fn defect_02_the_hours_and_the_day_of_one_date_stand_side_by_side() {
    let (db, user) = scene("UTC").await;
    let later = json!({ "conversation_duration": 10, "created_at": "2026-03-03T15:00:00", "initiated_at": "2026-03-03T15:00:01" });
    send(&db, user, [talk("a", 27.2), event("b", "completed", 50, later)]).await;
    settle(&db).await;
    for table in ["user", "agent"] {
        let rows = match table {
            "user" => {
                "SELECT grain || coalesce(' ' || hour, '') || ' ' || total_calls FROM user_analytics WHERE date = '2026-03-03' ORDER BY 1"
            }
            _ => {
                "SELECT grain || coalesce(' ' || hour, '') || ' ' || total_calls FROM agent_analytics WHERE date = '2026-03-03' ORDER BY 1"
            }
        };
        assert_eq!(texts(&db, rows).await, ["day 2", "hour 10 1", "hour 15 1"], "{table}");
    }
}

/// Calls were counted when they became completed, with 0 minutes and credits, and what came later never was.
///
/// Break tried: `mark_calls_updated` compares neither durations nor credits.
#[tokio::test]
async fn defect_05_minutes_and_credits_that_come_after_the_end_are_counted() {
    for (delay, corrected_at) in
        [("none", "2026-03-03T10:11:51"), ("13 minutes", "2026-03-03T10:24:45"), ("40 days", "2026-04-12T10:11:45")]
    {
        let (db, user) = scene("Asia/Kolkata").await;
        let [initiated, ringing, in_progress, disconnected, completed] = answered_call("a").try_into().unwrap();
        send(&db, user, [initiated, ringing, in_progress, disconnected]).await;
        settle(&db).await;
        assert_eq!(day(&db).await.micro_credits, 0, "nothing is charged before the end");
        send(&db, user, [completed]).await;
        settle(&db).await;
        assert_eq!((day(&db).await.minutes, day(&db).await.micro_credits), (1, 1_000_000));
        // The outcome stays what it is; only the length is another.
        let correction = json!({ "conversation_duration": 127.9, "updated_at": corrected_at });
        send(&db, user, [bolna("a", "completed", 0, correction)]).await;
        settle(&db).await;
        let counted =
            Day { calls: 1, answered: 1, failed: 0, minutes: 3, micro_credits: 3_000_000, leads: 0, qualified: 0 };
        assert_eq!(day(&db).await, counted, "delay: {delay}");
    }
}

/// A call that flipped from completed to failed, or turned out to be a voicemail, was counted on both sides.
///
/// Break tried: `mark_calls_updated` does not compare the outcome.
#[tokio::test]
async fn defect_06_a_call_that_changes_its_outcome_moves_between_the_counters() {
    let (db, user) = scene("UTC").await;
    send(&db, user, [talk("a", 9.0), talk("b", 0.0), talk("c", 9.0)]).await;
    settle(&db).await;
    let counters =
        "SELECT concat_ws(' ', total_calls, successful_calls, voicemail_calls, no_answer_calls, failed_outcome_calls)
                    FROM user_analytics WHERE grain = 'day'";
    assert_eq!(texts(&db, counters).await, ["3 2 0 1 0"]);
    let voicemail = json!({ "conversation_duration": 9, "answered_by_voice_mail": true });
    send(&db, user, [event("b", "failed", 55, json!({})), event("c", "completed", 56, voicemail)]).await;
    settle(&db).await;
    assert_eq!(texts(&db, counters).await, ["3 1 1 0 1"]);
    // By hand, and back.
    run(&db, "UPDATE calls SET outcome = 'busy', status = 'failed' WHERE outcome = 'answered'").await;
    settle(&db).await;
    assert_eq!(texts(&db, counters).await, ["3 0 1 0 1"]);
}

/// All that the roll-ups hold, and how often each bucket was recomputed.
const HELD: &str = "SELECT jsonb_build_array(
    (SELECT jsonb_agg(to_jsonb(r) ORDER BY grain, bucket_start) FROM user_analytics r),
    (SELECT jsonb_agg(to_jsonb(r) ORDER BY grain, bucket_start) FROM agent_analytics r),
    (SELECT jsonb_agg(to_jsonb(b) ORDER BY tier, bucket_start) FROM tally.rollup_buckets b))::text";

/// Each further UPDATE of a completed call counted it again.
///
/// Break tried: `mark_calls_updated` without its comparison.
#[tokio::test]
async fn defect_07_a_hundred_updates_and_redeliveries_that_change_nothing_change_nothing() {
    let (db, user) = scene("UTC").await;
    send(&db, user, answered_call("a")).await;
    settle(&db).await;
    let held = texts(&db, HELD).await;
    let body = answered_call("a").pop().unwrap();
    for n in 0..100 {
        run(&db, "UPDATE calls SET outcome = outcome, duration_seconds = duration_seconds, metadata = metadata || '{\"seen\": true}'").await;
        assert!(!deliver(&db, user, "bolna", &body).await, "the same bytes are the same event");
        // The same words in other bytes are an event of their own.
        send(&db, user, [[&body[..], &b" ".repeat(n + 1)].concat()]).await;
        process(&db).await;
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
    settle(&db).await;
    assert_eq!(texts(&db, HELD).await, held, "not even recomputed");
    assert_eq!(number(&db, "SELECT count(*) FROM credit_transactions WHERE call_id IS NOT NULL").await, 1);
}

/// Failed calls were counted nowhere.
///
/// Break tried: `busy` left out of `tally.count_calls`; a check of the table refuses the row.
#[tokio::test]
async fn defect_08_all_calls_are_the_sum_of_what_became_of_them() {
    let (db, user) = scene("UTC").await;
    for (n, status) in ["no-answer", "busy", "failed", "canceled", "in-progress"].into_iter().enumerate() {
        send(&db, user, [event(&format!("call-{n}"), status, 40, json!({}))]).await;
    }
    let machine = json!({ "conversation_duration": 5, "answered_by_voice_mail": true });
    send(&db, user, [talk("a", 5.0), event("b", "completed", 50, machine)]).await;
    settle(&db).await;
    let counters =
        "SELECT concat_ws(' ', grain, total_calls, successful_calls, voicemail_calls, no_answer_calls, busy_calls,
                        failed_outcome_calls, cancelled_calls, in_progress_calls, failed_calls, missed_calls)
                    FROM user_analytics ORDER BY grain";
    assert_eq!(
        texts(&db, counters).await,
        ["day", "hour", "month"].map(|grain| format!("{grain} 7 1 1 1 1 1 1 1 3 2"))
    );
}
