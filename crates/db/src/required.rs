//! What must be in force besides the tables: unique indexes, which upserts infer,
//! and triggers, which mark changes. One that somebody dropped or disabled would
//! make figures wrong in silence, so a process that finds it so does not start.

use sqlx::postgres::PgConnection;

/// The schema as the migrations make it; a test keeps the file true.
const SCHEMA: &str = include_str!("../../../migrations/schema.sql");

/// The unique indexes and triggers that are missing, invalid or disabled, each by kind and name.
pub(crate) async fn missing(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(include_str!("../../../sql/db/missing_objects.sql"))
        .bind(unique_indexes(SCHEMA))
        .bind(triggers(SCHEMA))
        .fetch_all(connection)
        .await
}

/// `schema.index` of every primary key, unique constraint and unique index of a dump.
fn unique_indexes(dump: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut table = "";
    for line in dump.lines() {
        if let Some(rest) = line.strip_prefix("ALTER TABLE ONLY ") {
            table = rest.trim();
        } else if let Some(rest) = line.strip_prefix("    ADD CONSTRAINT ") {
            let mut words = rest.split(' ');
            if let (Some(name), Some("PRIMARY" | "UNIQUE"), Some((schema, _))) =
                (words.next(), words.next(), table.split_once('.'))
            {
                found.push(format!("{schema}.{name}"));
            }
        } else if let Some(rest) = line.strip_prefix("CREATE UNIQUE INDEX ")
            && let Some((name, rest)) = rest.split_once(" ON ")
            && let Some((schema, _)) = rest.split_once('.')
        {
            found.push(format!("{schema}.{name}"));
        }
    }
    found
}

/// `schema.table.trigger` of every trigger of a dump.
fn triggers(dump: &str) -> Vec<String> {
    let lines = dump.lines().filter_map(|line| line.strip_prefix("CREATE TRIGGER "));
    lines
        .filter_map(|line| {
            let (name, rest) = line.split_once(' ')?;
            let (_, rest) = rest.split_once(" ON ")?;
            Some(format!("{}.{name}", rest.split(' ').next()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_as_it_is_written() {
        let indexes = unique_indexes(SCHEMA);
        for name in ["public.calls_pkey", "public.lead_analytics_individual_key", "tally.jobs_coalesced"] {
            assert!(indexes.iter().any(|index| index == name), "{name}");
        }
        let named = SCHEMA.matches("PRIMARY KEY").count() + SCHEMA.matches(" UNIQUE").count();
        assert_eq!(indexes.len(), named, "every primary key, unique constraint and unique index");
        assert_eq!(triggers(SCHEMA).len(), SCHEMA.matches("CREATE TRIGGER").count());
        assert!(triggers(SCHEMA).iter().any(|name| name == "public.users.users_touch"));
    }
}
