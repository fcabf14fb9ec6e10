//! Changes to calls and leads, and the marks that stand for them.

use sqlx::{Connection, Executor};
use tallyline_db::pool;
use uuid::Uuid;

use super::by_hand::*;
use crate::support::*;

/// A writer finds a mark of an earlier transaction, and commits after a worker
/// has taken that mark.
async fn a_mark_is_there_already(append_only: bool) -> Vec<String> {
    let scene = Scene::new().await;
    if !append_only {
        run(&scene.db, "CREATE UNIQUE INDEX one_mark ON tally.rollup_marks (user_id, tier, bucket_start)").await;
        let function = "tally.mark_calls_inserted";
        break_function(&scene.db, function, "FROM new_rows;", "FROM new_rows ON CONFLICT DO NOTHING;").await;
    }
    scene.call("2026-03-31 18:16").await;
    let mut writer = scene.db.pool.begin().await.unwrap();
    scene.call_in(&mut writer, "2026-03-31 18:17").await;
    roll_up(&scene.db).await;
    writer.commit().await.unwrap();
    settle(&scene.db).await
}

/// Break asserted: marks with a unique key, inserted with DO NOTHING.
#[tokio::test]
async fn race_01_a_mark_is_never_swallowed_by_an_older_one() {
    assert_eq!(a_mark_is_there_already(true).await, Vec::<String>::new());
    assert_ne!(a_mark_is_there_already(false).await, Vec::<String>::new());
}

const OLD_AND_NEW: &str = "(o.user_id, o.started_at), (n.user_id, n.started_at)";
const ONLY_NEW: &str = "(n.user_id, n.started_at)";

/// Calls move to other hours, months, agents and tenants.
async fn calls_move(both_sides: bool, change: &'static str) -> Vec<String> {
    let scene = Scene::rolled_up(&["2026-03-31 18:05", "2026-03-31 18:20", "2026-03-31 18:25"]).await;
    agent(&scene.db, scene.user, "another-agent").await;
    tenant(&scene.db, "UTC").await;
    if !both_sides {
        break_function(&scene.db, "tally.mark_calls_updated", OLD_AND_NEW, ONLY_NEW).await;
    }
    run(&scene.db, change).await;
    settle(&scene.db).await
}

/// Break asserted: only the new side of an update is marked.
#[tokio::test]
async fn race_09_a_call_that_moves_leaves_the_bucket_that_it_was_in() {
    let into_the_next_month = "UPDATE calls SET started_at = started_at + interval '1 day'";
    let into_another_quarter = "UPDATE calls SET started_at = started_at + interval '15 minutes'";
    let to_another_agent = "UPDATE calls SET agent_id = (SELECT id FROM agents WHERE bolna_agent_id = 'another-agent')";
    let to_another_tenant = "UPDATE calls c SET user_id = a.user_id, agent_id = a.id
        FROM agents a JOIN users u ON u.id = a.user_id WHERE u.timezone = 'UTC'";
    for change in [into_the_next_month, into_another_quarter, to_another_agent, to_another_tenant] {
        assert_eq!(calls_move(true, change).await, Vec::<String>::new(), "{change}");
    }
    for change in [into_the_next_month, into_another_quarter, to_another_tenant] {
        assert_ne!(calls_move(false, change).await, Vec::<String>::new(), "{change}");
    }
}

/// Who may bypass the triggers is a superuser alone. What one did unseen stays
/// uncounted (the break, asserted) until it is marked by hand.
#[tokio::test]
async fn race_10_changes_that_no_trigger_sees_can_be_marked_and_only_a_superuser_can_make_them() {
    let scene = Scene::rolled_up(&["2026-03-31 18:05", "2026-03-31 18:20"]).await;
    let mut unseen = scene.db.admin.acquire().await.unwrap().detach();
    sqlx::raw_sql("SET session_replication_role = replica").execute(&mut unseen).await.unwrap();
    scene.call_in(&mut unseen, "2026-03-31 18:21").await;
    scene.call_in(&mut unseen, "2026-04-02 07:00").await;
    let delete = "DELETE FROM calls WHERE started_at < '2026-03-31 18:10Z'";
    sqlx::query(delete).execute(&mut unseen).await.unwrap();
    unseen.close().await.unwrap();
    assert_ne!(settle(&scene.db).await, Vec::<String>::new());

    let marked: i64 = sqlx::query_scalar("SELECT tally.mark_calls($1, '2026-03-01', '2026-05-01')")
        .bind(scene.user)
        .fetch_one(&scene.db.pool)
        .await
        .unwrap();
    assert_eq!(marked, 3, "the two quarters that had calls, and the one that has them now");
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());

    for bypass in [
        "SET session_replication_role = replica",
        "ALTER TABLE calls DISABLE TRIGGER calls_mark_inserted",
        "ALTER TABLE calls DISABLE TRIGGER ALL",
        "DROP TRIGGER calls_mark_updated ON calls",
        "CREATE OR REPLACE FUNCTION tally.mark_calls_inserted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "TRUNCATE calls CASCADE",
    ] {
        assert_eq!(sqlstate(sqlx::raw_sql(bypass).execute(&scene.db.pool).await), "42501", "worker: {bypass}");
        let mut tenant = pool::tenant_tx(&scene.db.pool, scene.user).await.unwrap();
        assert_eq!(sqlstate(sqlx::raw_sql(bypass).execute(&mut *tenant).await), "42501", "api: {bypass}");
    }
    // A partition would be a way past the triggers of its parent.
    let parts = "SELECT count(*) FROM pg_class c LEFT JOIN pg_inherits i ON c.oid IN (i.inhparent, i.inhrelid)
        WHERE c.oid IN ('calls'::regclass, 'lead_analytics'::regclass) AND (c.relkind <> 'r' OR i.inhrelid IS NOT NULL)";
    assert_eq!(number(&scene.db, parts).await, 0);
}

