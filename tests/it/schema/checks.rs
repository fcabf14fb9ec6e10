//! Every check constraint refuses what it is there to refuse, and accepts what lies just inside.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "statements are pieced together from constants"
)]

mod analyses;
mod machinery;
mod notices;
mod platform;
mod tenant;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use tallyline_testkit::TestDb;

use super::fixture;

/// A constraint and assignments to the one row of its table, each tried alone.
struct Case {
    table: &'static str,
    constraint: &'static str,
    /// Break this constraint.
    refused: &'static [&'static str],
    /// Change the same columns and break none.
    accepted: &'static [&'static str],
}

const fn case(
    table: &'static str,
    constraint: &'static str,
    refused: &'static [&'static str],
    accepted: &'static [&'static str],
) -> Case {
    Case { table, constraint, refused, accepted }
}

fn cases() -> impl Iterator<Item = &'static Case> {
    platform::CASES
        .iter()
        .chain(tenant::ROLLUPS.iter().flatten())
        .chain(tenant::CASES)
        .chain(machinery::CASES)
        .chain(analyses::CASES)
        .chain(notices::CASES)
}

/// One row in every table, so that an assignment meets exactly one.
async fn one_row_each() -> TestDb {
    let db = TestDb::new().await;
    fixture::tenant(&db, "a").await;
    fixture::platform(&db).await;
    for spare in [
        "DELETE FROM public.calls WHERE bolna_execution_id = 'execution-2'",
        "DELETE FROM public.contacts WHERE name = 'Spare'",
        "DELETE FROM public.lead_analytics WHERE analysis_type = 'complete'",
        "DELETE FROM public.credit_transactions WHERE call_id IS NULL",
        "DELETE FROM tally.calendar WHERE grain = 'day' OR date <> '2026-01-01'",
        "DELETE FROM tally.rollup_marks WHERE seq > (SELECT min(seq) FROM tally.rollup_marks)",
    ] {
        sqlx::raw_sql(spare).execute(&db.admin).await.unwrap();
    }
    db
}

/// What `UPDATE table SET assignments` came to; undone.
async fn outcome(admin: &PgPool, table: &str, assignments: &str) -> String {
    let mut tx = admin.begin().await.unwrap();
    let update = format!("UPDATE {table} SET {assignments}");
    fixture::came_to(sqlx::raw_sql(AssertSqlSafe(update)).execute(&mut *tx).await)
}

/// Breaks seen: `NULL` inside the IN list of `contacts_auto_creation_source_check`, as the
/// platform had it; `duration_counts` left out of `user_analytics_sets_check`.
#[tokio::test]
async fn defect_36_every_check_refuses_and_accepts() {
    let db = one_row_each().await;
    let mut wrong = Vec::new();
    for Case { table, constraint, refused, accepted } in cases() {
        assert!(!refused.is_empty() && !accepted.is_empty(), "{table} {constraint}: nothing is tried");
        let expected = [(*refused, format!("23514 {constraint}")), (*accepted, "1 rows".to_owned())];
        for (assignments, expected) in expected {
            for assignment in assignments {
                let found = outcome(&db.admin, table, assignment).await;
                if found != expected {
                    wrong.push(format!("{table} SET {assignment}: {found}, expected {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Break seen: a check more, or one less, in the database than in the tables of this test.
#[tokio::test]
async fn defect_36_every_check_has_a_case() {
    let db = TestDb::new().await;
    let mut in_database = fixture::texts(
        &db.admin,
        "SELECT connamespace::regnamespace || '.' || c.relname || ' ' || conname FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid
         WHERE contype = 'c' AND coninhcount = 0 AND connamespace IN ('public'::regnamespace, 'tally'::regnamespace)",
    )
    .await;
    let mut tried: Vec<String> = cases().map(|case| format!("{} {}", case.table, case.constraint)).collect();
    tried.sort();
    in_database.sort();
    assert_eq!(tried, in_database);
}
