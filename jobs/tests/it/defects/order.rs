//! Events in any order, any number of times, some missing: the same rows.

use serde_json::json;

use super::*;

/// All orders of 0 to 4.
fn permutations() -> Vec<[usize; 5]> {
    let mut all = vec![Vec::new()];
    for _ in 0..5 {
        all = all
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..5).filter(|n| !order.contains(n)).map(|n| [&order[..], &[n]].concat()).collect::<Vec<_>>()
            })
            .collect();
    }
    all.into_iter().map(|order| order.try_into().unwrap()).collect()
}

/// The five events of one execution.
fn life(id: &str) -> [Vec<u8>; 5] {
    let said = "assistant: Hello\nuser:  hi\n";
    let hangup =
        json!({ "hangup_by": "Callee", "hangup_reason": "Call recipient hungup", "hangup_provider_code": 4000 });
    let mut recorded = hangup.clone();
    recorded["recording_url"] = json!("https://api.bolna.ai/recordings/call/1");
    let talk = |telephony| json!({ "conversation_duration": 27.2, "transcript": said, "telephony_data": telephony });
    [
        event(id, "initiated", 10, json!({})),
        event(id, "ringing", 12, json!({})),
        event(id, "in-progress", 14, json!({})),
        event(id, "call-disconnected", 45, talk(hangup)),
        event(id, "completed", 50, talk(recorded)),
    ]
}

/// Handlers waited half a second, five and ten, and hoped that the events had come in order by then.
///
/// Breaks tried: `load_events.sql` gives the latest event only; events in the order in which they were received.
#[tokio::test]
async fn defect_22_all_120_orders_of_five_events_with_duplicates_end_in_equal_rows() {
    let (db, user) = scene("UTC").await;
    let orders = permutations();
    assert_eq!(orders.len(), 120);
    for step in 0..5 {
        for (n, order) in orders.iter().enumerate() {
            let body = &life(&format!("call-{n}"))[order[step]];
            assert!(deliver(&db, user, "bolna", body).await);
            assert!(!deliver(&db, user, "bolna", body).await);
        }
        process(&db).await;
    }
    let kinds = "SELECT DISTINCT jsonb_build_array(
            to_jsonb(c) - 'id' - 'bolna_execution_id' - 'bolna_conversation_id' - 'created_at' - 'updated_at',
            (SELECT jsonb_agg(t.content) FROM transcripts t WHERE t.call_id = c.id),
            (SELECT jsonb_agg(x.amount_micros) FROM credit_transactions x WHERE x.call_id = c.id),
            (SELECT jsonb_agg(to_jsonb(a) - 'call_id') FROM tally.call_attempts a WHERE a.call_id = c.id))::text
        FROM calls c";
    let kinds = texts(&db, kinds).await;
    assert_eq!(kinds.len(), 1, "{:#?}", &kinds[..2]);
    settle(&db).await;
    let counted =
        Day { calls: 120, answered: 120, failed: 0, minutes: 120, micro_credits: 120_000_000, leads: 0, qualified: 0 };
    assert_eq!(day(&db).await, counted);
}

/// Without a call-disconnected event the transcript in the completed one was ignored, and nothing was analysed.
///
/// Break tried: `merge` takes transcripts of call-disconnected only.
#[tokio::test]
async fn defect_23_the_last_event_alone_makes_the_whole_call() {
    let (db, user) = scene("UTC").await;
    send(&db, user, life("a").into_iter().skip(4)).await;
    settle(&db).await;
    let call = "SELECT concat_ws(' | ', c.outcome, c.call_lifecycle_status, c.duration_seconds, c.recording_url, t.content, x.amount_micros, k.phone_e164)
                FROM calls c JOIN transcripts t ON t.call_id = c.id JOIN credit_transactions x ON x.call_id = c.id
                JOIN contacts k ON k.id = c.contact_id";
    let whole = "answered | completed | 27 | https://api.bolna.ai/recordings/call/1 | assistant: Hello\nuser:  hi\n | -1000000 | +12025550143";
    assert_eq!(texts(&db, call).await, [whole]);
}

/// A late call-disconnected event wiped the recording and the reason, a late ringing event took the call back.
///
/// Break tried: events in the order in which they were received.
#[tokio::test]
async fn defect_24_late_events_erase_nothing_and_take_nothing_back() {
    let (db, user) = scene("UTC").await;
    let [_, ringing, _, _, completed] = life("a");
    send(&db, user, [completed]).await;
    settle(&db).await;
    let call = "SELECT concat_ws(' | ', outcome, call_lifecycle_status, recording_url, hangup_by, hangup_reason, hangup_provider_code, completed_at)
                FROM calls";
    let before = texts(&db, call).await;
    assert!(before[0].contains("recordings/call/1 | Callee | Call recipient hungup | 4000"), "{before:?}");
    // Both are sent after the end; the second says so of itself.
    let emptied = json!({
        "conversation_duration": 27.2, "transcript": "",
        "telephony_data": { "recording_url": "", "hangup_by": null, "hangup_reason": "" }
    });
    send(&db, user, [ringing, event("a", "call-disconnected", 59, emptied)]).await;
    settle(&db).await;
    assert_eq!(texts(&db, call).await, before);
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE ringing_started_at < completed_at").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM transcripts WHERE content LIKE '%hi%'").await, 1);
}

/// A redelivered event charged again, analysed again and counted again.
///
/// Break tried: `ledger::write` charges the call's cost instead of the difference to what was charged.
#[tokio::test]
async fn defect_27_what_comes_three_times_is_charged_and_counted_once() {
    let (db, user) = scene("UTC").await;
    let unanswered = bolna("b", "no-answer", 50, json!({ "conversation_duration": 0 }));
    let callback = "AccountSid=AC00000000000000000000000000000001&CallSid=CA00000000000000000000000000000001&CallStatus=no-answer\
                    &Direction=outbound-api&From=%2B12025550100&To=%2B12025550143&SequenceNumber=3&Timestamp=Tue%2C+03+Mar+2026+10%3A12%3A03+%2B0000";
    let analysis = scored("a", [Some(3); 5], "10:20:00", json!({}));
    let bodies =
        [("bolna", talk("a", 61.0)), ("analysis", analysis), ("bolna", unanswered), ("twilio", callback.into())];
    for round in 0..3_usize {
        for (provider, body) in &bodies {
            assert_eq!(deliver(&db, user, provider, body).await, round == 0, "the same bytes");
            let filler = if *provider == "twilio" { "&Again=1" } else { " " };
            assert!(deliver(&db, user, provider, &[body, filler.repeat(round + 1).as_bytes()].concat()).await);
        }
        settle(&db).await;
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 2);
    assert_eq!(
        texts(
            &db,
            "SELECT amount_micros || ', ' || balance_after_micros FROM credit_transactions WHERE call_id IS NOT NULL"
        )
        .await,
        ["-2000000, 13000000"]
    );
    assert_eq!(number(&db, "SELECT count(*) FROM lead_analytics WHERE analysis_type = 'individual'").await, 1);
    assert_eq!(texts(&db, "SELECT not_connected::text FROM contacts").await, ["1"]);
    let counted =
        Day { calls: 2, answered: 1, failed: 1, minutes: 2, micro_credits: 2_000_000, leads: 1, qualified: 1 };
    assert_eq!(day(&db).await, counted);
}
