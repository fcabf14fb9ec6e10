//! Between a process and its database: a wire that can be cut, can swallow
//! everything, and can be mended.

use std::net::SocketAddr;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// Bytes pass.
    Whole,
    /// Connections are closed, also new ones.
    Cut,
    /// Connections stay and nothing passes; those that were caught in it stay dead for ever.
    Hole,
}

/// Forwards connections; gone with everything that it holds when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    wire: watch::Sender<Wire>,
    task: AbortHandle,
}

impl Proxy {
    /// Stands in front of the server that `url` names; returns the URL by which it is
    /// reached through the proxy. Panics when that cannot be.
    pub async fn before(url: &str) -> (String, Self) {
        match Self::try_before(url).await {
            Ok(proxy) => proxy,
            Err(error) => panic!("no proxy before the database: {error:#}"),
        }
    }

    async fn try_before(url: &str) -> anyhow::Result<(String, Self)> {
        let options = PgConnectOptions::from_str(url)?;
        let upstream = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address: SocketAddr = listener.local_addr()?;
        let through = url.replacen(&format!("@{upstream}"), &format!("@{address}"), 1);
        anyhow::ensure!(through != url, "{upstream} is not in the URL");
        let (wire, seen) = watch::channel(Wire::Whole);
        let task = tokio::spawn(forward(listener, upstream, seen)).abort_handle();
        Ok((through, Self { wire, task }))
    }

    /// Every connection is closed, also new ones.
    pub fn cut(&self) {
        self.wire.send_replace(Wire::Cut);
    }

    /// Nothing passes any more, and nobody is told.
    pub fn swallow(&self) {
        self.wire.send_replace(Wire::Hole);
    }

    /// New connections pass again.
    pub fn mend(&self) {
        self.wire.send_replace(Wire::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, upstream: String, wire: watch::Receiver<Wire>) {
    // Aborting this aborts what it holds.
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        connections.spawn(carry(near, upstream.clone(), wire.clone()));
    }
}

async fn carry(mut near: TcpStream, upstream: String, mut wire: watch::Receiver<Wire>) {
    let state = *wire.borrow_and_update();
    if state == Wire::Whole {
        let Ok(mut far) = TcpStream::connect(&upstream).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            changed = wire.wait_for(|state| *state != Wire::Whole) => {
                if changed.is_ok_and(|state| *state == Wire::Cut) {
                    return;
                }
            }
        }
    }
    if *wire.borrow() != Wire::Cut {
        // Open, and dead.
        std::future::pending::<()>().await;
    }
}
