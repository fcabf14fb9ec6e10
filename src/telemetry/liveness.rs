//! `GET /livez`: whether the process's loops turn. It never asks the database: a
//! process is not started anew because that is away.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tallyline_queue::Heartbeats;

use crate::life::watchdog::{describe, standing_still};

/// The route. It answers 503 when a loop has not turned for a minute.
pub fn router(heartbeats: Heartbeats) -> Router {
    Router::new().route("/livez", get(livez).with_state(heartbeats))
}

async fn livez(State(heartbeats): State<Heartbeats>) -> Response {
    let (status, body) = match standing_still(&heartbeats) {
        None => (StatusCode::OK, "alive\n".to_owned()),
        Some(silent) => (StatusCode::SERVICE_UNAVAILABLE, describe(&silent) + "\n"),
    };
    (status, [(CACHE_CONTROL, "no-store")], body).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    /// Break to try: 200 whatever the heartbeats say.
    #[tokio::test(start_paused = true)]
    async fn it_is_503_while_a_loop_stands_still() {
        let heartbeats = Heartbeats::new();
        let beat = heartbeats.add("drain pile");
        let ask = async || {
            let request = Request::get("/livez").body(Body::empty()).unwrap();
            let answer = router(heartbeats.clone()).oneshot(request).await.unwrap();
            let status = answer.status();
            (status, String::from_utf8(to_bytes(answer.into_body(), 1000).await.unwrap().to_vec()).unwrap())
        };
        assert_eq!(ask().await, (StatusCode::OK, "alive\n".to_owned()));
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(ask().await, (StatusCode::SERVICE_UNAVAILABLE, "drain pile has stood still for 61 s\n".to_owned()));
        beat.tick();
        assert_eq!(ask().await.0, StatusCode::OK);
    }
}
