//! A lead is counted once, in its call's bucket, whatever comes first and whatever changes.

use serde_json::json;

use super::*;

const LEADS: &str =
    "SELECT concat_ws(' ', leads_generated, hot_leads, warm_leads, cold_leads, unqualified_leads, qualified_leads,
                         leads_with_cta, total_cta_interactions)
                     FROM user_analytics WHERE grain = 'day'";

async fn analysed(db: &TestDb, user: Uuid, id: &str, scores: [i32; 5]) {
    let body = scored(id, scores.map(Some), "10:20:00", json!({ "cta_demo_clicked": "Yes" }));
    assert!(deliver(db, user, "analysis", &body).await);
}

/// Two triggers counted each lead, with two thresholds.
///
/// Breaks tried: `>` for `>=` in the threshold; warm leads counted as hot, too.
#[tokio::test]
async fn defect_09_one_lead_counts_once_and_qualifies_from_the_threshold_on() {
    let (db, user) = scene("UTC").await;
    // Of 15: hot from 12 on, warm from 9, cold from 6.
    for (n, scores) in [[3, 3, 2, 2, 2], [3, 2, 2, 2, 2], [2, 2, 2, 2, 1], [2, 2, 2, 1, 1], [2, 1, 1, 1, 1], [1; 5]]
        .into_iter()
        .enumerate()
    {
        let id = format!("call-{n}");
        send(&db, user, [talk(&id, 30.0)]).await;
        analysed(&db, user, &id, scores).await;
    }
    settle(&db).await;
    assert_eq!(texts(&db, LEADS).await, ["6 1 2 2 1 3 6 6"]);
}

/// A lead that came before its call was counted updated a row that was not there, and was lost.
///
/// Break tried: no trigger for leads that are inserted, with the lead after its call.
#[tokio::test]
async fn defect_10_a_lead_counts_whether_it_or_its_call_comes_first() {
    for lead_first in [true, false] {
        let (db, user) = scene("Asia/Kolkata").await;
        if lead_first {
            analysed(&db, user, "a", [3; 5]).await;
        } else {
            send(&db, user, answered_call("a")).await;
        }
        settle(&db).await;
        assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
        if lead_first {
            send(&db, user, answered_call("a")).await;
        } else {
            analysed(&db, user, "a", [3; 5]).await;
        }
        settle(&db).await;
        let counted =
            Day { calls: 1, answered: 1, failed: 0, minutes: 1, micro_credits: 1_000_000, leads: 1, qualified: 1 };
        assert_eq!(day(&db).await, counted, "lead first: {lead_first}");
    }
}

/// Corrected scores, deleted leads and deleted calls stayed in the figures.
///
/// Breaks tried: no trigger for leads that change; none for leads, and none for calls, that are deleted.
#[tokio::test]
async fn defect_11_corrections_and_deletions_reach_the_figures() {
    let (db, user) = scene("UTC").await;
    send(&db, user, [talk("a", 30.0), talk("b", 30.0)]).await;
    analysed(&db, user, "a", [3; 5]).await;
    analysed(&db, user, "b", [3; 5]).await;
    settle(&db).await;
    assert_eq!(texts(&db, LEADS).await, ["2 2 0 0 0 2 2 2"]);
    // A later analysis corrects the first.
    let corrected = scored("a", [Some(1); 5], "11:00:00", json!({}));
    assert!(deliver(&db, user, "analysis", &corrected).await);
    settle(&db).await;
    assert_eq!(texts(&db, LEADS).await, ["2 1 0 0 1 1 1 1"]);
    run(&db, "DELETE FROM lead_analytics WHERE quality = 'hot'").await;
    settle(&db).await;
    assert_eq!(texts(&db, LEADS).await, ["1 0 0 0 1 0 0 0"]);
    run(&db, "DELETE FROM credit_transactions; DELETE FROM calls WHERE bolna_execution_id = 'a'").await;
    settle(&db).await;
    let left = Day { calls: 1, answered: 1, failed: 0, minutes: 1, micro_credits: 1_000_000, leads: 0, qualified: 0 };
    assert_eq!(day(&db).await, left);
    run(&db, "DELETE FROM calls").await;
    settle(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM user_analytics").await, 0, "no ghost is left");
}

/// An analysis without one of its scores made an average NULL, and the lead was refused.
///
/// Break tried: `coalesce(fit_score, 0)` counted in `tally.count_calls`.
#[tokio::test]
async fn defect_13_a_partial_analysis_is_a_lead_and_averages_pass_over_what_is_missing() {
    let (db, user) = scene("UTC").await;
    send(&db, user, [talk("a", 30.0), talk("b", 30.0), talk("c", 30.0)]).await;
    for (id, scores) in [
        ("a", [Some(3), Some(2), Some(2), None, None]),
        ("b", [Some(3), Some(1), Some(2), Some(2), Some(2)]),
        ("c", [None; 5]),
    ] {
        // Nothing but a level: still a lead.
        let body = scored(id, scores, "10:20:00", json!({ "intent_level": "High" }));
        assert!(deliver(&db, user, "analysis", &body).await);
    }
    settle(&db).await;
    let averages =
        "SELECT concat_ws(' ', leads_generated, qualified_leads, avg_intent_score, avg_urgency_score, avg_budget_score,
                        avg_fit_score, avg_engagement_score, avg_total_score) FROM user_analytics WHERE grain = 'day'";
    assert_eq!(texts(&db, averages).await, ["3 1 3.00 1.50 2.00 2.00 2.00 10.00"]);
}

