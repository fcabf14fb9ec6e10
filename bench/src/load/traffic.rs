//! What is sent, when, and what came back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tallyline_testkit::TestDb;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::client::Client;
use crate::fresh::{self, Tenant};

/// One request in so many is a bad one.
const BAD_EVERY: u64 = 20;
/// A request that has no answer by then has none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Beyond the default of `receiver.max_body_bytes`.
const TOO_LARGE_BYTES: usize = 3_000_000;
/// Beyond the default of `receiver.max_json_depth`.
const TOO_DEEP: usize = 200;

/// What a request is, by which its answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A new call's end.
    Good,
    WrongSecret,
    UnknownEndpoint,
    Malformed,
    TooDeep,
    TooLarge,
    WrongType,
    /// Accepted, and in quarantine later.
    UnknownAgent,
    /// Half a body, and then nothing.
    Slow,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::Good,
        Kind::WrongSecret,
        Kind::UnknownEndpoint,
        Kind::Malformed,
        Kind::TooDeep,
        Kind::TooLarge,
        Kind::WrongType,
        Kind::UnknownAgent,
        Kind::Slow,
    ];
    /// A slow one is answered at its deadline.
    pub const BAD_ANSWERED_AT_ONCE: [Kind; 7] = [
        Kind::WrongSecret,
        Kind::UnknownEndpoint,
        Kind::Malformed,
        Kind::TooDeep,
        Kind::TooLarge,
        Kind::WrongType,
        Kind::UnknownAgent,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Good => "good",
            Kind::WrongSecret => "wrong_secret",
            Kind::UnknownEndpoint => "unknown_endpoint",
            Kind::Malformed => "malformed",
            Kind::TooDeep => "too_deep",
            Kind::TooLarge => "too_large",
            Kind::WrongType => "wrong_content_type",
            Kind::UnknownAgent => "unknown_agent",
            Kind::Slow => "slow",
        }
    }

    /// The one right answer.
    pub fn status(self) -> u16 {
        match self {
            Kind::Good | Kind::UnknownAgent => 200,
            Kind::WrongSecret | Kind::UnknownEndpoint => 401,
            Kind::Malformed | Kind::TooDeep => 400,
            Kind::TooLarge => 413,
            Kind::WrongType => 415,
            Kind::Slow => 408,
        }
    }

    /// Of the request of this number: which ones are bad does not go with their tenants.
    fn of(number: u64) -> Self {
        let bad = Kind::ALL.len() as u64 - 1;
        match number % BAD_EVERY {
            0 => Kind::ALL[1 + (number / BAD_EVERY % bad) as usize],
            _ => Kind::Good,
        }
    }
}

/// Who sends to whom.
pub struct Traffic {
    client: Client,
    tenants: Vec<Tenant>,
    /// The database's time, and when it was asked.
    now: (DateTime<Utc>, Instant),
    tally: Mutex<Tally>,
}

impl Traffic {
    pub async fn new(address: SocketAddr, tenants: Vec<Tenant>, db: &TestDb) -> anyhow::Result<Self> {
        let now = sqlx::query_scalar("SELECT now()").fetch_one(&db.admin).await?;
        Ok(Self { client: Client::new(address), tenants, now: (now, Instant::now()), tally: Mutex::default() })
    }

