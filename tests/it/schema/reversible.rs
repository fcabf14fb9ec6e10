//! Taking the migrations back leaves nothing, whatever the tables hold; a foreign database is left as it was.

use tallyline_db::migrate::{self, MigrateError};
use tallyline_testkit::TestDb;
use tallyline_testkit::schema_dump::schema_dump;

use super::fixture;

async fn leftovers(db: &TestDb) -> Vec<String> {
    fixture::texts(&db.admin, include_str!("../../../sql/db/own_objects.sql")).await
}

/// Breaks seen: `DROP FUNCTION public.current_tenant()` left out of a `.down.sql`, which is then named; a sequence
/// or a table left out of one.
#[tokio::test]
async fn full_tables_go_down_and_come_up_empty() {
    let db = TestDb::unmigrated().await;
    let first = migrate::migrate(&db.url).await.unwrap();
    let schema = schema_dump(&db.admin_url).await.unwrap();
    fixture::tenant(&db, "a").await;
    fixture::platform(&db).await;

    migrate::down_to(&db.url, 0).await.unwrap();
    assert_eq!(leftovers(&db).await, Vec::<String>::new());
    assert_eq!(migrate::check(&db.url).await.unwrap().pending, first.applied);

    migrate::migrate(&db.url).await.unwrap();
    assert!(migrate::check(&db.url).await.unwrap().is_none());
    assert_eq!(schema_dump(&db.admin_url).await.unwrap(), schema);
    assert_eq!(fixture::texts(&db.admin, "SELECT zone FROM tally.zones").await, ["UTC"]);
    fixture::tenant(&db, "a").await;
}

/// Break seen: `foreign_tables.sql` without tables; the migrations then fail half-way.
#[tokio::test]
async fn a_foreign_database_is_left_as_it_was() {
    let db = TestDb::unmigrated().await;
    sqlx::raw_sql("CREATE TABLE public.calls (note text); INSERT INTO public.calls VALUES ('theirs')")
        .execute(&db.admin)
        .await
        .unwrap();
    let schema = schema_dump(&db.admin_url).await.unwrap();
    let error = migrate::migrate(&db.url).await.unwrap_err();
    assert!(matches!(&error, MigrateError::ForeignTables { names } if names == &["calls"]), "{error}");
    assert_eq!(schema_dump(&db.admin_url).await.unwrap(), schema);
    assert_eq!(fixture::texts(&db.admin, "SELECT note FROM public.calls").await, ["theirs"]);
}
