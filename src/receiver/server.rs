//! The HTTP server of the whole process: its own accept loop, because only there
//! can slow and oversized requests be cut off and connections be counted.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use futures::FutureExt;
use http::{Request, StatusCode};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::addresses::Addresses;
use super::metrics::CONNECTIONS_CUT;
use super::write_deadline::WriteDeadline;
use crate::config;

/// How long requests under way may take once the process was asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// Rest after the system refused a new connection (out of descriptors, mostly).
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves `router` until `shutdown`; then no connection is accepted, and those
/// that exist end with the request they are serving, within ten seconds. Each
/// request carries the address of its peer as `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// When the listener cannot be used at all.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &config::Http,
    shutdown: CancellationToken,
) -> io::Result<()> {
    listener.local_addr()?;
    let free = Arc::new(Semaphore::new(limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let addresses = Addresses::new(limits.max_connections_per_address, limits.trusted_proxies.clone());
    let server = Server {
        router,
        max_headers: limits.max_headers,
        max_header_bytes: limits.max_header_bytes,
        header_deadline: Duration::from_secs(limits.header_deadline_seconds),
        body_deadline: Duration::from_secs(limits.body_deadline_seconds),
        write_deadline: Duration::from_secs(limits.write_deadline_seconds),
    };
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &free) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let Some(place) = addresses.admit(peer.ip()) else {
                    cut("per_address");
                    continue;
                };
                let connection = server.clone().connection(stream, peer, open.watcher());
                tokio::spawn(async move {
                    connection.await;
                    drop((permit, place));
                });
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    if timeout(LAST_REQUESTS, open.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way when the server stopped");
    }
    Ok(())
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// A place first, then a connection: whoever finds no place waits in the
/// kernel's queue.
async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = Arc::clone(free).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[derive(Clone)]
struct Server {
    router: Router,
    max_headers: usize,
    max_header_bytes: usize,
    header_deadline: Duration,
    body_deadline: Duration,
    write_deadline: Duration,
}

impl Server {
    async fn connection(self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
        let (header_deadline, max_headers, max_header_bytes) =
            (self.header_deadline, self.max_headers, self.max_header_bytes);
        let stream = WriteDeadline::new(stream, self.write_deadline);
        let service = service_fn(move |request| self.clone().answer(request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_deadline)
            .max_headers(max_headers)
            .max_header_size(max_header_bytes)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            // Peers that vanish or speak no HTTP are their own concern.
            tracing::debug!(%error, "a connection ended early");
            if let Some(reason) = of_the_peer(&error) {
                cut(reason);
            }
        }
    }

    async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Result<Response, Infallible> {
        let deadline = Instant::now() + self.body_deadline;
        let mut request = request.map(|incoming| Body::new(DeadlineBody { incoming, deadline, sleep: None }));
        request.extensions_mut().insert(ConnectInfo(peer));
        match AssertUnwindSafe(self.router.oneshot(request)).catch_unwind().await {
            Ok(answered) => answered,
            Err(_) => {
                tracing::error!("a request handler panicked");
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                Ok(response)
            }
        }
    }
}

fn cut(reason: &'static str) {
    metrics::counter!(CONNECTIONS_CUT, "reason" => reason).increment(1);
}

/// What the peer did that no handler saw; `None` if it only went away.
fn of_the_peer(error: &hyper::Error) -> Option<&'static str> {
    match error {
        error if error.is_parse_too_large() => Some("headers_too_large"),
        error if error.is_parse() => Some("malformed"),
        error if error.is_timeout() => Some("silent"),
        error if is_late_write(error) => Some("unread"),
        _ => None,
    }
}

fn is_late_write(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// The body was not there in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
pub struct BodyDeadline;

/// A request's body that fails once its deadline has passed.
struct DeadlineBody {
    incoming: Incoming,
    deadline: Instant,
    /// Made at the first wait: most bodies come with their headers.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for DeadlineBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().poll(cx).map(|()| Some(Err(BodyDeadline.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
