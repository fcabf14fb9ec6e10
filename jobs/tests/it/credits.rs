//! Charges: one a call, corrected by differences, and a ledger that explains the balance.

use serde_json::json;
use tallyline_jobs::process_call_events::{Options, run_unit};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::contacts::check_people;
use crate::support::*;

const CALL: &str = "00000000-0000-4000-8000-000000000001";

fn execution(n: u64) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// An event of an execution of its own number and CallSid.
fn event(n: u64, status: &str, second: u32, seconds: f64) -> Vec<u8> {
    let more = json!({ "conversation_duration": seconds, "total_cost": seconds / 10.0,
                       "telephony_data": { "provider_call_id": format!("plivo-{n}") } });
    bolna(&execution(n), status, second, more)
}

/// Type, micro-credits and balance after it of each entry, in order.
async fn ledger(db: &TestDb) -> Vec<(String, i64, i64)> {
    sqlx::query_as("SELECT type, amount_micros, balance_after_micros FROM credit_transactions ORDER BY entry_no")
        .fetch_all(&db.admin)
        .await
        .unwrap()
}

fn entry(kind: &str, amount: i64, balance: i64) -> (String, i64, i64) {
    (kind.to_owned(), amount, balance)
}

/// Break tried: `CHECK (balance_after_micros >= 0)`, as the platform had it: the call goes to quarantine, uncharged.
#[tokio::test]
async fn defect_29_a_call_at_balance_zero_is_charged_below_it() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let emptied = "WITH e AS (UPDATE users SET credits_micros = 0 RETURNING id)
                   INSERT INTO credit_transactions (user_id, type, amount_micros, balance_after_micros, description)
                   SELECT id, 'admin_adjustment', -15000000, 0, 'Emptied' FROM e";
    sqlx::query(emptied).execute(&db.admin).await.unwrap();
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
    }
    process(&db).await;
    assert_eq!(
        ledger(&db).await,
        [
            entry("bonus", 15_000_000, 15_000_000),
            entry("admin_adjustment", -15_000_000, 0),
            entry("usage", -1_000_000, -1_000_000)
        ]
    );
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, -1_000_000);
    check_people(&db).await;
}

/// The examples of pulse billing, from the webhook to the ledger. Breaks tried: the pulse left out of
/// `charge_micro_credits` (whole minutes); fractions of a second rounded up.
#[tokio::test]
async fn pulses_are_charged_as_the_examples_say() {
    for (pulse, seconds, credits_micros) in [
        (30, 200.0, 3_500_000),
        (20, 135.0, 2_333_333),
        (60, 133.0, 3_000_000),
        (60, 60.9, 1_000_000),
        (60, 0.0, 0),
        (60, 0.9, 0),
        (1, 27.9, 450_000),
    ] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        sqlx::query("UPDATE users SET billing_pulse_seconds = $1").bind(pulse).execute(&db.admin).await.unwrap();
        // Nothing is charged before the call is over, and a repetition charges nothing.
        for (status, second) in [("call-disconnected", 40), ("completed", 50), ("completed", 55)] {
            deliver(&db, user, "bolna", &event(1, status, second, seconds)).await;
            process(&db).await;
        }
        let mut expected = vec![entry("bonus", 15_000_000, 15_000_000)];
        if credits_micros > 0 {
            expected.push(entry("usage", -credits_micros, 15_000_000 - credits_micros));
        }
        assert_eq!(ledger(&db).await, expected, "{seconds} s by {pulse} s");
        assert_eq!(number(&db, "SELECT credits_micros FROM calls").await, credits_micros);
        check_people(&db).await;
    }
}