    /// All answers so far.
    pub fn take_tally(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn one(&self, number: u64, due: Instant) {
        let kind = Kind::of(number);
        // Each kind comes to each tenant.
        let bad = number / BAD_EVERY;
        let place = (bad / Kind::ALL.len() as u64 + bad + number) as usize % self.tenants.len();
        let request = self.request(kind, &self.tenants[place], number as usize);
        let asked = async {
            match kind {
                Kind::TooLarge | Kind::Slow => self.client.ask_in_part(&request).await,
                _ => self.client.ask(&request).await,
            }
        };
        let status = timeout(PATIENCE, asked).await.ok().and_then(Result::ok);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(kind, place, status, due);
    }

    fn request(&self, kind: Kind, tenant: &Tenant, number: usize) -> Vec<u8> {
        let elapsed = TimeDelta::from_std(self.now.1.elapsed()).unwrap_or_default();
        let time = (self.now.0 + elapsed).naive_utc().to_string().replace(' ', "T");
        let good = fresh::body(tenant, number, &time);
        let half = good.len() / 2;
        let (body, length) = match kind {
            Kind::Malformed => (good[..half].to_owned(), half),
            Kind::TooDeep => {
                let deep = format!("{{\"id\":\"{number}\",\"a\":{}{}}}", "[".repeat(TOO_DEEP), "]".repeat(TOO_DEEP));
                let length = deep.len();
                (deep, length)
            }
            // Nothing of it: what is on its way when the server closes may cost the client the answer.
            Kind::TooLarge => (String::new(), TOO_LARGE_BYTES),
            Kind::Slow => (good[..half].to_owned(), good.len()),
            Kind::UnknownAgent => {
                let stranger = good.replace(&tenant.agent, &Uuid::nil().to_string());
                let length = stranger.len();
                (stranger, length)
            }
            Kind::Good | Kind::WrongSecret | Kind::UnknownEndpoint | Kind::WrongType => {
                let length = good.len();
                (good, length)
            }
        };
        let endpoint = if kind == Kind::UnknownEndpoint { "an-endpoint-that-is-none" } else { &tenant.endpoint };
        let more = if kind == Kind::WrongSecret { "x" } else { "" };
        let content_type = if kind == Kind::WrongType { "text/plain" } else { "application/json" };
        format!(
            "POST /webhooks/bolna/{endpoint} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}{more}\r\n\
             content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}",
            tenant.secret
        )
        .into_bytes()
    }
}

/// Sends `total` requests, each when it is due, and waits for all answers but those that
/// come at a deadline; returns what is left of these.
pub async fn send(traffic: &Arc<Traffic>, rate: u32, total: u64) -> JoinSet<()> {
    let began = Instant::now();
    traffic.tally.lock().unwrap_or_else(PoisonError::into_inner).began = Some(began);
    let (mut flying, mut slow) = (JoinSet::new(), JoinSet::new());
    for number in 0..total {
        let due = began + Duration::from_secs_f64(number as f64 / f64::from(rate));
        sleep_until(due).await;
        let traffic = Arc::clone(traffic);
        let into = if Kind::of(number) == Kind::Slow { &mut slow } else { &mut flying };
        into.spawn(async move { traffic.one(number, due).await });
        // Those that ended are forgotten on the way.
        while flying.try_join_next().is_some() {}
        while slow.try_join_next().is_some() {}
    }
    flying.join_all().await;
    slow
}

/// What came back, by kind.
#[derive(Debug, Default)]
pub struct Tally {
    began: Option<Instant>,
    /// When the last answer came, but for those that come at a deadline.
    ended: Option<Instant>,
    kinds: BTreeMap<Kind, Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    /// By status; 0 for none.
    statuses: BTreeMap<u16, u64>,
    /// By tenant.
    tenants: BTreeMap<usize, i64>,
    microseconds: Vec<u64>,
}

impl Tally {
    fn add(&mut self, kind: Kind, tenant: usize, status: Option<u16>, due: Instant) {
        let now = Instant::now();
        if kind != Kind::Slow {
            self.ended = Some(now);
        }
        let answers = self.kinds.entry(kind).or_default();
        *answers.statuses.entry(status.unwrap_or(0)).or_default() += 1;
        *answers.tenants.entry(tenant).or_default() += 1;
        answers.microseconds.push(u64::try_from((now - due).as_micros()).unwrap_or(u64::MAX));
    }

    pub fn sent(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.answers(kind)).sum()
    }

    /// Requests with or without an answer.
    pub fn answers(&self, kind: Kind) -> u64 {
        self.statuses(kind).values().sum()
    }

    pub fn statuses(&self, kind: Kind) -> BTreeMap<u16, u64> {
        self.kinds.get(&kind).map(|answers| answers.statuses.clone()).unwrap_or_default()
    }

    /// Answers with another status than the kind's.
    pub fn unexpected(&self, kind: Kind) -> u64 {
        self.statuses(kind).iter().filter(|(status, _)| **status != kind.status()).map(|(_, count)| count).sum()
    }

    /// Requests of a kind by tenant.
    pub fn by_tenant(&self, kind: Kind) -> BTreeMap<usize, i64> {
        self.kinds.get(&kind).map(|answers| answers.tenants.clone()).unwrap_or_default()
    }

    /// Requests a second, until the last answer that was not due to a deadline.
    pub fn rate(&self) -> f64 {
        let (Some(began), Some(ended)) = (self.began, self.ended) else { return 0.0 };
        self.sent() as f64 / (ended - began).as_secs_f64()
    }

    /// p50, p95, p99 and the longest, milliseconds.
    pub fn milliseconds(&self, kinds: &[Kind]) -> [f64; 4] {
        let of = kinds.iter().filter_map(|kind| self.kinds.get(kind));
        let mut all: Vec<u64> = of.flat_map(|answers| answers.microseconds.iter().copied()).collect();
        all.sort_unstable();
        [0.5, 0.95, 0.99, 1.0].map(|share| {
            let place = ((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1));
            all.get(place).map_or(f64::NAN, |microseconds| *microseconds as f64 / 1000.0)
        })
    }
}
