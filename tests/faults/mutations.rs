//! The checker notices: each of its checks is shown a database or a history in which
//! just what it looks for was broken.

use std::collections::BTreeSet;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::harness::check::{self, Finding};
use crate::harness::evidence::Evidence;
use crate::harness::{Place, Run};

/// A run that went well: its database, at rest and without a daemon, and its history.
struct Good {
    db: PgPool,
    place: Place,
    evidence: Evidence,
}

impl Good {
    async fn make(database: &TestDb) -> Self {
        let mut run = Run::new(&database.url, &database.admin_url, 5);
        let daemon = run.place.start(&[]).await;
        run.traffic.keep_up(&run.place, 3).await;
        run.traffic.end().await;
        let evidence = Evidence::of(run.traffic.rounds().iter().map(|round| round.history.as_path()));
        run.judge(daemon, 0, String::new()).await.accept("no fault");
        // One connection, on which no trigger says what is done to the tables.
        let quiet = PgPoolOptions::new().max_connections(1).after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query("SET session_replication_role = replica").execute(connection).await.map(drop)
            })
        });
        let db = quiet.connect(&database.admin_url).await.unwrap();
        // What is without a lease by now was given up by a daemon that is gone.
        let given_up = "WITH gone AS (DELETE FROM tally.jobs RETURNING id)
                        DELETE FROM tally.schedule_fires f USING gone g WHERE f.job_id = g.id";
        sqlx::query(given_up).execute(&db).await.unwrap();
        Good { db, place: Place::new(&database.url), evidence }
    }

    /// What is asked of the database.
    async fn asked(&self) -> Vec<Finding> {
        let mut findings = check::always(&self.db).await;
        findings.extend(check::at_rest(&self.db).await);
        findings.extend(check::stored(&self.db, &self.evidence).await);
        findings
    }

    /// And what `tallyline verify` says.
    async fn findings(&self, in_the_middle: bool) -> Vec<Finding> {
        let mut findings = self.asked().await;
        findings.extend(check::verified(&self.place, None, in_the_middle).await);
        findings
    }

    async fn execute(&self, sql: &'static str) {
        let changed = sqlx::query(sql).execute(&self.db).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let is_data = ["UPDATE", "INSERT", "DELETE", "WITH"].iter().any(|verb| sql.starts_with(verb));
        assert!(!is_data || changed.rows_affected() > 0, "{sql} changed nothing");
    }
}

/// What is broken, how it is put right again, and the check that must notice.
struct Mutation {
    check: &'static str,
    breaks: &'static str,
    mends: &'static str,
}

const fn mutation(check: &'static str, breaks: &'static str, mends: &'static str) -> Mutation {
    Mutation { check, breaks, mends }
}

/// Kept by each mutation that deletes, for the one that mends.
const KEEP: &str = "CREATE TABLE public.kept_inbox AS SELECT * FROM tally.inbox ORDER BY id LIMIT 1";

