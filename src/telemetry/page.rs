//! What `GET /metrics` answers: the figures of the process and, where it was
//! elected, those of the service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics_exporter_prometheus::PrometheusHandle;

/// The page of a process. Clones show the same.
#[derive(Clone)]
pub struct Page {
    process: PrometheusHandle,
    service: Arc<Mutex<Option<Service>>>,
}

/// Figures of the service, in a recorder of their own: so they can be taken off the page.
struct Service {
    handle: PrometheusHandle,
    until: Instant,
}

impl Page {
    /// The page as it is now, in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = self.process.render();
        // A process that was frozen may find that another one was elected
        // meanwhile: what it knew then is no longer its to tell.
        if let Some(service) = self.service().as_ref().filter(|service| Instant::now() < service.until) {
            text.push_str(&service.handle.render());
        }
        text
    }

    /// Shows the figures of the service until a moment.
    pub(super) fn show(&self, handle: PrometheusHandle, until: Instant) {
        *self.service() = Some(Service { handle, until });
    }

    /// Takes the figures of the service off the page.
    pub(super) fn hide(&self) {
        *self.service() = None;
    }

    /// What the process's recorder needs from time to time.
    pub(super) fn run_upkeep(&self) {
        self.process.run_upkeep();
    }

    fn service(&self) -> MutexGuard<'_, Option<Service>> {
        // Whoever panicked while holding it left a value that is whole.
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<PrometheusHandle> for Page {
    fn from(process: PrometheusHandle) -> Self {
        Self { process, service: Arc::default() }
    }
}
