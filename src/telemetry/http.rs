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
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| label(path.as_str()));
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