const MUTATIONS: &[Mutation] = &[
    // An inbox row is gone: acknowledged, and not stored.
    mutation(
        check::STORED,
        "DELETE FROM tally.inbox WHERE id = (SELECT id FROM public.kept_inbox)",
        "INSERT INTO tally.inbox SELECT * FROM public.kept_inbox",
    ),
    // One that nobody sent.
    mutation(
        check::SENT,
        "INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256)
         SELECT user_id, provider, endpoint, sha256('invented') FROM public.kept_inbox",
        "DELETE FROM tally.inbox WHERE body_sha256 = sha256('invented')",
    ),
    // An event that nobody is going to apply.
    mutation(
        "I12 an event is in sight",
        "UPDATE tally.call_events SET inbox_id = -inbox_id WHERE inbox_id = (SELECT id FROM public.kept_inbox)",
        "UPDATE tally.call_events SET inbox_id = -inbox_id WHERE inbox_id < 0",
    ),
    mutation(
        "I3 an event is in one call",
        "INSERT INTO tally.call_events SELECT user_id, gen_random_uuid(), provider, body_sha256, inbox_id, received_at, '{\"broken\":1}'
         FROM tally.call_events WHERE inbox_id = (SELECT id FROM public.kept_inbox)",
        "DELETE FROM tally.call_events WHERE facts = '{\"broken\":1}'",
    ),
    mutation(
        "I2 a call has events",
        "UPDATE tally.call_events e SET call_id = '00000000-0000-0000-0000-000000000001'
         WHERE call_id = (SELECT id FROM calls ORDER BY id LIMIT 1)",
        "UPDATE tally.call_events SET call_id = (SELECT id FROM calls ORDER BY id LIMIT 1)
         WHERE call_id = '00000000-0000-0000-0000-000000000001'",
    ),
    mutation(
        "I7 a claim ends once",
        "INSERT INTO tally.job_history SELECT * FROM tally.job_history ORDER BY job_id LIMIT 1",
        "WITH twice AS (SELECT ctid, tableoid, row_number() OVER (PARTITION BY job_id, claim) AS n FROM tally.job_history)
         DELETE FROM tally.job_history h USING twice t WHERE h.ctid = t.ctid AND h.tableoid = t.tableoid AND t.n > 1",
    ),
    mutation(
        "I9 a fire has its job",
        "INSERT INTO tally.schedule_fires (schedule, fire_at, job_id, outcome, fired_at)
         VALUES ('purge-nightly', '2020-01-01', -1, 'enqueued', now())",
        "DELETE FROM tally.schedule_fires WHERE job_id = -1",
    ),
    mutation(
        "I9 no minute is left out",
        "INSERT INTO tally.schedule_fires (schedule, fire_at, outcome, fired_at)
         SELECT 'audit-every-minute', date_trunc('minute', now()) + n * interval '1 minute', 'skipped_missed', now()
         FROM unnest(ARRAY[60, 62]) AS n",
        "DELETE FROM tally.schedule_fires WHERE fire_at > now() + interval '30 minutes'",
    ),
    mutation(
        "I13 a call is charged once",
        "UPDATE credit_transactions SET amount_micros = amount_micros - 1
         WHERE call_id = (SELECT call_id FROM credit_transactions WHERE call_id IS NOT NULL ORDER BY call_id LIMIT 1)",
        "UPDATE credit_transactions SET amount_micros = amount_micros + 1
         WHERE call_id = (SELECT call_id FROM credit_transactions WHERE call_id IS NOT NULL ORDER BY call_id LIMIT 1)",
    ),
    mutation(
        "I13 a balance is its ledger",
        "UPDATE users SET credits_micros = credits_micros + 1",
        "UPDATE users SET credits_micros = credits_micros - 1",
    ),
    // A figure that nobody marked.
    mutation(
        check::FIGURES,
        "UPDATE user_analytics SET talk_seconds = talk_seconds + 1 WHERE grain = 'month'",
        "UPDATE user_analytics SET talk_seconds = talk_seconds - 1 WHERE grain = 'month'",
    ),
    mutation(
        "I6 outcomes are a partition",
        "UPDATE user_analytics SET busy_calls = busy_calls + 1 WHERE grain = 'day'",
        "UPDATE user_analytics SET busy_calls = busy_calls - 1 WHERE grain = 'day'",
    ),
    mutation(
        "I6 agents are the tenant",
        "UPDATE agent_analytics SET talk_seconds = talk_seconds + 1 WHERE grain = 'hour'",
        "UPDATE agent_analytics SET talk_seconds = talk_seconds - 1 WHERE grain = 'hour'",
    ),
    mutation(
        "I6 hours are the day",
        "UPDATE user_analytics SET credits_micros = credits_micros + 1 WHERE grain = 'hour'",
        "UPDATE user_analytics SET credits_micros = credits_micros - 1 WHERE grain = 'hour'",
    ),
    mutation(
        "I8 nothing waits for ever",
        "INSERT INTO tally.rollup_marks (user_id, tier, bucket_start) SELECT id, 0, '2026-01-01' FROM users",
        "DELETE FROM tally.rollup_marks",
    ),
    mutation(
        "I8 permits are free",
        "INSERT INTO tally.job_permits SELECT 'default', id, 1, 1, 1, gen_random_uuid() FROM users",
        "DELETE FROM tally.job_permits",
    ),
    mutation(
        "I12 caches are fresh",
        "UPDATE dashboard_cache SET generation = generation - 1",
        "UPDATE dashboard_cache SET generation = generation + 1",
    ),
];

