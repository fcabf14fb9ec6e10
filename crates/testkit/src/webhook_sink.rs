//! A receiver of Standard Webhooks: a real HTTP server that answers by a script,
//! records every attempt, and checks signatures by code of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Not until [`WebhookSink::release`], and then with this status.
    Held(u16),
    /// The connection is closed without an answer.
    Cut,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub id: String,
    pub timestamp: String,
    pub signatures: String,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Attempt {
    /// How many of the signatures are those of `secret` (`whsec_` and base64).
    pub fn signed_by(&self, secret: &str) -> usize {
        let key = secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
        let Some(key) = key else { panic!("no secret of Standard Webhooks") };
        let signed = [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", &self.body].concat();
        let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)));
        self.signatures.split(' ').filter(|signature| *signature == expected).count()
    }

    /// The signatures of the request.
    pub fn signature_count(&self) -> usize {
        self.signatures.split(' ').count()
    }
}

/// RFC 2104 by the letter, so that the product's library is not its own witness.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut padded = [0_u8; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(padded.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

#[derive(Debug)]
struct State {
    /// Answers to the next requests; after them all get `otherwise`.
    script: VecDeque<Answer>,
    otherwise: Answer,
    attempts: Vec<Attempt>,
    /// Requests that are being answered, and the most there were.
    open: usize,
    most_open: usize,
}

/// The server; it ends when this is dropped.
pub struct WebhookSink {
    /// Where it listens.
    pub url: String,
    state: Arc<Mutex<State>>,
    released: watch::Sender<bool>,
    _server: JoinSet<()>,
}

impl WebhookSink {
    /// Listens on a free port of this machine and answers 204 to everything.
    pub async fn start() -> Self {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => panic!("no port for the sink: {error}"),
        };
        let url = match listener.local_addr() {
            Ok(address) => format!("http://{address}/hook"),
            Err(error) => panic!("the sink has no address: {error}"),
        };
        let state = Arc::new(Mutex::new(State {
            script: VecDeque::new(),
            otherwise: Answer::Status(204, Vec::new()),
            attempts: Vec::new(),
            open: 0,
            most_open: 0,
        }));
        let released = watch::Sender::new(false);
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&state), released.clone()));
        Self { url, state, released, _server: server }
    }

    /// Answers the next requests like this, one after the other.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().script.extend(answers);
    }

    /// Answers like this where the script has ended.
    pub fn otherwise(&self, answer: Answer) {
        self.state().otherwise = answer;
    }

    /// Answers what is held, now and from now on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    /// Every request so far, in the order of their coming.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.state().attempts.clone()
    }

    /// The most requests that were open at once.
    pub fn most_open(&self) -> usize {
        self.state().most_open
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, released: watch::Sender<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (state, released) = (Arc::clone(&state), released.clone());
        connections.spawn(async move {
            let service =
                hyper::service::service_fn(|request| answer(request, Arc::clone(&state), released.subscribe()));
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that is cut on purpose ends with an error.
            drop(served.await);
        });
    }
}

/// The connection is to be cut.
#[derive(Debug)]
struct CutOff;

impl std::fmt::Display for CutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut off")
    }
}

impl std::error::Error for CutOff {}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    mut released: watch::Receiver<bool>,
) -> Result<Response<Empty<Bytes>>, CutOff> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| CutOff)?.to_bytes();
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let attempt = Attempt {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        content_type: header("content-type"),
        body: body.to_vec(),
    };
    let answer = {
        let mut state = lock(&state);
        state.attempts.push(attempt);
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        state.script.pop_front().unwrap_or_else(|| state.otherwise.clone())
    };
    let _open = Open(state);
    match answer {
        Answer::Status(status, headers) => respond(status, headers),
        Answer::Held(status) => {
            released.wait_for(|released| *released).await.map_err(|_| CutOff)?;
            respond(status, Vec::new())
        }
        Answer::Cut => Err(CutOff),
    }
}

fn respond(status: u16, headers: Vec<(&'static str, String)>) -> Result<Response<Empty<Bytes>>, CutOff> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Empty::new()).map_err(|_| CutOff)
}

/// Counts a request as open while it is answered, or until the sender gives up.
struct Open(Arc<Mutex<State>>);

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.0).open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the Standard Webhooks libraries.
    #[test]
    fn the_published_signatures_are_good_and_others_are_not() {
        let attempt = |id: &str, timestamp: &str, body: &str, signatures: &str| Attempt {
            method: String::new(),
            target: String::new(),
            id: id.to_owned(),
            timestamp: timestamp.to_owned(),
            signatures: signatures.to_owned(),
            content_type: String::new(),
            body: body.as_bytes().to_vec(),
        };
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(attempt(id, "1614265330", body, good).signed_by(secret), 1);
        assert_eq!(attempt(id, "1614265330", body, &format!("v1,AAAA {good}")).signed_by(secret), 1);
        assert_eq!(attempt(id, "1614265331", body, good).signed_by(secret), 0);
        assert_eq!(attempt("other", "1614265330", body, good).signed_by(secret), 0);
        assert_eq!(attempt(id, "1614265330", "{}", good).signed_by(secret), 0);
        assert_eq!(attempt(id, "1614265330", body, good).signed_by("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), 0);
    }
}