async fn everything_is_truncated(trigger: Option<&'static str>, truncate: &'static str) -> Vec<String> {
    let scene = Scene::rolled_up(&["2026-03-31 18:05", "2026-03-31 18:20"]).await;
    let lead = "INSERT INTO lead_analytics (user_id, call_id, total_score, quality) SELECT user_id, id, 15, 'hot' FROM calls LIMIT 1";
    run(&scene.db, lead).await;
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
    if let Some(drop) = trigger {
        run(&scene.db, drop).await;
    }
    run(&scene.db, truncate).await;
    settle(&scene.db).await
}

/// A transaction whose snapshot is older than the roll-up truncates.
async fn truncated_by_an_older_snapshot(refused: bool) -> Vec<String> {
    let scene = Scene::new().await;
    if !refused {
        break_function(&scene.db, "tally.mark_truncated", "<> 'read committed'", "= 'no such level'").await;
    }
    scene.call("2026-03-31 18:05").await;
    let mut old = scene.db.admin.begin_with(REPEATABLE_READ).await.unwrap();
    old.execute("SELECT count(*) FROM users").await.unwrap();
    roll_up(&scene.db).await;
    let truncated = old.execute("TRUNCATE calls CASCADE").await;
    if refused {
        assert_eq!(sqlstate(truncated), "0A000");
    }
    old.commit().await.unwrap();
    settle(&scene.db).await
}

/// Breaks asserted: no trigger for TRUNCATE, and one that believes a snapshot
/// from before the roll-up.
#[tokio::test]
async fn race_11_truncate_empties_every_bucket_that_held_a_figure() {
    let calls = "TRUNCATE calls CASCADE";
    let leads = "TRUNCATE lead_analytics";
    assert_eq!(everything_is_truncated(None, calls).await, Vec::<String>::new());
    assert_eq!(everything_is_truncated(None, leads).await, Vec::<String>::new());
    let without = "DROP TRIGGER leads_mark_truncated ON lead_analytics; DROP TRIGGER calls_mark_truncated ON calls";
    assert_ne!(everything_is_truncated(Some(without), calls).await, Vec::<String>::new());
    assert_ne!(everything_is_truncated(Some(without), leads).await, Vec::<String>::new());
    assert_eq!(truncated_by_an_older_snapshot(true).await, Vec::<String>::new());
    assert_ne!(truncated_by_an_older_snapshot(false).await, Vec::<String>::new());
}

const LEAD: &str = "INSERT INTO lead_analytics (user_id, call_id, total_score, quality) VALUES ($1, $2, 15, 'hot')";
const MOVE: &str = "UPDATE calls SET started_at = started_at + interval '1 day' WHERE id = $1";

/// A lead is written while its call moves to another bucket: the call first.
async fn a_lead_comes_while_its_call_moves(lock_the_call: bool) -> Vec<String> {
    let scene = Scene::rolled_up(&["2026-03-31 18:05"]).await;
    if !lock_the_call {
        // The marks of contacts take the same lock, after those of buckets.
        for function in ["tally.mark_leads_changed", "tally.mark_contacts_of_leads"] {
            break_function(&scene.db, function, "ORDER BY user_id, id\n    FOR SHARE", "").await;
        }
    }
    let call: Uuid = sqlx::query_scalar("SELECT id FROM calls").fetch_one(&scene.db.pool).await.unwrap();
    let mut mover = scene.db.pool.begin().await.unwrap();
    sqlx::query(MOVE).bind(call).execute(&mut *mover).await.unwrap();
    let (mut leader, user) = (scene.db.pool.begin().await.unwrap(), scene.user);
    let lead = tokio::spawn(async move {
        sqlx::query(LEAD).bind(user).bind(call).execute(&mut *leader).await.unwrap();
        leader
    });
    if lock_the_call {
        wait_for_a_waiter(&scene.db).await;
        mover.commit().await.unwrap();
        lead.await.unwrap().commit().await.unwrap();
    } else {
        let leader = lead.await.unwrap();
        mover.commit().await.unwrap();
        roll_up(&scene.db).await;
        leader.commit().await.unwrap();
    }
    settle(&scene.db).await
}

/// Break asserted: the lead's trigger reads the time of a call that it did not
/// lock; the lead then stays uncounted for ever.
#[tokio::test]
async fn race_19_a_lead_follows_its_call_that_moves_at_the_same_moment() {
    assert_eq!(a_lead_comes_while_its_call_moves(true).await, Vec::<String>::new());
    assert_ne!(a_lead_comes_while_its_call_moves(false).await, Vec::<String>::new());

    // The lead first: then the call waits, and takes the lead along.
    let scene = Scene::rolled_up(&["2026-03-31 18:05"]).await;
    let call: Uuid = sqlx::query_scalar("SELECT id FROM calls").fetch_one(&scene.db.pool).await.unwrap();
    let mut leader = scene.db.pool.begin().await.unwrap();
    sqlx::query(LEAD).bind(scene.user).bind(call).execute(&mut *leader).await.unwrap();
    let pool = scene.db.pool.clone();
    let mover = tokio::spawn(async move { sqlx::query(MOVE).bind(call).execute(&pool).await.unwrap() });
    wait_for_a_waiter(&scene.db).await;
    leader.commit().await.unwrap();
    mover.await.unwrap();
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
}
