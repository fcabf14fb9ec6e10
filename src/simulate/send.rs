//! Sending the plan, and writing the ledger of what was acknowledged.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{TryStreamExt, stream};
use reqwest::{Client, StatusCode};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::call::{Message, PlannedCall, PlannedEvent};
use super::history::{Delivered, History};
use super::plan::plan;
use super::stand_in::StandIn;
use super::target::{Progress, SimulateOptions, Target};
use super::{SimulateError, analysis, bolna, twilio};
use crate::ledger::{Ledger, TenantTally, VERSION};

/// How long one delivery is tried again, so that a receiver may be killed and
/// started again meanwhile.
const PATIENCE: Duration = Duration::from_secs(240);
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Plans all calls, sends them, and returns what must be counted.
///
/// A call's events are sent one after the other, each again until it is
/// acknowledged; calls run side by side, those held back after all others.
///
/// # Errors
/// The targets are unusable, a delivery is refused, or none came through for
/// four minutes. Some events have been sent then, and there is no ledger.
pub async fn run(
    targets: &[Target],
    options: SimulateOptions,
    stand_in: Option<&StandIn>,
    progress: impl Fn(Progress),
) -> Result<Ledger, SimulateError> {
    let sender = Sender::new(targets, &options)?;
    let calls = plan(targets, &options)?;
    if let Some(stand_in) = stand_in {
        stand_in.learn(targets, &calls);
    }
    let mut book = Book::new(targets, calls.len())?;
    let (late, prompt): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.is_late);
    let mut begun: u64 = 0;
    for part in [prompt, late] {
        let count = part.len() as u64;
        let numbered = part.into_iter().zip(begun..).map(Ok::<_, SimulateError>);
        let mut sent = stream::iter(numbered)
            .map_ok(|(call, number)| sender.send_call(call, number))
            .try_buffer_unordered(options.concurrency.max(1));
        while let Some(call) = sent.try_next().await? {
            book.enter(call);
            book.progress.retries = sender.retries.load(Ordering::Relaxed);
            progress(book.progress);
        }
        begun += count;
    }
    Ok(book.close(&options))
}

/// What has been acknowledged so far.
struct Book<'a> {
    targets: &'a [Target],
    tallies: Vec<TenantTally>,
    distinct_events: u64,
    progress: Progress,
}

impl<'a> Book<'a> {
    fn new(targets: &'a [Target], calls: usize) -> Result<Self, SimulateError> {
        Ok(Self {
            targets,
            tallies: targets.iter().map(Target::tally).collect::<Result<_, _>>()?,
            distinct_events: 0,
            progress: Progress { calls_sent: 0, calls: calls as u64, events_sent: 0, retries: 0 },
        })
    }

    fn enter(&mut self, call: &PlannedCall) {
        let agent_id = self.targets[call.target].agents[call.agent].id;
        let distinct = call.sends.iter().collect::<HashSet<_>>().len() as u64;
        self.tallies[call.target].record(agent_id, &call.truth, distinct);
        self.distinct_events += distinct;
        self.progress.calls_sent += 1;
        self.progress.events_sent += call.sends.len() as u64;
    }

    fn close(self, options: &SimulateOptions) -> Ledger {
        Ledger {
            version: VERSION,
            seed: options.seed,
            generated_at: options.now,
            events_sent: self.progress.events_sent,
            distinct_events: self.distinct_events,
            tenants: self.tallies.into_iter().map(TenantTally::finish).collect(),
        }
    }
}

/// Delivers events to one receiver.
struct Sender<'a> {
    client: Client,
    targets: &'a [Target],
    /// Keys that analyses are signed with, by target.
    analysis_keys: Vec<Option<Vec<u8>>>,
    url: String,
    public_origin: String,
    rate: Option<f64>,
    now: DateTime<Utc>,
    started: Instant,
    retries: AtomicU64,
    history: History,
}

/// One request, ready to be sent as often as needed.
struct Delivery {
    provider: &'static str,
    path: String,
    content_type: &'static str,
    body: String,
    headers: Vec<(&'static str, String)>,
}

impl<'a> Sender<'a> {
    fn new(targets: &'a [Target], options: &SimulateOptions) -> Result<Self, SimulateError> {
        if !options.url.starts_with("http://") {
            return Err(SimulateError::Url);
        }
        let analysis_keys = targets.iter().map(|target| match &target.analysis {
            Some(analysis) => analysis::key(&analysis.secret).map(Some).ok_or(SimulateError::Secret),
            None => Ok(None),
        });
        let client = Client::builder()
            .no_proxy()
            .timeout(ANSWER_DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(SimulateError::Client)?;
        Ok(Self {
            client,
            targets,
            analysis_keys: analysis_keys.collect::<Result<_, _>>()?,
            url: options.url.trim_end_matches('/').to_owned(),
            public_origin: options.public_origin.trim_end_matches('/').to_owned(),
            rate: options.rate.filter(|rate| *rate > 0.0),
            now: options.now,
            started: Instant::now(),
            retries: AtomicU64::new(0),
            history: History::create(options.history.as_deref())?,
        })
    }

    /// Sends all events of `call` in its order; `number` says when its turn is.
    async fn send_call<'c>(&self, call: &'c PlannedCall, number: u64) -> Result<&'c PlannedCall, SimulateError> {
        if let Some(rate) = self.rate {
            let turn = Duration::try_from_secs_f64(number as f64 / rate).unwrap_or_default();
            tokio::time::sleep_until(self.started + turn).await;
        }
        for place in &call.sends {
            self.deliver(call, &call.events[*place]).await?;
        }
        Ok(call)
    }