/// Besides the tables, the checks that a constraint keeps from ever failing are shown
/// to notice without it.
#[tokio::test(flavor = "multi_thread")]
async fn each_check_notices_what_it_is_for() {
    let database = TestDb::new().await;
    let good = Good::make(&database).await;
    assert_eq!(good.findings(false).await, [], "nothing was broken yet");
    good.execute(KEEP).await;
    // The table holds this by itself.
    good.execute("ALTER TABLE user_analytics DROP CONSTRAINT user_analytics_outcomes_check").await;
    let mut noticed = BTreeSet::new();
    for Mutation { check, breaks, mends } in MUTATIONS {
        good.execute(breaks).await;
        let findings = if *check == check::FIGURES { good.findings(false).await } else { good.asked().await };
        assert!(
            findings.iter().any(|finding| finding.check == *check),
            "{check} did not notice {breaks}: {findings:?}"
        );
        good.execute(mends).await;
        noticed.insert(*check);
    }
    assert_eq!(good.findings(false).await, [], "everything was mended");
    noticed.insert(an_execution_twice(&good).await);
    assert_eq!(noticed, check::names(), "each check has its mutation");
}

/// A call doubled, which the table's constraint would not let in.
async fn an_execution_twice(good: &Good) -> &'static str {
    let check = "I3 an execution is one call";
    good.execute("ALTER TABLE calls DROP CONSTRAINT calls_user_id_bolna_execution_id_key").await;
    good.execute("CREATE TEMP TABLE doubled AS SELECT * FROM calls WHERE bolna_execution_id IS NOT NULL LIMIT 1").await;
    good.execute("UPDATE doubled SET id = gen_random_uuid()").await;
    let columns: String = sqlx::query_scalar(
        "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = 'calls' AND is_generated = 'NEVER'",
    )
    .fetch_one(&good.db)
    .await
    .unwrap();
    #[expect(clippy::disallowed_methods, reason = "the names are those of the catalogue")]
    let insert = sqlx::AssertSqlSafe(format!("INSERT INTO calls ({columns}) SELECT {columns} FROM doubled"));
    sqlx::query(insert).execute(&good.db).await.unwrap();
    let findings = good.findings(false).await;
    let found: BTreeSet<&str> = findings.iter().map(|finding| finding.check).collect();
    assert!(found.contains(check) && found.contains(check::FIGURES), "{findings:?}");
    check
}

/// A history that says more than was answered; figures that are behind and unmarked
/// in the middle of a run; marked ones are honest.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_history_and_a_silent_lag_are_noticed() {
    let database = TestDb::new().await;
    let mut good = Good::make(&database).await;
    let tenant: Uuid = good.evidence.events.keys().next().unwrap().0;
    let acknowledged = (tenant, "bolna".to_owned(), "00".repeat(32));
    good.evidence.events.insert(acknowledged.clone(), true);
    assert!(good.findings(true).await.iter().any(|finding| finding.check == check::STORED));
    // Sent and never answered: it may be there or not.
    good.evidence.events.insert(acknowledged, false);
    assert_eq!(good.findings(true).await, []);
    good.execute("UPDATE user_analytics SET talk_seconds = talk_seconds + 1 WHERE grain = 'day'").await;
    assert!(good.findings(true).await.iter().any(|finding| finding.check == check::HONEST));
    good.execute(
        "INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
         SELECT user_id, 2, bucket_start FROM user_analytics WHERE grain = 'day'",
    )
    .await;
    let findings = good.findings(true).await;
    assert!(!findings.iter().any(|finding| finding.check == check::HONEST), "{findings:?}");
}
