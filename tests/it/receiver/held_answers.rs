//! Between the receiver and its database: a wire that can lose the answers from a
//! statement on, which the proxy of the test kit cannot.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards connections to `upstream`.
pub struct Proxy {
    pub address: SocketAddr,
    marker: watch::Sender<Option<&'static str>>,
}

impl Proxy {
    pub async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (marker, marked) = watch::channel(None);
        tokio::spawn(forward(listener, upstream, marked));
        Self { address, marker }
    }

    /// Once `marker` was sent to the other side, nothing that it says comes
    /// through any more, over any connection.
    pub fn hold_answers_from(&self, marker: &'static str) {
        self.marker.send_replace(Some(marker));
    }
}

async fn forward(listener: TcpListener, upstream: String, marker: watch::Receiver<Option<&'static str>>) {
    // Aborting this aborts what it holds.
    let mut connections = JoinSet::new();
    let held = Arc::new(watch::Sender::new(false));
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(&upstream).await.unwrap();
        let ((near_out, near_in), (far_out, far_in)) = (near.into_split(), far.into_split());
        connections.spawn(ask(near_out, far_in, marker.clone(), Arc::clone(&held)));
        connections.spawn(answer(far_out, near_in, held.subscribe()));
    }
}

async fn ask(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    marker: watch::Receiver<Option<&'static str>>,
    held: Arc<watch::Sender<bool>>,
) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut piece).await {
        let sent = &piece[..bytes];
        let marker = *marker.borrow();
        if marker.is_some_and(|marker| sent.windows(marker.len()).any(|part| part == marker.as_bytes())) {
            held.send_replace(true);
        }
        if to.write_all(sent).await.is_err() {
            break;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut held: watch::Receiver<bool>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut piece).await {
        let passes = held.wait_for(|held| !held).await.is_ok();
        if !passes || to.write_all(&piece[..bytes]).await.is_err() {
            break;
        }
    }
}
