//! Between a process and its database: a wire that understands the protocol, and so
//! can lose the answer to a COMMIT, which leaves its sender not knowing.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::statements::Statements;

/// Asks for encryption: a number in the place of the protocol's version.
const SSL_REQUEST: u32 = 80_877_103;
/// No message here is larger; a larger one means that we do not understand the bytes.
const MAX_MESSAGE: usize = 256 * 1024 * 1024;

/// What is wrong with the wire.
#[derive(Debug, Default)]
struct Faults {
    /// One commit in so many is struck; 0: none.
    one_in: AtomicU64,
    /// Requests are held back for so many milliseconds.
    delay_milliseconds: AtomicU64,
    /// Commits that happened and whose answer nobody was told.
    lost_answers: AtomicU64,
    /// Commits that never reached the server, which the sender cannot tell from the others.
    lost_requests: AtomicU64,
    dice: Mutex<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strike {
    /// The request arrives, its answer does not.
    Answer,
    /// Neither does the request.
    Request,
}

impl Faults {
    fn strike(&self) -> Option<Strike> {
        let one_in = self.one_in.load(Ordering::Relaxed);
        if one_in == 0 || !self.draw().is_multiple_of(one_in) {
            return None;
        }
        Some(if self.draw().is_multiple_of(4) { Strike::Request } else { Strike::Answer })
    }

