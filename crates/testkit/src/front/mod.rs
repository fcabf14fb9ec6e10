//! What the simulated providers share: a real HTTP server, a record of the requests,
//! and faults on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::middleware::{self, Next};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub at: Instant,
    /// Path, still encoded.
    pub path: String,
    /// Query, still encoded; empty without one.
    pub query: String,
    /// Status of the answer; 0 until there is one.
    pub status: u16,
}

/// What goes wrong instead of, or before, an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status and an empty body.
    Status(u16),
    /// 429, with `Retry-After` in seconds if given.
    TooMany(Option<u32>),
    /// The right answer, so much later.
    Slow(Duration),
    /// The right answer and this many blanks behind it.
    Huge(usize),
    /// 200 and this body.
    Body(&'static str),
    /// 302 to another place.
    Redirect,
}

/// Tells from path and query whether a fault is for a request.
type Matcher = Box<dyn Fn(&str, &str) -> bool + Send>;

#[derive(Default)]
struct Plan {
    requests: Vec<Recorded>,
    next: VecDeque<Fault>,
    always: Option<Fault>,
    matching: Vec<(Matcher, Fault)>,
    per_minute: Option<usize>,
    in_minute: VecDeque<Instant>,
}

impl Plan {
    fn fault(&mut self, path: &str, query: &str, at: Instant) -> Option<Fault> {
        if let Some(limit) = self.per_minute {
            while self.in_minute.front().is_some_and(|first| at - *first >= Duration::from_secs(60)) {
                self.in_minute.pop_front();
            }
            if self.in_minute.len() >= limit {
                return Some(Fault::TooMany(Some(60)));
            }
            self.in_minute.push_back(at);
        }
        let matching = self.matching.iter().find(|(matches, _)| matches(path, query)).map(|(_, fault)| fault.clone());
        self.next.pop_front().or(matching).or_else(|| self.always.clone())
    }
}

/// The server's front: everything passes here before the provider's own handlers.
pub struct Front {
    /// `http://127.0.0.1:port`, without a slash at its end.
    pub base_url: String,
    plan: Arc<Mutex<Plan>>,
    server: JoinHandle<()>,
}

fn locked(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Front {
    /// Serves `router` on a port of its own until dropped.
    pub(crate) async fn start(router: Router) -> Self {
        let plan = Arc::new(Mutex::new(Plan::default()));
        let router = router.layer(middleware::from_fn_with_state(Arc::clone(&plan), pass));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("no port: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no port: {error}"));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("a simulated provider ended: {error}");
            }
        });
        Self { base_url: format!("http://{address}"), plan, server }
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        locked(&self.plan).requests.clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        locked(&self.plan).requests.clear();
    }

    /// The next request meets this; one after the other.
    pub fn next(&self, fault: Fault) {
        locked(&self.plan).next.push_back(fault);
    }

    /// Every request meets this; `None`: none any more.
    pub fn always(&self, fault: Option<Fault>) {
        locked(&self.plan).always = fault;
    }

    /// Requests whose path and query `matches` likes meet this.
    pub fn matching(&self, matches: impl Fn(&str, &str) -> bool + Send + 'static, fault: Fault) {
        locked(&self.plan).matching.push((Box::new(matches), fault));
    }

    /// No request matches any more.
    pub fn clear_matching(&self) {
        locked(&self.plan).matching.clear();
    }

    /// More requests in a minute than this are answered 429.
    pub fn limit_per_minute(&self, requests: usize) {
        locked(&self.plan).per_minute = Some(requests);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(plan): State<Arc<Mutex<Plan>>>, request: Request, next: Next) -> Response<Body> {
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let at = Instant::now();
    let (fault, position) = {
        let mut plan = locked(&plan);
        let fault = plan.fault(&path, &query, at);
        plan.requests.push(Recorded { at, path, query, status: 0 });
        (fault, plan.requests.len() - 1)
    };
    let answer = match fault {
        None => next.run(request).await,
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Some(Fault::Huge(blanks)) => padded(next.run(request).await, blanks).await,
        Some(fault) => faulty(&fault),
    };
    if let Some(recorded) = locked(&plan).requests.get_mut(position) {
        recorded.status = answer.status().as_u16();
    }
    answer
}

async fn padded(answer: Response<Body>, blanks: usize) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let mut bytes = axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.to_vec()).unwrap_or_default();
    bytes.resize(bytes.len() + blanks, b' ');
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes))
}

fn faulty(fault: &Fault) -> Response<Body> {
    match fault {
        Fault::Status(status) => empty(StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
        Fault::TooMany(retry_after) => {
            let mut answer = empty(StatusCode::TOO_MANY_REQUESTS);
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
            }
            answer
        }
        Fault::Body(body) => Response::new(Body::from(*body)),
        Fault::Redirect => {
            let mut answer = empty(StatusCode::FOUND);
            answer.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/elsewhere"));
            answer
        }
        Fault::Slow(_) | Fault::Huge(_) => empty(StatusCode::OK),
    }
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
