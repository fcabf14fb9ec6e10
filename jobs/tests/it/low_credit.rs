//! Notices of low balances: one for each level that a balance comes down to.

use serde_json::json;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::support::*;

/// Level and balance of each notice, in micro-credits, in the order of the ledger.
async fn notices(db: &TestDb, user: Uuid) -> Vec<(i64, i64)> {
    sqlx::query_as(
        "SELECT (payload->>'level_micros')::bigint, (payload->>'balance_micros')::bigint FROM tally.notifications
         WHERE user_id = $1 AND kind = 'credits.low'
         ORDER BY split_part(idempotency_key, ':', 2)::bigint, (payload->>'level_micros')::bigint DESC",
    )
    .bind(user)
    .fetch_all(&db.admin)
    .await
    .unwrap()
}

async fn set_balance(db: &TestDb, user: Uuid, credits: i64) {
    sqlx::query("UPDATE users SET credits_micros = $2 * 1000000, low_credit_level = 0 WHERE id = $1")
        .bind(user)
        .bind(credits)
        .execute(&db.admin)
        .await
        .unwrap();
}

async fn told(db: &TestDb, user: Uuid) -> i16 {
    sqlx::query_scalar("SELECT low_credit_level FROM users WHERE id = $1")
        .bind(user)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

/// Moves the balance through these entries, one transaction and one statement a batch.
async fn enter(db: &TestDb, user: Uuid, batches: &[Vec<i64>]) {
    for batch in batches {
        let mut tx = db.pool.begin().await.unwrap();
        let sum: i64 = batch.iter().sum();
        sqlx::query("UPDATE users SET credits_micros = credits_micros + $2 WHERE id = $1")
            .bind(user)
            .bind(sum)
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO credit_transactions (user_id, type, amount_micros, balance_after_micros, description)
             SELECT $1, CASE WHEN e.amount < 0 THEN 'usage' ELSE 'purchase' END, e.amount,
                    u.credits_micros - $2 + sum(e.amount) OVER (ORDER BY e.place), 'entry'
             FROM users u CROSS JOIN unnest($3::bigint[]) WITH ORDINALITY AS e (amount, place) WHERE u.id = $1 ORDER BY e.place",
        )
        .bind(user)
        .bind(sum)
        .bind(batch)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
}

/// What a reader of the ledger would say, entry by entry.
fn expected(levels: &[i64], mut balance: i64, entries: &[i64]) -> Vec<(i64, i64)> {
    let (mut reached, mut notices) = (0, Vec::new());
    for entry in entries {
        balance += entry;
        let now = levels.iter().filter(|level| balance <= **level).count();
        for level in levels.iter().take(now).skip(reached) {
            notices.push((*level, balance));
        }
        reached = now;
    }
    notices
}

const LEVELS: [i64; 3] = [15_000_000, 5_000_000, 0];

/// A tenant that begins with 15 credits, or is given some while it has none, has not
/// come down to a level. Break tried: entries that add taken like charges.
#[tokio::test]
async fn what_adds_to_a_balance_tells_of_nothing() {
    let db = TestDb::new().await;
    for at_once in [false, true] {
        let user = tenant(&db, "UTC").await;
        set_balance(&db, user, 0).await;
        let entries = [15_000_000, 1_000_000, -2_000_000, -10_000_000, 1_000_000];
        let batches = if at_once { vec![entries.to_vec()] } else { entries.map(|entry| vec![entry]).to_vec() };
        enter(&db, user, &batches).await;
        assert_eq!(notices(&db, user).await, [(15_000_000, 14_000_000), (5_000_000, 4_000_000)], "{at_once}");
        assert_eq!(told(&db, user).await, 2);
    }
}

#[tokio::test]
async fn each_level_is_told_of_once_and_again_after_a_rise() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    set_balance(&db, user, 16).await;
    let step = |credits: i64| vec![vec![credits * 1_000_000]];
    let mut seen = Vec::new();
    for (credits, new, level) in [
        (-1, &[(15, 15)][..], 1),
        (-1, &[], 1),
        (-8, &[], 1),
        (-1, &[(5, 5)], 2),
        (-6, &[(0, -1)], 3),
        (-3, &[], 3),
        (4, &[], 3),
        (1, &[], 2),
        (-1, &[(0, 0)], 3),
        (100, &[], 0),
        (-101, &[(15, -1), (5, -1), (0, -1)], 3),
    ] {
        enter(&db, user, &step(credits)).await;
        seen.extend(new.iter().map(|(level, balance)| (level * 1_000_000, balance * 1_000_000)));
        assert_eq!((notices(&db, user).await, told(&db, user).await), (seen.clone(), level), "after {credits}");
    }
}

