//! Counts and times every request by its route template.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;

use super::names::{HTTP_DURATION, HTTP_REQUESTS};

/// Adds the measurement to every route that `router` has now.
pub fn measured(router: Router) -> Router {
    // A route layer: what matches no route has no template and is not measured.
    router.route_layer(from_fn(measure))
}

async fn measure(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let began = Instant::now();
    let response = next.run(request).await;
    let code = match response.status().as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    ::metrics::histogram!(HTTP_DURATION, "route" => route.clone()).record(began.elapsed().as_secs_f64());
    ::metrics::counter!(HTTP_REQUESTS, "route" => route, "code" => code).increment(1);
    response
}