    /// splitmix64.
    fn draw(&self) -> u64 {
        let mut state = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Forwards connections message by message; gone with all of them when it is dropped.
#[derive(Debug)]
pub struct MessageProxy {
    faults: Arc<Faults>,
    task: AbortHandle,
}

impl MessageProxy {
    /// Stands in front of the server that `url` names; returns the URL by which it is
    /// reached through the proxy. Equal seeds strike equal commits, as far as commits
    /// come in equal order. Panics when that cannot be.
    pub async fn before(url: &str, seed: u64) -> (String, Self) {
        match Self::try_before(url, seed).await {
            Ok(proxy) => proxy,
            Err(error) => panic!("no proxy before the database: {error:#}"),
        }
    }

    async fn try_before(url: &str, seed: u64) -> anyhow::Result<(String, Self)> {
        let options = PgConnectOptions::from_str(url)?;
        let upstream = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address: SocketAddr = listener.local_addr()?;
        let through = url.replacen(&format!("@{upstream}"), &format!("@{address}"), 1);
        anyhow::ensure!(through != url, "{upstream} is not in the URL");
        let faults = Arc::new(Faults { dice: Mutex::new(seed), ..Faults::default() });
        let task = tokio::spawn(forward(listener, upstream, Arc::clone(&faults))).abort_handle();
        Ok((through, Self { faults, task }))
    }

    /// From now on one commit in so many is struck: of four, three are made and their
    /// answer is lost, one is lost on its way; the connection is closed each time.
    pub fn strike_commits(&self, one_in: u64) {
        self.faults.one_in.store(one_in, Ordering::Relaxed);
    }

    /// Every request is held back for so long.
    pub fn delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.faults.delay_milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    /// Nothing is struck or delayed any more.
    pub fn mend(&self) {
        self.strike_commits(0);
        self.delay(Duration::ZERO);
    }

    /// Commits that happened and whose answer was lost.
    pub fn lost_answers(&self) -> u64 {
        self.faults.lost_answers.load(Ordering::Relaxed)
    }

    /// Commits that were lost before they reached the server.
    pub fn lost_requests(&self) -> u64 {
        self.faults.lost_requests.load(Ordering::Relaxed)
    }
}

impl Drop for MessageProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, upstream: String, faults: Arc<Faults>) {
    // Aborting this aborts what it holds.
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        let (upstream, faults) = (upstream.clone(), Arc::clone(&faults));
        connections.spawn(async move {
            let Ok(far) = TcpStream::connect(&upstream).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            // Either end closes both.
            let _ = carry(near, far, &faults).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// What both directions of a connection know.
struct Session<'a> {
    faults: &'a Faults,
    /// As the server last said: `I` outside a transaction, `T` inside, `E` in a failed one.
    status: AtomicU8,
    /// The answer to what is under way is to be lost.
    doomed: AtomicBool,
}

async fn carry(near: TcpStream, far: TcpStream, faults: &Faults) -> std::io::Result<()> {
    let ((near_read, mut near_write), (far_read, mut far_write)) = (near.into_split(), far.into_split());
    let (mut near_read, far_read) = (BufReader::new(near_read), BufReader::new(far_read));
    greet(&mut near_read, &mut near_write, &mut far_write).await?;
    let session = Session { faults, status: AtomicU8::new(b'I'), doomed: AtomicBool::new(false) };
    tokio::select! {
        ended = requests(near_read, far_write, &session) => ended,
        ended = answers(far_read, near_write, &session) => ended,
    }
}

/// The first message has no type. Encryption is refused, so that we can read on.
async fn greet(
    near: &mut BufReader<OwnedReadHalf>,
    back: &mut OwnedWriteHalf,
    far: &mut OwnedWriteHalf,
) -> std::io::Result<()> {
    loop {
        let length = near.read_u32().await?;
        let mut rest = vec![0; body_length(length)?];
        near.read_exact(&mut rest).await?;
        if rest.get(..4) == Some(&SSL_REQUEST.to_be_bytes()) {
            back.write_all(b"N").await?;
            continue;
        }
        far.write_u32(length).await?;
        return far.write_all(&rest).await;
    }
}

fn body_length(length: u32) -> std::io::Result<usize> {
    let body = usize::try_from(length).unwrap_or(usize::MAX).checked_sub(4);
    body.filter(|body| *body <= MAX_MESSAGE).ok_or_else(|| std::io::Error::other("not PostgreSQL's protocol"))
}

/// Reads one message: its type, and the whole of it.
async fn message(from: &mut BufReader<OwnedReadHalf>) -> std::io::Result<(u8, Vec<u8>)> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut whole = vec![kind];
    whole.extend(length.to_be_bytes());
    let start = whole.len();
    whole.resize(start + body_length(length)?, 0);
    from.read_exact(&mut whole[start..]).await?;
    Ok((kind, whole))
}

async fn requests(
    mut from: BufReader<OwnedReadHalf>,
    mut to: OwnedWriteHalf,
    session: &Session<'_>,
) -> std::io::Result<()> {
    let mut statements = Statements::default();
    loop {
        let (kind, whole) = message(&mut from).await?;
        let in_transaction = session.status.load(Ordering::Acquire) != b'I';
        let commits = statements.commits(kind, &whole[5..], in_transaction);
        if matches!(kind, b'Q' | b'S') {
            let delay = session.faults.delay_milliseconds.load(Ordering::Relaxed);
            if delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
        }
        match commits.then(|| session.faults.strike()).flatten() {
            Some(Strike::Request) => {
                session.faults.lost_requests.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Some(Strike::Answer) => session.doomed.store(true, Ordering::Release),
            None => {}
        }
        to.write_all(&whole).await?;
    }
}

async fn answers(
    mut from: BufReader<OwnedReadHalf>,
    mut to: OwnedWriteHalf,
    session: &Session<'_>,
) -> std::io::Result<()> {
    let mut refused = false;
    loop {
        let (kind, whole) = message(&mut from).await?;
        if session.doomed.load(Ordering::Acquire) {
            refused |= kind == b'E';
            if kind == b'Z' {
                // Only now is it sure that the commit has happened.
                if !refused {
                    session.faults.lost_answers.fetch_add(1, Ordering::Relaxed);
                }
                return Ok(());
            }
            continue;
        }
        if kind == b'Z' {
            session.status.store(whole.get(5).copied().unwrap_or(b'I'), Ordering::Release);
        }
        to.write_all(&whole).await?;
    }
}