/// Any split of the same entries into transactions gives the same notices, rises among
/// them. Break tried: looking only at a transaction's last balance in
/// `tally.settle_low_credit` loses levels that were crossed and left again.
#[tokio::test]
async fn notices_do_not_depend_on_batches() {
    let db = TestDb::new().await;
    let mut chance = 7_u64;
    let mut next = |below: u64| {
        // Knuth's multiplier; the high bits are good enough here.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    for _ in 0..25 {
        let entries: Vec<i64> = (0..20)
            .map(|_| match next(4) {
                0 => 1 + i64::try_from(next(14_000_000)).unwrap(),
                _ => -1 - i64::try_from(next(6_000_000)).unwrap(),
            })
            .collect();
        let wanted = expected(&LEVELS, 20_000_000, &entries);
        for most in [1, 2, 5, 20] {
            let mut batches: Vec<Vec<i64>> = Vec::new();
            let mut rest = entries.as_slice();
            while !rest.is_empty() {
                let size = usize::try_from(1 + next(most)).unwrap().min(rest.len());
                batches.push(rest[..size].to_vec());
                rest = &rest[size..];
            }
            let user = tenant(&db, "UTC").await;
            set_balance(&db, user, 20).await;
            enter(&db, user, &batches).await;
            assert_eq!(notices(&db, user).await, wanted, "{batches:?}");
        }
    }
}

/// The same through the pipeline: calls of ten minutes, in any batches.
#[tokio::test]
async fn charges_of_calls_tell_in_their_own_transaction() {
    for batch_events in [1, 500] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        set_balance(&db, user, 30).await;
        for n in 0..4 {
            let id = format!("00000000-0000-4000-8000-00000000c{n:03}");
            let sid = format!("CA0000000000000000000000000000000{n}");
            let body = bolna(
                &id,
                "completed",
                50,
                json!({ "conversation_duration": 600.0, "telephony_data": { "provider_call_id": sid } }),
            );
            deliver(&db, user, "bolna", &body).await;
        }
        let options = tallyline_jobs::process_call_events::Options { batch_events, ..process_options() };
        while tallyline_jobs::process_call_events::run_unit(&db.pool, &options).await.unwrap() > 0 {}
        assert_eq!(number(&db, "SELECT credits_micros FROM users").await, -10_000_000);
        let found = notices(&db, user).await;
        assert_eq!(found, [(15_000_000, 10_000_000), (5_000_000, 0), (0, 0)], "{batch_events}");
        let of_calls = "SELECT count(*) FROM tally.notifications n JOIN calls c ON c.id::text = n.payload->>'call_id'";
        assert_eq!(number(&db, of_calls).await, 3);
    }
}

/// Break tried: an unusable text taken as no levels.
#[tokio::test]
async fn the_levels_are_a_setting() {
    for (text, entries, wanted) in [
        (Some("10"), vec![-10_000_000, -30_000_000], vec![(10_000_000, 10_000_000)]),
        (Some(" 0 , 12 "), vec![-30_000_000], vec![(12_000_000, -10_000_000), (0, -10_000_000)]),
        (Some("-5"), vec![-24_000_000, -1_000_000], vec![(-5_000_000, -5_000_000)]),
        (Some(""), vec![-30_000_000], vec![]),
        (Some("1,2,3,4"), vec![-5_000_000], vec![(15_000_000, 15_000_000)]),
        (Some("fifteen"), vec![-5_000_000], vec![(15_000_000, 15_000_000)]),
        (None, vec![-5_000_000], vec![(15_000_000, 15_000_000)]),
    ] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        set_balance(&db, user, 20).await;
        if let Some(text) = text {
            sqlx::query("INSERT INTO system_config (config_key, config_value) VALUES ('low_credit_levels', $1)")
                .bind(text)
                .execute(&db.admin)
                .await
                .unwrap();
        }
        enter(&db, user, &[entries]).await;
        assert_eq!(notices(&db, user).await, wanted, "{text:?}");
    }
}
