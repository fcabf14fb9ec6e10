//! The plan from outside: equal for equal seeds, as untidy as asked for, and
//! true to the calendar. Sending is tested against a small receiver.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::call::{Carrier, Ending, Message, Stage};
use super::*;
use crate::ledger::bucket::{date_start, local_date};
use crate::ledger::{Direction, Outcome};

pub(super) fn target(zone: &str) -> Target {
    let secret = |text: &str| EndpointSecret {
        endpoint: format!("{text}-endpoint"),
        secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZg==".into(),
    };
    Target {
        user_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, zone.as_bytes()),
        name: zone.to_owned(),
        timezone: zone.to_owned(),
        billing_pulse_seconds: 30,
        credits_per_minute_micros: 1_000_000,
        score_scale: 15,
        dimension_scale: 3,
        hot_threshold_percent: 80,
        warm_threshold_percent: 60,
        cold_threshold_percent: 40,
        bolna: secret("bolna"),
        twilio: Some(TwilioSecret {
            endpoint: "twilio-endpoint".into(),
            auth_token: "test_token_0123456789abcdef012345".into(),
            account_sid: "AC00000000000000000000000000000001".into(),
        }),
        analysis: Some(secret("analysis")),
        leads_by: LeadsBy::Webhook,
        agents: (1..=3)
            .map(|n| TargetAgent {
                id: Uuid::from_u128(n),
                bolna_agent_id: format!("agent-{n}"),
                name: format!("Agent {n}"),
            })
            .collect(),
    }
}

pub(super) fn options(calls: u64) -> SimulateOptions {
    SimulateOptions {
        url: "http://127.0.0.1:1".into(),
        public_origin: "https://hooks.example.test".into(),
        calls,
        rate: None,
        duplicates: 0.05,
        reorder: 0.1,
        late: 0.02,
        withheld: 0.0,
        seed: 7,
        concurrency: 8,
        now: "2026-11-23T09:00:00Z".parse().unwrap(),
        days: 30,
        history: None,
    }
}

fn zones() -> Vec<Target> {
    ["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"].map(target).into()
}

fn planned(calls: u64) -> Vec<PlannedCall> {
    plan(&zones(), &options(calls)).unwrap()
}

#[test]
fn equal_seeds_make_equal_plans() {
    assert_eq!(planned(500), planned(500));
    let other = SimulateOptions { seed: 8, ..options(500) };
    assert_ne!(plan(&zones(), &other).unwrap(), planned(500));
    // A longer run begins like a shorter one, but for its larger pool of contacts.
    let longer = &planned(501)[..500];
    assert!(longer.iter().zip(&planned(500)).all(|(a, b)| a.execution_id == b.execution_id && a.events == b.events));
}

#[test]
fn fractions_are_kept() {
    let calls = planned(20_000);
    let share = |n: usize, of: usize| n as f64 / of as f64;
    let near = |found: f64, wanted: f64, slack: f64| assert!((found - wanted).abs() < slack, "{found} for {wanted}");
    let events: usize = calls.iter().map(|c| c.events.len()).sum();
    let sends: usize = calls.iter().map(|c| c.sends.len()).sum();
    near(share(sends - events, events), 0.05, 0.005);
    near(share(calls.iter().filter(|c| c.is_reordered).count(), calls.len()), 0.1, 0.01);
    near(share(calls.iter().filter(|c| c.is_late).count(), calls.len()), 0.02, 0.005);
    let out: Vec<_> = calls.iter().filter(|c| c.direction == Direction::Outbound).collect();
    for (outcome, wanted) in [
        (Outcome::Answered, 0.325),
        (Outcome::Voicemail, 0.18),
        (Outcome::NoAnswer, 0.35),
        (Outcome::Busy, 0.06),
        (Outcome::Failed, 0.04),
        (Outcome::Cancelled, 0.03),
        (Outcome::InProgress, 0.015),
    ] {
        near(share(out.iter().filter(|c| c.truth.outcome == outcome).count(), out.len()), wanted, 0.015);
    }
}

