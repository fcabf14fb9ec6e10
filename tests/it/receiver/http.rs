//! HTTP as it may be.

use super::support::{Running, answer, execution, head};

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_one_body() {
    let it = Running::start().await;
    let body = execution("e-1");
    let (first, second) = body.split_at(10);
    let request = format!(
        "{}{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        head(&it, "transfer-encoding: chunked\r\nconnection: close\r\n"),
        first.len(),
        second.len()
    );
    assert!(it.raw(request.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(answer(it.bolna(body)).await, (200, r#"{"status":"duplicate"}"#.to_owned()));
    it.stop().await;
}
