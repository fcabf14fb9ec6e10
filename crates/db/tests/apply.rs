//! Migrations applied beside sessions that use the tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr};
use tallyline_db::apply::{Patience, Progress};
use tallyline_db::migrate::{self, MIGRATOR, MigrateError};
use tallyline_testkit::{TestDb, wait_until};

const LONG: Duration = Duration::from_secs(60);
/// The one after it builds an index on `contacts`, which waits for those who write it.
const BEFORE: i64 = 20_260_601_002_000;
const WANTS_CONTACTS: i64 = 20_260_601_003_000;

/// What was told, and the ear to tell it to.
fn ear() -> (Arc<Mutex<Vec<Progress>>>, impl FnMut(Progress)) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    (heard, move |progress| ear.lock().unwrap().push(progress))
}

/// It has waited for somebody, and given way.
fn gave_way(heard: &Mutex<Vec<Progress>>) -> bool {
    let heard = heard.lock().unwrap();
    heard.iter().any(|it| matches!(it, Progress::Waiting { .. }))
        && heard.iter().any(|it| matches!(it, Progress::TryingAgain { .. }))
}

/// A session that has written to `contacts` and does not end.
async fn writer(admin: &PgPool) -> (sqlx::Transaction<'static, sqlx::Postgres>, i32) {
    let mut writer = admin.begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL application_name = 'a long import'; LOCK TABLE contacts IN ROW EXCLUSIVE MODE")
        .execute(&mut *writer)
        .await
        .unwrap();
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *writer).await.unwrap();
    (writer, pid)
}

/// Breaks to try: a lock waited for without end (the writers behind it wait too); no
/// second try; blockers looked for after the try, when they are none any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_use_is_waited_for_in_short_turns_and_who_uses_it_is_named() {
    let db = TestDb::new().await;
    migrate::down_to(&db.url, BEFORE).await.unwrap();
    let pending = migrate::check(&db.url).await.unwrap().pending;
    let (writer, pid) = writer(&db.admin).await;
    let (heard, mut ear) = ear();
    let patience = Patience { lock: Duration::from_millis(300), total: LONG * 3 };
    let others = async {
        wait_until("it has tried", LONG, async || gave_way(&heard)).await;
        for _ in 0..20 {
            let mut other = db.admin.begin().await.unwrap();
            let lock = "SET LOCAL lock_timeout = '20s'; LOCK TABLE contacts IN ROW EXCLUSIVE MODE";
            sqlx::raw_sql(lock).execute(&mut *other).await.expect("writers do not wait behind the migration");
            other.rollback().await.unwrap();
        }
        writer.rollback().await.unwrap();
    };
    let (applied, ()) = tokio::join!(migrate::migrate_with(&db.url, &MIGRATOR, patience, &mut ear), others);
    assert_eq!(applied.unwrap().applied, pending);
    assert!(migrate::check(&db.url).await.unwrap().is_none());

    let heard = heard.lock().unwrap();
    let waited = heard.iter().find(|it| matches!(it, Progress::Waiting { .. }));
    let Some(Progress::Waiting { migration, blockers }) = waited else { panic!("{heard:?}") };
    assert_eq!(migration.as_ref().unwrap().0, WANTS_CONTACTS);
    assert_eq!(blockers.iter().map(|it| (it.pid, it.program.as_str())).collect::<Vec<_>>(), [(pid, "a long import")]);
}

/// Break to try: tries without end.
#[tokio::test(flavor = "multi_thread")]
async fn patience_ends_and_nothing_is_left_half_done() {
    let db = TestDb::new().await;
    migrate::down_to(&db.url, BEFORE).await.unwrap();
    let pending = migrate::check(&db.url).await.unwrap().pending;
    let (writer, _) = writer(&db.admin).await;
    let patience = Patience { lock: Duration::from_millis(100), total: Duration::from_millis(500) };
    let error = migrate::migrate_with(&db.url, &MIGRATOR, patience, &mut |_| {}).await.unwrap_err();
    let MigrateError::Blocked { migration: Some((version, _)) } = &error else { panic!("{error}") };
    assert_eq!(*version, WANTS_CONTACTS);
    assert_eq!(migrate::check(&db.url).await.unwrap().pending, pending);
    writer.rollback().await.unwrap();
    // The lock of all migrations was given back with the session.
    migrate::migrate(&db.url).await.unwrap();
}

/// Break to try: what was left over not dropped: IF NOT EXISTS finds it and is content.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_interrupted_is_built_anew() {
    let db = TestDb::new().await;
    let mut owner = db.admin.acquire().await.unwrap();
    sqlx::raw_sql(
        "SET ROLE tallyline_owner; CREATE TABLE public.rehearsal (a int); INSERT INTO public.rehearsal VALUES (1), (1)",
    )
    .execute(&mut *owner)
    .await
    .unwrap();
    let doubled = sqlx::query("CREATE UNIQUE INDEX CONCURRENTLY rehearsal_idx ON public.rehearsal (a)");
    doubled.execute(&mut *owner).await.expect_err("the rows are not unique");
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.rehearsal_idx'::regclass";
    assert!(!sqlx::query_scalar::<_, bool>(valid).fetch_one(&mut *owner).await.unwrap());

    let sql = "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS rehearsal_idx ON public.rehearsal (a)";
    let index = Migration::new(i64::MAX, "rehearsal".into(), MigrationType::ReversibleUp, sql.into_sql_str(), true);
    let migrations = Migrator::with_migrations(MIGRATOR.iter().cloned().chain([index]).collect());
    let applied = migrate::migrate_with(&db.url, &migrations, Patience::default(), &mut |_| {}).await.unwrap();
    assert_eq!(applied.applied.len(), 1);
    assert!(sqlx::query_scalar::<_, bool>(valid).fetch_one(&mut *owner).await.unwrap());
}
