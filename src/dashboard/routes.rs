//! Routes of pages, with a list of those that are read: whoever measures or walks all
//! pages takes it, so that none is forgotten.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing;

use crate::accounts::guard::Gate;

/// Routes and the paths among them that are read.
#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) router: Router<Arc<Gate>>,
    pub(crate) read: Vec<&'static str>,
}

impl Pages {
    pub(crate) fn get<H: Handler<T, Arc<Gate>>, T: 'static>(mut self, path: &'static str, handler: H) -> Self {
        self.read.push(path);
        self.router = self.router.route(path, routing::get(handler));
        self
    }

    pub(crate) fn post<H: Handler<T, Arc<Gate>>, T: 'static>(mut self, path: &'static str, handler: H) -> Self {
        self.router = self.router.route(path, routing::post(handler));
        self
    }

    /// These and those.
    pub(crate) fn and(mut self, mut more: Pages) -> Self {
        self.read.append(&mut more.read);
        self.router = self.router.merge(more.router);
        self
    }
}
