//! Adding jobs.

use serde_json::Value;
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::new_job::{Enqueued, NewJob};

/// Adds jobs in one statement; `None` where another job holds the key.
pub(crate) async fn enqueue(db: &mut PgConnection, jobs: &[NewJob]) -> Result<Vec<Option<Enqueued>>, sqlx::Error> {
    let kinds: Vec<&str> = jobs.iter().map(|j| j.kind.as_str()).collect();
    let queues: Vec<&str> = jobs.iter().map(|j| j.queue.as_str()).collect();
    let users: Vec<Option<Uuid>> = jobs.iter().map(|j| j.user_id).collect();
    let payloads: Vec<Json<&Value>> = jobs.iter().map(|j| Json(&j.payload)).collect();
    let priorities: Vec<i16> = jobs.iter().map(|j| j.priority).collect();
    let delays: Vec<f64> = jobs.iter().map(|j| j.run_after.as_secs_f64()).collect();
    let attempts: Vec<i32> = jobs.iter().map(|j| j.max_attempts).collect();
    let traces: Vec<Option<&str>> = jobs.iter().map(|j| j.trace.as_deref()).collect();
    if jobs.iter().all(|job| job.unique.is_none()) {
        let rows = sqlx::query_file!(
            "../../sql/queue/enqueue.sql",
            &kinds as &[&str],
            &queues as &[&str],
            &users as &[Option<Uuid>],
            &payloads as &[Json<&Value>],
            &priorities,
            &delays,
            &attempts,
            &traces as &[Option<&str>],
        )
        .fetch_all(db)
        .await?;
        return Ok(rows.into_iter().map(|row| Some(Enqueued::Inserted(row.id))).collect());
    }
    let unique = || jobs.iter().map(|job| job.unique.as_ref());
    let keys: Vec<Option<String>> = unique().map(|u| u.map(|u| u.key.clone())).collect();
    let scopes: Vec<Option<String>> = unique().map(|u| u.map(|u| u.scope.as_str().to_owned())).collect();
    let windows: Vec<Option<f64>> = unique().map(|u| u.and_then(|u| u.window_seconds())).collect();
    let rows = sqlx::query_file!(
        "../../sql/queue/enqueue_unique.sql",
        &kinds as &[&str],
        &queues as &[&str],
        &users as &[Option<Uuid>],
        &payloads as &[Json<&Value>],
        &priorities,
        &delays,
        &attempts,
        &traces as &[Option<&str>],
        &keys as &[Option<String>],
        &scopes as &[Option<String>],
        &windows as &[Option<f64>],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| row.job_id.map(Enqueued::Inserted)).collect())
}

/// The jobs that hold the keys of these; `None` where the key is free.
pub(crate) async fn key_holders(db: impl PgExecutor<'_>, jobs: &[NewJob]) -> Result<Vec<Option<i64>>, sqlx::Error> {
    let kinds: Vec<String> = jobs.iter().map(|j| j.kind.clone()).collect();
    let tenants: Vec<Uuid> = jobs.iter().map(|j| j.user_id.unwrap_or_default()).collect();
    let keys: Vec<String> = jobs.iter().map(|j| j.unique.as_ref().map(|u| u.key.clone()).unwrap_or_default()).collect();
    let rows = sqlx::query_file!("../../sql/queue/key_holders.sql", &kinds, &tenants, &keys).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| row.job_id).collect())
}
