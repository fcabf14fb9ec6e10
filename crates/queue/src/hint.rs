//! A wake-up that cannot be missed.

use tokio::sync::watch;

/// Says "there may be work". Cheap to clone, cheap to ring; ringing twice
/// before anyone looks is ringing once.
///
/// A hint rung while the listener is busy is seen at its next wait. That is
/// what a bare notification to current waiters would lose.
#[derive(Clone, Debug)]
pub struct Hint {
    sender: watch::Sender<()>,
}

impl Hint {
    /// A hint that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: watch::Sender::new(()) }
    }

    /// Wakes all listeners. Call it after the commit, not before.
    pub fn ring(&self) {
        self.sender.send_replace(());
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> HintListener {
        HintListener { receiver: self.sender.subscribe(), _sender: self.sender.clone() }
    }
}

impl Default for Hint {
    fn default() -> Self {
        Self::new()
    }
}

/// The receiving side of a [`Hint`].
#[derive(Debug)]
pub struct HintListener {
    receiver: watch::Receiver<()>,
    // Keeps the channel open, so that `rung` never returns for lack of senders.
    _sender: watch::Sender<()>,
}

impl HintListener {
    /// Returns when the hint was rung since the last return. Cancel-safe.
    pub async fn rung(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