/// Applies what is due with four workers, one event a batch.
async fn process_by_four(db: &TestDb) {
    let options = Options { batch_events: 1, ..process_options() };
    let workers = (0..4).map(|_| {
        let (pool, options) = (db.pool.clone(), options.clone());
        tokio::spawn(async move {
            let left = || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tally.inbox_pending").fetch_one(&pool);
            while left().await.unwrap() > 0 {
                run_unit(&pool, &options).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// Break tried: the balance after an entry taken before its amount in `ledger::write`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_calls_that_end_at_once_are_a_chain_of_fifty_charges() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for n in 0..50 {
        deliver(&db, user, "bolna", &event(n, "completed", 50, 59.0 + n as f64)).await;
    }
    process_by_four(&db).await;
    // 59 and 60 seconds are one minute, 61 to 108 two.
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 15_000_000 - 98_000_000);
    assert_eq!(ledger(&db).await.len(), 51);
    let gaps = "SELECT count(*) FROM (SELECT charge_no, balance_after_micros - amount_micros AS before,
                    lag(balance_after_micros) OVER (ORDER BY entry_no) AS last FROM credit_transactions) e
                WHERE before <> coalesce(last, 0) OR charge_no <> 0";
    assert_eq!(number(&db, gaps).await, 0);
    check_people(&db).await;
}

/// A generator of numbers that are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Random histories: each call with ends that say different lengths, in random order, some twice, in random batches, while
/// the tenant's price changes. Break tried: `credits_micros` of `upsert_calls.sql` left out of its DO UPDATE.
#[tokio::test]
async fn defect_30_ledger_calls_and_figures_come_to_the_same() {
    let db = TestDb::new().await;
    let user = tenant(&db, "Asia/Kathmandu").await;
    let mut dice = Dice(30);
    let mut events: Vec<Vec<u8>> = Vec::new();
    for n in 0..150 {
        for second in 0..=dice.below(4) {
            let status = ["initiated", "call-disconnected", "completed", "completed"][dice.below(4) as usize];
            let body = event(n, status, 10 * second as u32, dice.below(40_000) as f64 / 100.0);
            for _ in 0..=dice.below(2) {
                events.insert(dice.below(events.len() as u64 + 1) as usize, body.clone());
            }
        }
    }
    for (at, body) in events.iter().enumerate() {
        deliver(&db, user, "bolna", body).await;
        if dice.below(20) == 0 {
            process(&db).await;
        }
        if at % 100 == 50 {
            sqlx::query("UPDATE users SET billing_pulse_seconds = 1 + billing_pulse_seconds % 60, credits_per_minute_micros = credits_per_minute_micros + 7")
                .execute(&db.admin)
                .await
                .unwrap();
        }
    }
    process(&db).await;
    roll_up(&db).await;
    let [charged, calls, hours, months, corrections] = [
        "SELECT (-sum(amount_micros))::bigint FROM credit_transactions WHERE call_id IS NOT NULL",
        "SELECT sum(credits_micros)::bigint FROM calls",
        "SELECT sum(credits_micros)::bigint FROM user_analytics WHERE grain = 'hour'",
        "SELECT sum(credits_micros)::bigint FROM user_analytics WHERE grain = 'month'",
        "SELECT count(*) FROM credit_transactions WHERE charge_no > 0",
    ];
    let sum = number(&db, calls).await;
    assert!(sum > 100_000_000 && sum % 1_000_000 != 0, "{sum}");
    assert!(number(&db, corrections).await > 10);
    for figure in [charged, hours, months] {
        assert_eq!(number(&db, figure).await, sum, "{figure}");
    }
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 15_000_000 - sum);
    check_people(&db).await;
    check_exact(&db).await;
}

/// Tenants that were there before the ledger began with an opening entry.
/// Break tried: `first_entry_no - 1` replaced by the next number: the entry stands behind those that follow from it.
#[tokio::test]
async fn the_migration_opens_the_ledgers_that_there_are() {
    let db = TestDb::unmigrated().await;
    tallyline_db::migrate::migrate(&db.url).await.unwrap();
    let (with_calls, new, even) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    for body in answered_call(CALL) {
        deliver(&db, with_calls, "bolna", &body).await;
    }
    process(&db).await;
    sqlx::query("UPDATE users SET credits_micros = 0 WHERE id = $1").bind(even).execute(&db.admin).await.unwrap();
    sqlx::query("DELETE FROM credit_transactions WHERE call_id IS NULL").execute(&db.admin).await.unwrap();
    tallyline_db::migrate::down_to(&db.url, 20260401000200).await.unwrap();
    tallyline_db::migrate::migrate(&db.url).await.unwrap();
    let opened: Vec<(Uuid, i64, i64)> = sqlx::query_as(
        "SELECT user_id, amount_micros, balance_after_micros FROM credit_transactions WHERE type = 'bonus' ORDER BY amount_micros",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    let mut expected = vec![(with_calls, 15_000_000, 15_000_000), (new, 15_000_000, 15_000_000)];
    expected.sort_unstable();
    let mut found = opened;
    found.sort_unstable();
    assert_eq!(found, expected);
    check_people(&db).await;
}