#[test]
fn nothing_untidy_happens_unasked() {
    let tidy = SimulateOptions { duplicates: 0.0, reorder: 0.0, late: 0.0, ..options(2_000) };
    for call in plan(&zones(), &tidy).unwrap() {
        assert!(!call.is_late && !call.is_reordered);
        let told: Vec<_> = call
            .sends
            .iter()
            .filter(|place| !matches!(call.events[**place].message, Message::Analysis { .. }))
            .collect();
        assert!(told.is_sorted(), "{told:?}");
        assert_eq!(call.sends.iter().collect::<HashSet<_>>().len(), call.events.len());
        assert_eq!(call.sends.len(), call.events.len());
    }
}

#[test]
fn times_are_past_and_grow_within_a_call() {
    let now = options(0).now;
    for call in planned(5_000) {
        let bolna: Vec<_> = call.events.iter().filter(|e| matches!(e.message, Message::Bolna { .. })).collect();
        assert!(!bolna.is_empty());
        assert!(bolna.is_sorted_by(|a, b| a.at < b.at), "{call:?}");
        assert!(call.events.iter().all(|event| event.at < now), "{call:?}");
        assert!(call.created_at <= call.truth.started_at && call.created_at < bolna[0].at, "{call:?}");
        let zone: chrono_tz::Tz = zones()[call.target].timezone.parse().unwrap();
        let first_day = local_date(zone, now) - TimeDelta::days(30);
        assert!(call.truth.started_at >= date_start(zone, first_day));
    }
}

// Breaks if the platform's last word may be older than the carrier's.
#[test]
fn the_platform_has_the_last_word_about_each_dial() {
    let mut callbacks = 0;
    for call in planned(5_000) {
        for (number, attempt) in call.attempts.iter().enumerate() {
            let last = |is_carrier: bool| {
                call.events
                    .iter()
                    .filter(|event| match event.message {
                        Message::Bolna { attempt, stage, .. } => {
                            !is_carrier && attempt == number && stage == Stage::End
                        }
                        Message::Twilio { attempt, .. } => is_carrier && attempt == number,
                        Message::Analysis { .. } => false,
                    })
                    .map(|event| event.at)
                    .max()
            };
            if let Some(carrier) = last(true) {
                callbacks += 1;
                assert!(carrier < last(false).unwrap(), "{call:?}");
                assert!(
                    call.events
                        .iter()
                        .filter(|e| matches!(e.message, Message::Twilio { .. }))
                        .all(|e| e.at >= call.truth.started_at)
                );
                assert!(attempt.call_sid.as_ref().is_some_and(|sid| sid.starts_with("CA") && sid.len() == 34));
            }
        }
    }
    assert!(callbacks > 300, "{callbacks}");
}

