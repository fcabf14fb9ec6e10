//! How long a refusal takes, as a measurement: run by command, on a quiet machine.

use std::time::{Duration, Instant};

use tallyline_model::Provider;

use super::support::{FORM, Running, answer, config, endpoint};

const PAIRS: usize = 3_000;

/// Seconds of each of two requests, sent in turn so that whatever else the
/// machine does meets both.
async fn in_turn(it: &Running, provider: Provider, names: [&str; 2]) -> [Vec<f64>; 2] {
    let kind = if provider == Provider::Twilio { "application/x-www-form-urlencoded" } else { "application/json" };
    let now = it.count("SELECT extract(epoch FROM now())::bigint").await;
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 0..2 * PAIRS {
        // Each of them is the first of its pair as often as the second.
        let which = (round + round / 2) % 2;
        let request = it.post(&format!("/webhooks/{provider}/{}", names[which]), FORM).header("content-type", kind);
        let request = request
            .bearer_auth("wrong")
            .header("x-twilio-signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", now)
            .header("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let began = Instant::now();
        let status = answer(request).await.0;
        seconds[which].push(began.elapsed().as_secs_f64());
        assert!(matches!(status, 401 | 403), "{status}");
    }
    seconds
}

/// The share of pairs, of all that can be made, in which the second took longer:
/// a half when nobody can tell them apart.
fn longer(first: &[f64], second: &[f64]) -> f64 {
    let below = |value: f64| first.partition_point(|other| *other < value);
    second.iter().map(|value| below(*value) as f64).sum::<f64>() / (first.len() * second.len()) as f64
}

/// A wrong secret at an endpoint and the same at none, once both are remembered
/// and once both are looked up each time. Prints medians and the share of pairs
/// in which the unknown one took longer; with so many its standard error is 0.7 %.
#[tokio::test]
#[ignore = "a measurement; CONTRIBUTING.md has the command"]
async fn unknown_endpoints_and_wrong_secrets_take_the_same_time() {
    for cache_seconds in [3_600, 0] {
        let mut config = config();
        config.receiver.endpoint_cache_seconds = cache_seconds;
        let it = Running::start_with(config).await;
        for provider in [Provider::Bolna, Provider::Twilio, Provider::Analysis] {
            let known = endpoint(&it.tenant, provider).endpoint;
            let unknown: String = known.chars().rev().collect();
            let mut seconds = in_turn(&it, provider, [&known, &unknown]).await;
            seconds.iter_mut().for_each(|seconds| seconds.sort_by(f64::total_cmp));
            let median = |of: usize| Duration::from_secs_f64(seconds[of][PAIRS / 2]);
            let share = longer(&seconds[0], &seconds[1]);
            println!(
                "{provider:9} remembered {cache_seconds:4} s: wrong secret {:?}, unknown endpoint {:?}; {:.1} % longer",
                median(0),
                median(1),
                100.0 * share
            );
            assert!((share - 0.5).abs() < 0.05, "{provider}: {share}");
        }
        it.stop().await;
    }
}
