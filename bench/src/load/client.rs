//! Requests over raw sockets: as many connections as the open loop needs, kept alive.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer's head fits in.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Connections that wait for their next request, the last one used on top.
pub struct Client {
    address: SocketAddr,
    idle: Mutex<Vec<TcpStream>>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// The status of the answer to a whole request. A connection that the server has closed
    /// while it was idle is not the request's fault: another one is tried, a new one at last.
    ///
    /// # Errors
    /// When a new connection brings no answer.
    pub async fn ask(&self, request: &[u8]) -> anyhow::Result<u16> {
        while let Some(mut stream) = self.take() {
            if let Ok(answer) = exchange(&mut stream, request).await {
                return Ok(self.keep(stream, answer));
            }
        }
        let mut stream = self.connect().await?;
        let answer = exchange(&mut stream, request).await?;
        Ok(self.keep(stream, answer))
    }

    /// The status of the answer to a request of which nothing more will come than this, on a
    /// connection of its own.
    ///
    /// # Errors
    /// When the server closes the connection without an answer.
    pub async fn ask_in_part(&self, part: &[u8]) -> anyhow::Result<u16> {
        let mut stream = self.connect().await?;
        Ok(exchange(&mut stream, part).await?.status)
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn take(&self) -> Option<TcpStream> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, stream: TcpStream, answer: Answer) -> u16 {
        if !answer.closes {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        }
        answer.status
    }
}

struct Answer {
    status: u16,
    closes: bool,
}

async fn exchange(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<Answer> {
    stream.write_all(request).await?;
    let (mut buffer, mut read) = (vec![0; LONGEST_ANSWER], 0);
    loop {
        let more = stream.read(buffer.get_mut(read..).context("a long answer")?).await?;
        ensure!(more > 0, "the server closed the connection");
        read += more;
        let seen = &buffer[..read];
        let Some(end) = seen.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&seen[..end])?.to_ascii_lowercase();
        let Some(status) = head.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..3)) else { bail!("{head}") };
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = field("content-length:").unwrap_or("0").parse()?;
        if read >= end + 4 + length {
            return Ok(Answer { status: status.parse()?, closes: field("connection:") == Some("close") });
        }
    }
}
