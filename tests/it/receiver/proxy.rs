//! Between the receiver and its database: a wire that can be cut or held.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Forwards connections to `upstream`.
pub struct Proxy {
    pub address: SocketAddr,
    wire: AbortHandle,
    held: watch::Sender<bool>,
}

impl Proxy {
    pub async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (held, holding) = watch::channel(false);
        let wire = tokio::spawn(forward(listener, upstream, holding)).abort_handle();
        Self { address, wire, held }
    }

    /// Every connection is closed and none is accepted any more.
    pub fn cut(&self) {
        self.wire.abort();
    }

    /// What the other side says from now on does not come through; what is said
    /// to it does.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }
}

async fn forward(listener: TcpListener, upstream: String, held: watch::Receiver<bool>) {
    // Aborting this aborts what it holds.
    let mut connections = JoinSet::new();
    let (_open, never) = watch::channel(false);
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(&upstream).await.unwrap();
        let ((near_out, near_in), (far_out, far_in)) = (near.into_split(), far.into_split());
        connections.spawn(pump(near_out, far_in, never.clone()));
        connections.spawn(pump(far_out, near_in, held.clone()));
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut held: watch::Receiver<bool>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut piece).await {
        let passes = held.wait_for(|held| !held).await.is_ok();
        if !passes || to.write_all(&piece[..bytes]).await.is_err() {
            break;
        }
    }
}
