//! Frozen months are compared with their files.

use tallyline_jobs::archive_calls::{self, Options};
use tallyline_jobs::verify::{VerifyError, VerifyOptions, verify, verify_in_slices};
use tallyline_testkit::TestDb;
use tempfile::TempDir;
use uuid::Uuid;

use super::fixture::{calls, named, new_york, roll_up_all, run, tenant, verified};

/// From the table alone, every frozen row would be too much.
#[tokio::test]
async fn frozen_rows_are_compared_with_the_calls_in_files() {
    let (db, user_id, directory) = archived().await;
    let report = verified(&db).await;
    assert_eq!((named(&report), report.skipped_dirty), (vec![], 0));
    assert!(report.buckets_checked > 100, "{}", report.buckets_checked);
    let parts = verify_in_slices(&db.pool, VerifyOptions::default(), 60, |_| {}).await.unwrap();
    assert_eq!((named(&parts), parts.buckets_checked), (vec![], report.buckets_checked));

    let damage =
        "UPDATE public.user_analytics SET cost_micros = 0 WHERE user_id = $1 AND grain = 'day' AND date = '2025-11-02'";
    assert_eq!(run(&db, damage, user_id).await, 1);
    assert_eq!(named(&verified(&db).await), ["tenant day cost_micros"]);
    drop(directory);
}

#[tokio::test]
async fn a_file_that_is_damaged_gone_or_another_is_named_loudly() {
    let (db, user_id, directory) = archived().await;
    let mut paths: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    let bytes = std::fs::read(&paths[0]).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(&paths[0], damaged).unwrap();
    assert!(matches!(check(&db).await, Err(VerifyError::History(_))));
    std::fs::write(&paths[0], &bytes).unwrap();
    assert!(check(&db).await.is_ok());
    let other = "UPDATE tally.history_files SET calls = calls + 1 WHERE user_id = $1";
    run(&db, other, user_id).await;
    assert!(matches!(check(&db).await, Err(VerifyError::History(_))));
    run(&db, "UPDATE tally.history_files SET calls = calls - 1 WHERE user_id = $1", user_id).await;
    std::fs::remove_file(&paths[0]).unwrap();
    assert!(matches!(check(&db).await, Err(VerifyError::History(_))));
}

async fn check(db: &TestDb) -> Result<(), VerifyError> {
    verify(&db.pool, VerifyOptions::default(), |_| {}).await.map(|_| ())
}

/// The tenant in New York of the other tests with its months in files, and one
/// with nothing frozen.
async fn archived() -> (TestDb, Uuid, TempDir) {
    let (db, directory) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let user_id = new_york(&db).await;
    let young = tenant(&db, "UTC").await;
    let now: String = sqlx::query_scalar("SELECT now()::text").fetch_one(&db.admin).await.unwrap();
    calls(&db, young, &now, 10).await;
    roll_up_all(&db.pool).await;
    let options = Options { directory: Some(directory.path().to_owned()), calls_months: 1 };
    assert!(archive_calls::run(&db.pool, &options).await.unwrap() > 0);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM public.calls").fetch_one(&db.admin).await.unwrap();
    assert_eq!(left, 10);
    (db, user_id, directory)
}
