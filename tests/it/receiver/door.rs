//! What is refused although it is authentic.

use tallyline::receiver::MAX_REFUSED_PER_TENANT;

use super::support::{Running, answer};

#[tokio::test]
async fn a_body_that_names_no_call_is_refused_and_kept() {
    let it = Running::start().await;
    let huge = format!("{}x", " ".repeat(100_000));
    let bodies = [
        ("", "not_json"),
        ("null", "not_an_object"),
        ("[]", "not_an_object"),
        (r#"{"id":"e-1""#, "not_json"),
        (r#"{"id":"e-1"}x"#, "not_json"),
        (r#"{"status":"completed"}"#, "no_id"),
        (r#"{"id":"a","execution_id":"b"}"#, "id_mismatch"),
        (r#"{"id":"a","id":"a"}"#, "duplicate_key"),
        (huge.as_str(), "not_json"),
    ];
    for (body, reason) in bodies {
        let expected = (400, format!(r#"{{"error":"{reason}"}}"#));
        assert_eq!(answer(it.bolna(body)).await, expected, "{body:.40}");
        let kept: (String, Vec<u8>) =
            sqlx::query_as("SELECT reason, body FROM tally.quarantine ORDER BY id DESC LIMIT 1")
                .fetch_one(&it.db.admin)
                .await
                .unwrap();
        assert_eq!(kept, (reason.to_owned(), body.as_bytes()[..body.len().min(65_536)].to_vec()), "{body:.40}");
    }
    assert_eq!(it.stored().await, (0, 0, 9));
    it.stop().await;
}

#[tokio::test]
async fn the_refused_bodies_of_a_tenant_do_not_pile_up() {
    let it = Running::start().await;
    // Events that were accepted and quarantined later are not among those that go.
    sqlx::query(
        "INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, inbox_id, body, received_at)
         SELECT $1, 'bolna', 'seeded', 'seeded', CASE WHEN n <= 5 THEN n END, CASE WHEN n > 5 THEN ''::bytea END, now()
         FROM generate_series(1, 1205) n",
    )
    .bind(it.tenant.user_id)
    .execute(&it.db.admin)
    .await
    .unwrap();
    for _ in 0..3 {
        assert_eq!(answer(it.bolna("[]")).await.0, 400);
    }
    assert_eq!(it.count("SELECT count(*) FROM tally.quarantine WHERE inbox_id IS NOT NULL").await, 5);
    assert_eq!(it.count("SELECT count(*) FROM tally.quarantine WHERE inbox_id IS NULL").await, MAX_REFUSED_PER_TENANT);
    assert_eq!(it.count("SELECT count(*) FROM tally.quarantine WHERE reason = 'not_an_object'").await, 3);
    it.stop().await;
}
