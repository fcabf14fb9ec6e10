//! Asking a provider: at its pace, with its key, as much of an answer as we want to hold.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url, header};
use tallyline_model::Provider;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Options;
use super::failure::Failure;
use super::rate::Bucket;
use crate::provider_accounts::Account;

/// Largest answer that is read; the receiver takes no larger webhook either.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// A pause that a provider asks for is waited for up to this; a longer one ends the run.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is waited for where a provider does not say how long.
const USUAL_PAUSE: Duration = Duration::from_secs(10);

/// A pause that makes no sense is cut to this.
const MOST_PAUSE_SECONDS: u64 = 24 * 3600;

/// One account's way to its provider.
pub(super) struct Client<'a> {
    http: &'a reqwest::Client,
    account: &'a Account,
    bucket: Mutex<Bucket>,
    timeout: Duration,
    retry_pause: Duration,
    max_tries: u32,
}

impl<'a> Client<'a> {
    pub(super) fn new(http: &'a reqwest::Client, account: &'a Account, options: &Options) -> Self {
        let per_minute = match account.provider {
            Provider::Twilio => options.twilio_requests_per_minute,
            _ => options.bolna_requests_per_minute,
        };
        Self {
            http,
            account,
            bucket: Mutex::new(Bucket::new(per_minute, Instant::now())),
            timeout: options.timeout,
            retry_pause: options.retry_pause,
            max_tries: options.max_tries.max(1),
        }
    }

    /// An address under the account's.
    pub(super) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Url, Failure> {
        let mut url = self.account.base_url.clone();
        url.path_segments_mut().map_err(|()| Failure::Answer("bad_address"))?.pop_if_empty().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// The body of the answer. What may pass is tried again.
    pub(super) async fn get(&self, url: &Url) -> Result<Vec<u8>, Failure> {
        let mut tries = 1;
        loop {
            let answer = self.get_once(url).await;
            let result = answer.as_ref().map_or_else(Failure::code, |_| "ok".to_owned());
            let provider = self.account.provider.as_str();
            metrics::counter!("tallyline_reconcile_requests_total", "provider" => provider, "result" => result)
                .increment(1);
            match answer {
                Err(failure) if failure.is_passing() && tries < self.max_tries => {
                    let pause = match failure {
                        Failure::RateLimited(pause) if pause > LONGEST_PAUSE => return Err(failure),
                        Failure::RateLimited(pause) => pause,
                        _ => self.retry_pause * 2_u32.saturating_pow(tries - 1),
                    };
                    tokio::time::sleep(pause).await;
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    async fn get_once(&self, url: &Url) -> Result<Vec<u8>, Failure> {
        let wait = self.bucket.lock().await.take(Instant::now());
        tokio::time::sleep(wait).await;
        let request = self.http.get(url.clone()).timeout(self.timeout).header(header::ACCEPT, "application/json");
        let request = match &self.account.account_sid {
            Some(sid) => request.basic_auth(sid, Some(&self.account.key)),
            None => request.bearer_auth(&self.account.key),
        };
        let response = request.send().await.map_err(|error| of_transport(&error))?;
        match response.status() {
            StatusCode::OK => read(response).await,
            StatusCode::NOT_FOUND => Err(Failure::NotFound),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(Failure::Unauthorized(status.as_u16())),
            StatusCode::TOO_MANY_REQUESTS => Err(Failure::RateLimited(retry_after(&response))),
            status if status.is_server_error() => Err(Failure::ServerError(status.as_u16())),
            status => Err(Failure::Status(status.as_u16())),
        }
    }
}

/// The error's own text names the address, and that holds ids of calls.
fn of_transport(error: &reqwest::Error) -> Failure {
    Failure::Unavailable(match error {
        error if error.is_timeout() => "timeout",
        error if error.is_connect() => "connect",
        _ => "transport",
    })
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_BODY_BYTES as u64 {
        return Err(Failure::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| of_transport(&error))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Seconds only: the other form needs the clock of the machine.
fn retry_after(response: &Response) -> Duration {
    let seconds =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(USUAL_PAUSE, |seconds: u64| Duration::from_secs(seconds.min(MOST_PAUSE_SECONDS)))
}
