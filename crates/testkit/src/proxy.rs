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

/// How the wire is, and how often it was cut: a cut that is mended at once ends what
/// was open all the same.
#[derive(Debug, Clone, Copy)]
struct State {
    wire: Wire,
    cuts: u64,
}

/// Forwards connections; gone with everything that it holds when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    state: watch::Sender<State>,
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
        let (state, seen) = watch::channel(State { wire: Wire::Whole, cuts: 0 });
        let task = tokio::spawn(forward(listener, upstream, seen)).abort_handle();
        Ok((through, Self { state, task }))
    }

    /// Every connection is closed, also new ones.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { wire: Wire::Cut, cuts: state.cuts + 1 });
    }

    /// Nothing passes any more, and nobody is told.
    pub fn swallow(&self) {
        self.state.send_modify(|state| state.wire = Wire::Hole);
    }

    /// New connections pass again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.wire = Wire::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, upstream: String, state: watch::Receiver<State>) {
    // Aborting this aborts what it holds.
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        connections.spawn(carry(near, upstream.clone(), state.clone()));
    }
}

async fn carry(mut near: TcpStream, upstream: String, mut state: watch::Receiver<State>) {
    let begun = *state.borrow_and_update();
    if begun.wire == Wire::Whole {
        let Ok(mut far) = TcpStream::connect(&upstream).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            changed = state.wait_for(|now| now.wire != Wire::Whole || now.cuts != begun.cuts) => {
                if changed.is_ok_and(|now| now.cuts != begun.cuts) {
                    return;
                }
            }
        }
    }
    if state.borrow().wire != Wire::Cut {
        // Open, and dead.
        std::future::pending::<()>().await;
    }
}
