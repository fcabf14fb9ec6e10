//! The apalis backend: a channel in front, our own tasks behind.
//!
//! A worker polls nothing but a channel here. Claims, completions, heartbeats
//! and rescues happen in tasks of their own, so an error of the database is
//! retried where it happens and never reaches the worker, and a busy worker
//! never delays a heartbeat.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::Task,
    worker::context::WorkerContext,
};
use tokio::sync::mpsc;

/// A backend that gives out what arrives on a channel and ends, gracefully,
/// when the channel does.
pub(crate) struct ChannelBackend<Args, Layer> {
    // Shared, since the monitor builds a worker anew when it restarts one.
    tasks: Arc<Mutex<Tasks<Args>>>,
    layer: Layer,
}

/// Tasks arrive in batches and are given out one by one.
struct Tasks<Args> {
    batches: mpsc::Receiver<Vec<Task<Args>>>,
    rest: VecDeque<Task<Args>>,
}

impl<Args, Layer> ChannelBackend<Args, Layer> {
    pub(crate) fn new(batches: mpsc::Receiver<Vec<Task<Args>>>, layer: Layer) -> Self {
        Self { tasks: Arc::new(Mutex::new(Tasks { batches, rest: VecDeque::new() })), layer }
    }
}

impl<Args, Layer: Clone> Clone for ChannelBackend<Args, Layer> {
    fn clone(&self) -> Self {
        Self { tasks: Arc::clone(&self.tasks), layer: self.layer.clone() }
    }
}

impl<Args, Layer> Backend for ChannelBackend<Args, Layer> {
    type Task = Task<Args>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = tasks.rest.pop_front() {
                return Poll::Ready(Some(Ok(task)));
            }
            match ready!(tasks.batches.poll_recv(cx)) {
                Some(batch) => tasks.rest = batch.into(),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Called when the channel has ended and all handlers are through. The
    /// runner drains the completer after that; here is nothing left to flush.
    fn poll_close(&mut self, _: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        // A worker whose source ends waits for a stop that nobody else gives.
        if !worker.is_shutting_down()
            && let Err(error) = worker.stop()
        {
            tracing::error!(worker = worker.name(), %error, "worker could not be stopped");
        }
        Poll::Ready(Ok(()))
    }
}

impl<Args, Layer: Clone> BackendConfig for ChannelBackend<Args, Layer> {
    type Args = Args;
    type Id = u64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Layer;

    fn config(&self) -> &Self::Config {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        self.layer.clone()
    }
}