/// The individual and the complete analysis of one call made two leads of it, and doubled its calls and credits in the
/// KPI view.
///
/// Break tried: `analysis_type = 'individual'` left out of `tally.call_metrics`.
#[tokio::test]
async fn defect_14_two_analyses_of_one_call_are_one_lead_and_one_call() {
    let (db, user) = scene("UTC").await;
    send(&db, user, [talk("a", 90.0)]).await;
    analysed(&db, user, "a", [3; 5]).await;
    process(&db).await;
    run(
        &db,
        "INSERT INTO lead_analytics (user_id, call_id, analysis_type, total_score, quality, phone_number, contact_id)
         SELECT user_id, id, 'complete', 15, 'hot', phone_number, contact_id FROM calls
         ON CONFLICT (user_id, contact_id) WHERE analysis_type = 'complete' DO NOTHING",
    )
    .await;
    run(&db, "UPDATE calls SET started_at = now() - interval '1 minute'").await;
    settle(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM lead_analytics").await, 2);
    let counted =
        Day { calls: 1, answered: 1, failed: 0, minutes: 2, micro_credits: 2_000_000, leads: 1, qualified: 1 };
    assert_eq!(day(&db).await, counted);
    sqlx::query("SELECT tally.refresh_kpi_summary()").execute(&db.pool).await.unwrap();
    let view = "SELECT concat_ws(' ', total_calls_30d, total_leads_30d, total_credits_used_30d::float8, calls_last_7d, leads_last_7d,
                    credits_used_last_7d::float8, total_calls_lifetime, total_leads_lifetime, total_credits_used_lifetime::float8)
                FROM user_kpi_summary";
    assert_eq!(texts(&db, view).await, ["1 1 2 1 1 2 1 1 2"]);
}

/// Ten button presses in one call took the rate beyond the column's precision, and the transaction was lost.
///
/// Break tried: the rate made of interactions instead of leads with any (500 %).
#[tokio::test]
async fn defect_15_rates_of_actions_lie_between_0_and_100_percent() {
    let (db, user) = scene("UTC").await;
    let all = ["pricing_clicked", "demo_clicked", "followup_clicked", "sample_clicked", "escalated_to_human"];
    let all: serde_json::Map<_, _> = all.iter().map(|action| (format!("cta_{action}"), json!("Yes"))).collect();
    send(&db, user, [talk("a", 30.0)]).await;
    assert!(deliver(&db, user, "analysis", &scored("a", [Some(3); 5], "10:20:00", all.into())).await);
    settle(&db).await;
    let rates = "SELECT concat_ws(' ', total_cta_interactions, leads_with_cta, cta_conversion_rate, conversion_rate, success_rate, answer_rate)
                 FROM user_analytics WHERE grain = 'day'";
    assert_eq!(texts(&db, rates).await, ["5 1 100.00 100.00 100.00 100.00"]);
    // Three more leads without any action, and one that asks for everything again.
    for n in 0..3 {
        let id = format!("call-{n}");
        send(&db, user, [talk(&id, 30.0)]).await;
        assert!(deliver(&db, user, "analysis", &scored(&id, [Some(1); 5], "10:20:00", json!({}))).await);
    }
    settle(&db).await;
    assert_eq!(texts(&db, rates).await, ["5 1 25.00 25.00 100.00 100.00"]);
}