#[test]
fn every_kind_of_call_occurs() {
    let calls = planned(20_000);
    let count = |is: &dyn Fn(&PlannedCall) -> bool| calls.iter().filter(|call| is(call)).count();
    for (name, found) in [
        ("three repeated dials", count(&|c| c.attempts.len() == 4)),
        (
            "a repeated dial that is still waiting",
            count(&|c| c.attempts.len() > 1 && c.attempts.last().unwrap().ending == Ending::StuckWaiting),
        ),
        (
            "a repeated dial on the next day",
            count(&|c| {
                let zone: chrono_tz::Tz = zones()[c.target].timezone.parse().unwrap();
                let days: HashSet<_> =
                    c.attempts.iter().filter_map(|a| a.initiated_at).map(|at| local_date(zone, at)).collect();
                days.len() > 1
            }),
        ),
        (
            "inbound without a dial",
            count(&|c| c.direction == Direction::Inbound && c.attempts[0].initiated_at.is_none()),
        ),
        ("a browser", count(&|c| c.carrier == Carrier::Web)),
        ("talk below a second", count(&|c| c.truth.outcome == Outcome::Answered && c.truth.talk_seconds() == 0)),
        (
            "charged though cancelled",
            count(&|c| c.truth.outcome == Outcome::Cancelled && c.truth.conversation_millis > 1000),
        ),
        ("half a micro", count(&|c| c.truth.cost_cent_100_000ths % 10 >= 5)),
        (
            "a price that changed",
            count(&|c| {
                c.events.iter().any(|e| matches!(e.message, Message::Bolna { billing_settled: Some(false), .. }))
            }),
        ),
        (
            "analysed twice",
            count(&|c| c.events.iter().filter(|e| matches!(e.message, Message::Analysis { .. })).count() == 2),
        ),
        ("analysed first", count(&|c| matches!(c.events[c.sends[0]].message, Message::Analysis { .. }))),
        (
            "created on another day",
            count(&|c| {
                let zone: chrono_tz::Tz = zones()[c.target].timezone.parse().unwrap();
                local_date(zone, c.created_at) != local_date(zone, c.truth.started_at)
            }),
        ),
        (
            "the repeated hour of New York",
            count(&|c| {
                let turn: DateTime<Utc> = "2026-11-01T06:00:00Z".parse().unwrap();
                c.target == 0 && (c.truth.started_at - turn).abs() < TimeDelta::hours(1)
            }),
        ),
        (
            "exactly midnight",
            count(&|c| {
                let zone: chrono_tz::Tz = zones()[c.target].timezone.parse().unwrap();
                date_start(zone, local_date(zone, c.truth.started_at)) == c.truth.started_at
            }),
        ),
        ("seconds with Z", count(&|c| c.time_form == call::TimeForm::SecondsZulu)),
    ] {
        assert!(found > 0, "{name}");
    }
}

/// The conversation, the price and the begin as the bodies have them.
fn read_back(call: &PlannedCall) -> (i64, i64, String) {
    let mut bodies: Vec<Value> = call
        .events
        .iter()
        .filter(|event| matches!(event.message, Message::Bolna { .. }))
        .map(|event| serde_json::from_str(&bolna::body(&zones()[call.target], call, event)).unwrap())
        .collect();
    let begin = bodies.iter().filter_map(|body| body["initiated_at"].as_str()).min();
    let begin = begin.unwrap_or_else(|| bodies[0]["created_at"].as_str().unwrap()).to_owned();
    let last = bodies.pop().unwrap();
    let exact = |value: &Value, scale: f64| (value.as_f64().unwrap() * scale).round() as i64;
    if last["total_cost"] != 0.0 {
        let legs = ["llm", "network", "platform", "synthesizer", "transcriber"];
        let sum: i64 = legs.iter().map(|leg| exact(&last["cost_breakdown"][leg], 1e5)).sum();
        assert_eq!(sum, exact(&last["total_cost"], 1e5));
    }
    (exact(&last["conversation_duration"], 1e3), exact(&last["total_cost"], 1e5), begin)
}

// Breaks if the first webhook's price is taken for the truth, or creation for begin.
#[test]
fn bodies_say_what_the_truth_says() {
    for call in planned(3_000) {
        let (millis, cost, begin) = read_back(&call);
        assert_eq!(millis, call.truth.conversation_millis, "{call:?}");
        assert_eq!(cost, call.truth.cost_cent_100_000ths, "{call:?}");
        assert_eq!(begin, call.time_form.write(call.truth.started_at));
    }
}

#[test]
fn no_two_events_share_a_body() {
    let mut bodies = HashSet::new();
    let targets = zones();
    for call in planned(1_000) {
        for event in &call.events {
            let target = &targets[call.target];
            let body = match event.message {
                Message::Bolna { .. } => bolna::body(target, &call, event),
                Message::Twilio { .. } => {
                    twilio::encode(&twilio::fields(target.twilio.as_ref().unwrap(), &call, event))
                }
                Message::Analysis { .. } => analysis::body(&call, event),
            };
            assert!(bodies.insert(body));
        }
    }
}

