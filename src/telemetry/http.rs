//! Around every request: its id, its one line in the log, its span, its time and
//! what a handler that panics is answered with.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tallyline_queue::span::{self, Span, SpanKind};
use tracing::Instrument;

use super::names::{HTTP_DURATION, HTTP_REQUESTS};
use super::request_id::{self, RequestId};

/// Routes that are asked all the time by machines. Their lines are of level debug;
/// the first ones are no traffic of anybody's and have no spans either.
const PROBES: [&str; 3] = ["/metrics", "/livez", "/readyz"];
const WEBHOOKS: &str = "/webhooks/";

/// Gives every request its id and its line, also those that match no route.
pub fn observed(router: Router) -> Router {
    router.layer(from_fn(observe))
}

async fn observe(request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let route = template(&request);
    let method = request.method().clone();
    let span = Span::root(format!("{method} {route}"), SpanKind::Server);
    let log = tracing::info_span!(target: span::TARGET, "request", request_id = %id, trace_id = tracing::field::Empty);
    let began = Instant::now();
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answered = id.clone().scope(span.scope(answering)).instrument(log.clone()).await;
    let _entered = log.entered();
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!("a request handler panicked");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    });
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if PROBES.contains(&route.as_str()) {
        span.forget();
        tracing::debug!(%method, route, status, duration_ms, "answered");
    } else {
        tracing::Span::current().record("trace_id", format_args!("{:032x}", span.context().trace_id));
        match route.starts_with(WEBHOOKS) {
            true => tracing::debug!(%method, route, status, duration_ms, "answered"),
            false => tracing::info!(%method, route, status, duration_ms, "answered"),
        }
        end(span, &method, route, status, &id);
    }
    if let Some(value) = id.header() {
        response.headers_mut().insert(request_id::HEADER, value);
    }
    response
}

fn end(span: Span, method: &axum::http::Method, route: String, status: u16, id: &RequestId) {
    span.set("http.request.method", method.as_str());
    span.set("http.route", route);
    span.set("http.response.status_code", i64::from(status));
    span.set("tallyline.request.id", id.to_string());
    span.end(status >= 500);
}

/// The route's template: what was asked for may hold ids and worse.
fn template(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned())
}

/// Adds the measurement to every route that `router` has now.
pub fn measured(router: Router) -> Router {
    // A route layer: what matches no route has no template and is not measured.
    router.route_layer(from_fn(measure))
}

/// What a route is counted as: its template without what follows the second part
/// that is a name and no parameter, not counting `/api/v1`. There are more than a
/// hundred templates, and each label value costs a histogram: pages and buttons of
/// one thing count as that thing.
pub fn label(template: &str) -> String {
    let names = match template.strip_prefix("/api/v1/") {
        Some(rest) if rest.starts_with("tenants/") => 4,
        Some(_) => 3,
        None if template.starts_with("/account") => 1,
        None => 2,
    };
    let mut found = 0;
    let kept = template.split('/').skip(1).take_while(|part| {
        let is_name = !part.starts_with('{');
        found += usize::from(is_name);
        // Behind the last name nothing is kept, not even a parameter; `{*rest}` is whatever does not exist.
        (found < names || (found == names && is_name)) && !part.starts_with("{*")
    });
    kept.fold(String::new(), |route, part| format!("{route}/{part}"))
}

async fn measure(request: Request, next: Next) -> Response {
    let route = label(&template(&request));
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

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn pages_and_buttons_of_one_thing_count_as_that_thing() {
        for (template, route) in [
            ("/", "/"),
            ("/metrics", "/metrics"),
            ("/webhooks/bolna/{endpoint}", "/webhooks/bolna"),
            ("/tenants/{id}/calls/{call_id}", "/tenants/{id}/calls"),
            ("/tenants/{id}", "/tenants/{id}"),
            ("/operate/jobs/{id}/retry", "/operate/jobs"),
            ("/operate/{*rest}", "/operate"),
            ("/account/tokens/{id}/revoke", "/account"),
            ("/api/openapi.json", "/api/openapi.json"),
            ("/api/v1/tenants/{id}/calls/{item}", "/api/v1/tenants/{id}/calls"),
            ("/api/v1/jobs/{item}/cancel", "/api/v1/jobs"),
        ] {
            assert_eq!(label(template), route, "{template}");
        }
    }
}
