//! Names of kinds and queues on the command line: what is not there gets a
//! suggestion instead of being believed.

use sqlx::PgConnection;
use tallyline_jobs::Deps;
use tallyline_queue::{QueueError, Registry, admin};

/// What was named is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotThere(pub(super) String);

impl NotThere {
    pub(super) fn job(id: i64) -> Self {
        NotThere(format!("there is no job {id}, and none that history still knows"))
    }
}

/// Fails unless `name` is one of the kinds.
pub(super) fn known_kind(registry: &Registry<Deps>, name: &str) -> Result<(), NotThere> {
    let kinds: Vec<&str> = registry.kinds().collect();
    if kinds.contains(&name) { Ok(()) } else { Err(unknown("kind of job", name, &kinds)) }
}

/// Fails unless jobs wait in this queue, or processes take jobs from it.
pub(super) async fn known_queue(db: &mut PgConnection, registry: &Registry<Deps>, name: &str) -> anyhow::Result<()> {
    let lines = admin::queues(db, &registry.queues()).await?;
    let queues: Vec<&str> = lines.iter().map(|line| line.queue.as_str()).collect();
    if queues.contains(&name) { Ok(()) } else { Err(unknown("queue", name, &queues).into()) }
}

/// Fails unless there is such a tenant.
pub(super) async fn known_tenant(db: &mut PgConnection, tenant: uuid::Uuid) -> anyhow::Result<()> {
    let query = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM public.users WHERE id = $1) AS "known!""#, tenant);
    if query.fetch_one(db).await? { Ok(()) } else { Err(NotThere(format!("there is no tenant {tenant}")).into()) }
}

/// The registry; it cannot fail but in a program that does not pass its tests.
pub(super) fn registry() -> Result<Registry<Deps>, QueueError> {
    tallyline_jobs::registry()
}

fn unknown(what: &str, name: &str, known: &[&str]) -> NotThere {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    NotThere(match nearest {
        Some((_, candidate)) => format!("there is no {what} \"{name}\"; did you mean {candidate}?"),
        None => format!("there is no {what} \"{name}\"; there are {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_nothing_far_fetched() {
        let registry = registry().unwrap();
        assert!(known_kind(&registry, "verify_rollups").is_ok());
        let near = known_kind(&registry, "verify_rolups").unwrap_err().to_string();
        assert_eq!(near, "there is no kind of job \"verify_rolups\"; did you mean verify_rollups?");
        let far = known_kind(&registry, "xyz").unwrap_err().to_string();
        assert!(far.contains("there are analyze_trends, "), "{far}");
    }
}