#[test]
fn percentages_are_read() {
    for (text, wanted) in [("5%", 0.05), ("0.5 %", 0.005), ("100%", 1.0), ("0", 0.0), ("0.25", 0.25)] {
        assert_eq!(parse_percent(text).unwrap(), wanted, "{text}");
    }
    for text in ["5", "-1%", "101%", "", "%", "NaN", "NaN%", "five"] {
        assert!(parse_percent(text).is_err(), "{text}");
    }
}

#[test]
fn impossible_orders_are_refused() {
    let nobody = Target { agents: Vec::new(), ..target("UTC") };
    assert!(matches!(plan(&[], &options(1)), Err(SimulateError::NoTargets)));
    assert!(matches!(plan(&[nobody], &options(1)), Err(SimulateError::NoAgents(_))));
    assert!(matches!(plan(&[target("Mars/Olympus")], &options(1)), Err(SimulateError::Zone(_))));
    let options = SimulateOptions { late: 1.5, ..options(1) };
    assert!(matches!(plan(&zones(), &options), Err(SimulateError::Fraction)));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", target("UTC"));
    assert!(!shown.contains("whsec_") && !shown.contains("test_token"), "{shown}");
}

/// A receiver that keeps bodies and is away for every seventh request.
async fn receiver() -> (String, std::sync::Arc<std::sync::Mutex<BTreeMap<String, Vec<Vec<u8>>>>>) {
    use axum::http::StatusCode;
    let kept = std::sync::Arc::new(std::sync::Mutex::new(BTreeMap::<String, Vec<Vec<u8>>>::new()));
    let (inbox, asked) = (kept.clone(), std::sync::atomic::AtomicUsize::new(0));
    let asked = std::sync::Arc::new(asked);
    let app = axum::Router::new().fallback(move |uri: axum::http::Uri, body: axum::body::Bytes| {
        let (inbox, asked) = (inbox.clone(), asked.clone());
        async move {
            if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 7 == 6 {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            inbox.lock().unwrap().entry(uri.path().to_owned()).or_default().push(body.to_vec());
            StatusCode::OK
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, kept)
}

// Breaks if a delivery answered with 503 is taken for delivered.
#[tokio::test]
async fn everything_arrives_and_is_entered_once() {
    let (url, kept) = receiver().await;
    let order = SimulateOptions { url, ..options(120) };
    let last = std::cell::Cell::new(None);
    let ledger = run(&zones(), order, None, |progress| last.set(Some(progress))).await.unwrap();
    let kept = kept.lock().unwrap();
    let bodies: Vec<&Vec<u8>> = kept.values().flatten().collect();
    assert_eq!(bodies.len() as u64, ledger.events_sent);
    assert_eq!(bodies.iter().collect::<HashSet<_>>().len() as u64, ledger.distinct_events);
    assert!(ledger.events_sent > ledger.distinct_events);
    assert_eq!(kept.len(), 3, "{:?}", kept.keys());
    let calls: i64 = ledger.tenants.iter().map(|tenant| tenant.figures.total_calls).sum();
    assert_eq!(calls, 120);
    let last: Progress = last.get().unwrap();
    assert!(last.calls_sent == 120 && last.retries > 0 && last.events_sent == ledger.events_sent);
}

#[tokio::test]
async fn a_refusal_ends_the_run() {
    let app = axum::Router::new().fallback(|| async { axum::http::StatusCode::UNAUTHORIZED });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let order = SimulateOptions { url, ..options(3) };
    let refused = run(&zones(), order, None, |_| ()).await;
    assert!(matches!(refused, Err(SimulateError::Refused { status: 401, .. })), "{refused:?}");
}
