//! Between the receiver and its database: a wire that can be cut or held.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Forwards connections to `upstream`.
pub struct Proxy {
    pub address: SocketAddr,
    wire: AbortHandle,
}

impl Proxy {
    pub async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = tokio::spawn(forward(listener, upstream)).abort_handle();
        Self { address, wire }
    }

    /// Every connection is closed and none is accepted any more.
    pub fn cut(&self) {
        self.wire.abort();
    }
}

async fn forward(listener: TcpListener, upstream: String) {
    // Aborting this aborts what it holds.
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(&upstream).await.unwrap();
        connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
    }
}
