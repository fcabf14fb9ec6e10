//! Checks of the schema: migrations, what was changed by hand, who may see what.

use std::collections::BTreeSet;

use sqlx::{PgConnection, PgPool};
use tallyline_db::migrate::{self, Difference};

use super::{About, Check, some};

/// The schema as the migrations make it; a test keeps the file true.
const SCHEMA: &str = include_str!("../../migrations/schema.sql");

const PENDING: About = About {
    name: "migrations",
    looks_at: "that every migration of this program is applied",
    meaning: "the daemon does not start",
};
const CHANGED: About = About {
    name: "migrations-changed",
    looks_at: "that migrations were applied with the text that this program has",
    meaning: "the schema is not what any version of the program expects; the daemon does not start",
};
const UNKNOWN: About = About {
    name: "migrations-unknown",
    looks_at: "migrations that this program does not know",
    meaning: "a newer version was here; this one does not start",
};
const OBJECTS: About = About {
    name: "schema-objects",
    looks_at: "unique indexes and triggers that figures rest on",
    meaning: "figures would be wrong in silence, so the daemon does not start",
};
const DRIFT: About = About {
    name: "schema-drift",
    looks_at: "columns and functions, beside those that the migrations make",
    meaning: "somebody changed the schema by hand; the next migration may fail, statements may too",
};
const INDEXES: About = About {
    name: "indexes",
    looks_at: "that indexes are there and valid",
    meaning: "statements read whole tables and get slower with every call",
};
const ISOLATION: About = About {
    name: "isolation",
    looks_at: "that a tenant's request sees and changes its own rows only",
    meaning: "a tenant could read other tenants' rows; the daemon does not start",
};

const ALL: [About; 7] = [PENDING, CHANGED, UNKNOWN, OBJECTS, DRIFT, INDEXES, ISOLATION];

pub(super) fn none(why: &str) -> Vec<Check> {
    ALL.iter().map(|about| about.not_applicable(why)).collect()
}

/// The checks, and whether the tables are those that the other checks read.
pub(super) async fn checks(url: &str, plain: &mut PgConnection, pool: &PgPool) -> (Vec<Check>, bool) {
    let difference = match migrate::check(url).await {
        Ok(difference) => difference,
        Err(error) => return (ALL.iter().map(|about| about.unknown(&error)).collect(), false),
    };
    let is_ours = difference.pending.is_empty() && difference.changed.is_empty();
    let mut checks = of_migrations(&difference);
    if !is_ours {
        let why = "the migrations come first";
        checks.extend([DRIFT, INDEXES, ISOLATION].iter().map(|about| about.not_applicable(why)));
        return (checks, false);
    }
    checks.push(drift(plain).await.unwrap_or_else(|error| DRIFT.unknown(error)));
    checks.push(indexes(plain).await.unwrap_or_else(|error| INDEXES.unknown(error)));
    checks.push(isolation(pool).await);
    (checks, is_ours)
}

fn of_migrations(difference: &Difference) -> Vec<Check> {
    let named = |list: &[(i64, String)]| -> Vec<String> {
        list.iter().map(|(version, name)| format!("{version} {name}")).collect()
    };
    let unknown: Vec<String> = difference.unknown.iter().map(ToString::to_string).collect();
    let can_say = difference.pending.is_empty() && difference.changed.is_empty() && difference.unknown.is_empty();
    vec![
        match difference.pending.is_empty() {
            true => PENDING.ok("all are applied"),
            false => PENDING.problem(some(&named(&difference.pending)), "tallyline migrate"),
        },
        match difference.changed.is_empty() {
            true => CHANGED.ok("none"),
            false => CHANGED.problem(some(&named(&difference.changed)), "tallyline migrate --check"),
        },
        match unknown.is_empty() {
            true => UNKNOWN.ok("none"),
            false => UNKNOWN.problem(some(&unknown), "tallyline migrate --check"),
        },
        match (can_say, difference.missing.is_empty()) {
            (false, _) => OBJECTS.not_applicable("the migrations come first"),
            (true, true) => OBJECTS.ok("all are there and in force"),
            (true, false) => OBJECTS.problem(some(&difference.missing), put_back(&difference.missing)),
        },
    ]
}

/// The command that puts the first of them back, as far as one can.
fn put_back(missing: &[String]) -> String {
    let trigger = missing.iter().find_map(|name| name.strip_prefix("trigger "));
    match trigger.and_then(|name| name.rsplit_once('.')) {
        Some((table, trigger)) if missing.first().is_some_and(|first| first.starts_with("trigger ")) => {
            format!("psql \"$DATABASE_URL\" -c 'ALTER TABLE {table} ENABLE TRIGGER {trigger}'")
        }
        _ => "tallyline migrate --check".to_owned(),
    }
}