    async fn deliver(&self, call: &PlannedCall, event: &PlannedEvent) -> Result<(), SimulateError> {
        let first_try = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            // Signed anew each time, since signatures carry the time of sending.
            let delivery = self.prepare(call, event)?;
            let provider = delivery.provider;
            let sha256 = self.history.is_kept().then(|| hex::encode(Sha256::digest(&delivery.body)));
            let sent = self.started.elapsed();
            let status = self.post(delivery).await;
            if let Some(sha256) = sha256 {
                self.history.enter(&Delivered {
                    user_id: self.targets[call.target].user_id,
                    provider: provider.to_owned(),
                    sha256,
                    sent_milliseconds: milliseconds(sent),
                    answered_milliseconds: milliseconds(self.started.elapsed()),
                    status: status.map(|status| status.as_u16()),
                })?;
            }
            match status {
                Some(status) if status.is_success() => return Ok(()),
                Some(status) if !is_passing(status) => {
                    return Err(SimulateError::Refused { provider, status: status.as_u16() });
                }
                _ if first_try.elapsed() > PATIENCE => {
                    return Err(SimulateError::Unreachable { provider, status: status.map(|s| s.as_u16()) });
                }
                _ => {}
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The answer's status; `None` if there was no answer.
    async fn post(&self, delivery: Delivery) -> Option<StatusCode> {
        let mut request = self
            .client
            .post(format!("{}{}", self.url, delivery.path))
            .header("content-type", delivery.content_type)
            .body(delivery.body);
        for (name, value) in delivery.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        // The connection can serve again only once the answer is read.
        answer.bytes().await.ok()?;
        Some(status)
    }

    fn prepare(&self, call: &PlannedCall, event: &PlannedEvent) -> Result<Delivery, SimulateError> {
        let target = &self.targets[call.target];
        let delivery = match event.message {
            Message::Bolna { .. } => Some(Delivery {
                provider: "bolna",
                path: format!("/webhooks/bolna/{}", target.bolna.endpoint),
                content_type: "application/json",
                body: bolna::body(target, call, event),
                headers: vec![("authorization", format!("Bearer {}", target.bolna.secret))],
            }),
            Message::Twilio { .. } => self.prepare_callback(target, call, event),
            Message::Analysis { .. } => self.prepare_analysis(target, call, event),
        };
        delivery.ok_or(SimulateError::Secret)
    }

    fn prepare_callback(&self, target: &Target, call: &PlannedCall, event: &PlannedEvent) -> Option<Delivery> {
        let secret = target.twilio.as_ref()?;
        let fields = twilio::fields(secret, call, event);
        let path = format!("/webhooks/twilio/{}", secret.endpoint);
        let signature = twilio::sign(&secret.auth_token, &format!("{}{path}", self.public_origin), &fields)?;
        Some(Delivery {
            provider: "twilio",
            path,
            content_type: "application/x-www-form-urlencoded",
            body: twilio::encode(&fields),
            headers: vec![("x-twilio-signature", signature)],
        })
    }

    fn prepare_analysis(&self, target: &Target, call: &PlannedCall, event: &PlannedEvent) -> Option<Delivery> {
        let (endpoint, key) = (target.analysis.as_ref()?, self.analysis_keys[call.target].as_ref()?);
        let body = analysis::body(call, event);
        let id = analysis::message_id(call, event);
        let elapsed = TimeDelta::from_std(self.started.elapsed()).ok()?;
        let unix_seconds = (self.now + elapsed).timestamp();
        let signature = analysis::sign(key, &id, unix_seconds, &body)?;
        Some(Delivery {
            provider: "analysis",
            path: format!("/webhooks/analysis/{}", endpoint.endpoint),
            content_type: "application/json",
            body,
            headers: vec![
                ("webhook-id", id),
                ("webhook-timestamp", unix_seconds.to_string()),
                ("webhook-signature", signature),
            ],
        })
    }
}

fn milliseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Answers that another try may change: overload, and whoever stands in front.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}
