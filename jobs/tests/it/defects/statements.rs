//! Every statement of the product against the schema that the migrations make.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "statements are read from files")]

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tallyline_testkit::TestDb;

/// Cannot be planned: `DO` blocks of the administrator, and a `COPY`, which backfills and `verify` run in tests of theirs.
const NOT_PLANNED: [&str; 9] = [
    "db/bootstrap_roles.sql",
    "db/drop_invalid_indexes.sql",
    "verify/scan_calls.sql",
    // Of the old database's schema; tests/it/adopt.rs runs them on one.
    "adopt/old_agents.sql",
    "adopt/old_analyses.sql",
    "adopt/old_calls.sql",
    "adopt/old_contacts.sql",
    "adopt/old_figures.sql",
    "adopt/old_tenants.sql",
];
/// Temporary tables that other statements need: executed, not planned.
const STAGES: [&str; 3] = ["backfill/stage_agents.sql", "backfill/stage_quarters.sql", "backfill/stage_users.sql"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            found.push(path);
        }
    }
}

/// Plans a statement for all values of its parameters; what the server says against it.
async fn planned(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    let prepare = format!("PREPARE tried AS {statement}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await?;
    let parameters: i32 =
        sqlx::query_scalar("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'tried'")
            .fetch_one(&mut *connection)
            .await?;
    let nulls = vec!["NULL"; usize::try_from(parameters).unwrap()].join(", ");
    let explain =
        if nulls.is_empty() { "EXPLAIN EXECUTE tried".to_owned() } else { format!("EXPLAIN EXECUTE tried ({nulls})") };
    let explained = sqlx::raw_sql(AssertSqlSafe(explain)).execute(&mut *connection).await;
    sqlx::raw_sql("DEALLOCATE tried").execute(&mut *connection).await?;
    explained.map(drop)
}

/// Upserts whose conflict target had no index, and functions that named columns which were not there, were found in
/// production.
///
/// Breaks tried: `lead_analytics_individual_key` dropped (upsert_leads.sql is named); a column renamed; a right of the
/// worker's revoked.
#[tokio::test]
async fn defect_03_every_statement_can_be_planned_by_the_role_that_runs_it() {
    let db = TestDb::new().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 150, "{}", paths.len());
    let mut worker = PgConnection::connect(&db.url).await.unwrap();
    let settings = "SET ROLE tallyline_worker; SET plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(settings).execute(&mut worker).await.unwrap();
    for stage in STAGES {
        // Without the end that its transaction would be.
        let create = fs::read_to_string(root.join(stage)).unwrap().replace("ON COMMIT DROP", "");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut worker).await.unwrap();
    }
    let mut refused = Vec::new();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if NOT_PLANNED.contains(&name.as_str()) || STAGES.contains(&name.as_str()) {
            continue;
        }
        if let Err(error) = planned(&mut worker, &fs::read_to_string(&path).unwrap()).await {
            refused.push(format!("{name}: {error}"));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