async fn drift(plain: &mut PgConnection) -> Result<Check, sqlx::Error> {
    let there: Vec<String> = sqlx::query_scalar(include_str!("../../sql/doctor/objects.sql")).fetch_all(plain).await?;
    let there: BTreeSet<String> = there.into_iter().collect();
    let expected = expected();
    let missing = expected.difference(&there).map(|name| format!("{name} is missing"));
    let extra = there.difference(&expected).map(|name| format!("{name} is not of ours"));
    let found: Vec<String> = missing.chain(extra).collect();
    Ok(match found.is_empty() {
        true => DRIFT.ok(format!("{} columns and functions as they should be", expected.len())),
        false => DRIFT
            .warning(some(&found), "pg_dump --schema-only --no-owner \"$DATABASE_URL\" | diff migrations/schema.sql -"),
    })
}

async fn indexes(plain: &mut PgConnection) -> Result<Check, sqlx::Error> {
    let rows: Vec<(String, String)> =
        sqlx::query_as(include_str!("../../sql/doctor/indexes.sql")).bind(plain_indexes()).fetch_all(plain).await?;
    let found: Vec<String> = rows.iter().map(|(finding, _)| finding.clone()).collect();
    Ok(match rows.into_iter().next() {
        None => INDEXES.ok("all are there and valid"),
        Some((_, mend)) => INDEXES.problem(some(&found), mend),
    })
}

async fn isolation(pool: &PgPool) -> Check {
    let sound = async {
        tallyline_db::pool::refuse_privileged(pool).await?;
        tallyline_db::pool::refuse_holes(pool).await
    };
    match sound.await {
        Ok(()) => ISOLATION.ok("rights and policies are as they should be"),
        Err(tallyline_db::PoolError::Holes { holes }) => {
            let open = holes.first().and_then(|hole| hole.strip_suffix(" has row-level security off"));
            let mend = match open {
                Some(table) => format!("psql \"$DATABASE_URL\" -c 'ALTER TABLE {table} ENABLE ROW LEVEL SECURITY'"),
                None => "pg_dump --schema-only \"$DATABASE_URL\" | diff migrations/schema.sql -".to_owned(),
            };
            ISOLATION.problem(some(&holes), mend)
        }
        Err(error @ tallyline_db::PoolError::Privileged { .. }) => ISOLATION.problem(
            error.to_string(),
            "psql \"$DATABASE_URL\" -c 'ALTER ROLE tallyline_worker NOSUPERUSER NOBYPASSRLS'",
        ),
        Err(error) => ISOLATION.unknown(error),
    }
}

/// `schema.table.column` and `schema.function()` of the dump, as `objects.sql` names them.
fn expected() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut table = None;
    for line in SCHEMA.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            table = rest.split_once(' ').map(|(name, _)| name);
        } else if let Some(rest) = line.strip_prefix("CREATE FUNCTION ") {
            found.extend(rest.split_once('(').map(|(name, _)| format!("{name}()")));
        } else if line.starts_with(')') {
            table = None;
        } else if let (Some(table), Some(rest)) = (table, line.strip_prefix("    "))
            && let Some((column, _)) = rest.split_once(' ')
            && column.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            found.insert(format!("{table}.{column}"));
        }
    }
    found
}

/// `schema.index` and its table, of indexes that are not unique; those are `schema-objects`.
fn plain_indexes() -> Vec<String> {
    let named = SCHEMA.lines().filter_map(|line| line.strip_prefix("CREATE INDEX ")?.split_once(" ON "));
    named
        .filter_map(|(name, rest)| {
            let (schema, _) = rest.strip_prefix("ONLY ").unwrap_or(rest).split_once('.')?;
            Some(format!("{schema}.{name}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dump_is_read_as_it_is_written() {
        let expected = expected();
        for name in ["public.calls.started_at", "tally.jobs.cancel_reason", "tally.count_calls()"] {
            assert!(expected.contains(name), "{name}");
        }
        assert!(!expected.iter().any(|name| name.contains("CONSTRAINT") || name.ends_with(".state)")), "{expected:?}");
        assert!(plain_indexes().contains(&"tally.jobs_lanes".to_owned()));
        assert!(plain_indexes().contains(&"tally.job_history_job".to_owned()));
    }
}
