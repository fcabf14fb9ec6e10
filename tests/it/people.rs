//! What operators do with ledgers, customers and numbers, on the command line and at the same moment as others.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tallyline::tenants::credits::{self, Reason};
use tallyline::tenants::customers::{self, ContactKey, Conversion};
use tallyline_jobs::process_call_events::{Options, run_unit};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::daemon::{Site, text};
use crate::verify::fixture::{named, roll_up_all, run, tenant, verified};

fn options(batch_events: i64) -> Options {
    Options {
        batch_events,
        batch_bytes: 16 << 20,
        batch_tenants: 16,
        twilio_wait_seconds: 0.0,
        max_lane_claims: 3,
        max_event_claims: 3,
        follow_up_default_days: 1,
    }
}

async fn deliver(db: &TestDb, user_id: Uuid, provider: &str, body: &str) {
    sqlx::query(include_str!("verify/insert_event.sql"))
        .bind(user_id)
        .bind(provider)
        .bind(Sha256::digest(body).to_vec())
        .bind(body.as_bytes())
        .execute(&db.pool)
        .await
        .unwrap();
}

async fn process(db: &TestDb) {
    while run_unit(&db.pool, &options(500)).await.unwrap() > 0 {}
}

/// A tenant with two agents that are known as `0` and `1`, and a lane.
async fn working_tenant(db: &TestDb) -> Uuid {
    let user_id = tenant(db, "UTC").await;
    run(db, "INSERT INTO tally.lanes (user_id) VALUES ($1)", user_id).await;
    user_id
}

fn completed(n: usize, seconds: u32) -> String {
    json!({ "id": format!("execution-{n}"), "agent_id": "0", "status": "completed", "created_at": "2026-03-03T10:11:08",
        "updated_at": "2026-03-03T10:15:10", "initiated_at": "2026-03-03T10:11:09", "conversation_duration": seconds,
        "total_cost": 7, "telephony_data": { "to_number": "+12025550143", "call_type": "outbound", "provider_call_id": null } })
    .to_string()
}

async fn number(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// What the trail says, oldest first.
async fn trail(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar("SELECT action FROM admin_audit_log ORDER BY created_at").fetch_all(&db.admin).await.unwrap()
}

/// Breaks tried: the search for the payment left out (the second run ends with an error of the database); the
/// comparison of amounts left out.
#[tokio::test]
async fn a_payment_is_entered_once() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "UTC").await;
    let (site, id) = (Site::new(&db), user_id.to_string());
    let add = ["credits", "add", "--tenant", &id, "--amount", "50", "--payment-id", "pi_1"];
    let adjust =
        ["credits", "adjust", "--tenant", &id, "--amount", "-0.333333", "--reason", "Refused call", "--key", "t-7"];
    let bonus = ["credits", "add", "--tenant", &id, "--amount", "1", "--bonus"];
    for (arguments, expected) in [
        (&add[..], "entered: purchase 50.00, balance after it 65.00"),
        (&add[..], "entered already, nothing changed: purchase 50.00, balance after it 65.00"),
        (&adjust[..], "entered: admin_adjustment -0.33, balance after it 64.67"),
        (&adjust[..], "entered already, nothing changed: admin_adjustment -0.33, balance after it 64.67"),
        (&bonus[..], "entered: bonus 1.00, balance after it 65.67"),
        (&bonus[..], "entered: bonus 1.00, balance after it 66.67"),
    ] {
        let output = site.run(arguments);
        assert_eq!((code(&output), text(&output).trim()), (0, expected), "{arguments:?}");
    }
    let another = site.run(&["credits", "add", "--tenant", &id, "--amount", "51", "--payment-id", "pi_1"]);
    assert_eq!(code(&another), 4, "{}", text(&another));
    for wrong in [
        &["credits", "add", "--tenant", &id, "--amount", "-1", "--bonus"][..],
        &["credits", "add", "--tenant", &id, "--amount", "0.0000001", "--bonus"],
        &["credits", "add", "--tenant", &id, "--amount", "1"],
        &["credits", "adjust", "--tenant", &id, "--amount", "0", "--reason", "none"],
        &["credits", "add", "--tenant", "00000000-0000-0000-0000-000000000009", "--amount", "1", "--bonus"],
    ] {
        assert_eq!(code(&site.run(wrong)), 2, "{wrong:?}");
    }
    let listed: Value =
        serde_json::from_slice(&site.run(&["credits", "list", "--tenant", &id, "--json"]).stdout).unwrap();
    let amounts: Vec<i64> = listed.as_array().unwrap().iter().map(|e| e["amount_micros"].as_i64().unwrap()).collect();
    assert_eq!(amounts, [1_000_000, 1_000_000, -333_333, 50_000_000, 15_000_000]);
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 66_666_667);
    assert_eq!(trail(&db).await, ["credits.add", "credits.adjust", "credits.add", "credits.add"]);
    assert_eq!(named(&verified(&db).await), Vec::<String>::new());
}

/// Fifty calls end while payments come in, each of them twice. Breaks tried: `charge_balances.sql` writes the balance as a
/// number that it has read before; the lock of `credits::enter` left out, which lets the same payment in twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn charges_and_payments_at_once_lose_nothing() {
    let db = TestDb::new().await;
    let user_id = working_tenant(&db).await;
    for n in 0..50 {
        deliver(&db, user_id, "bolna", &completed(n, 61)).await;
    }
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let pool = db.pool.clone();
        tasks.push(tokio::spawn(async move {
            let left = || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tally.inbox_pending").fetch_one(&pool);
            while left().await.unwrap() > 0 {
                run_unit(&pool, &options(1)).await.unwrap();
            }
        }));
    }
    for _ in 0..2 {
        let pool = db.pool.clone();
        tasks.push(tokio::spawn(async move {
            for payment in 0..25 {
                let reason = Reason::Purchase { payment_id: format!("pi_{payment}") };
                let mut conn = pool.acquire().await.unwrap();
                credits::enter(&mut conn, user_id, &reason, 3_000_000, "Purchase").await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    roll_up_all(&db.pool).await;
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 15_000_000 + 75_000_000 - 100_000_000);
    assert_eq!(number(&db, "SELECT count(*) FROM credit_transactions").await, 76);
    assert_eq!(named(&verified(&db).await), Vec::<String>::new());
}

/// Break tried: the search for the customer left out of `convert`: the second ends with an error of the database.
#[tokio::test]
async fn a_contact_is_converted_once() {
    let db = TestDb::new().await;
    let user_id = working_tenant(&db).await;
    deliver(&db, user_id, "bolna", &completed(1, 61)).await;
    process(&db).await;
    let (site, id) = (Site::new(&db), user_id.to_string());
    let convert = [
        "customer",
        "convert",
        "--tenant",
        &id,
        "--phone",
        "+1 (202) 555-0143",
        "--source",
        "Fair",
        "--sales-rep",
        "Ravi",
    ];
    let output = site.run(&convert);
    assert!(code(&output) == 0 && text(&output).contains("-0001"), "{}", text(&output));
    let again = site.run(&convert);
    assert_eq!(code(&again), 4);
    assert!(text(&again).contains("is a customer already: CUST-"), "{}", text(&again));
    let nobody = site.run(&["customer", "convert", "--tenant", &id, "--phone", "+12025550199"]);
    assert_eq!(code(&nobody), 2, "{}", text(&nobody));

    let listed: Value =
        serde_json::from_slice(&site.run(&["customer", "list", "--tenant", &id, "--json"]).stdout).unwrap();
    let customer = &listed[0];
    let figures =
        ["total_calls", "answered_calls", "talk_seconds", "total_minutes", "credits_micros", "cost_micros", "leads"];
    assert_eq!(figures.map(|figure| customer[figure].as_i64().unwrap()), [1, 1, 61, 2, 2_000_000, 70_000, 0]);
    assert_eq!(customer["last_interaction_date"], "2026-03-03T10:11:09Z");
    let reference = customer["reference"].as_str().unwrap();
    for (status, expected) in [("Churned", 0), ("Active", 0), ("Gone", 2)] {
        let output = site.run(&["customer", "set-status", "--tenant", &id, reference, status]);
        assert_eq!(code(&output), expected, "{}", text(&output));
    }
    assert_eq!(number(&db, "SELECT count(*) FROM contacts WHERE is_customer").await, 1);
    assert_eq!(trail(&db).await, ["customer.convert", "customer.set_status", "customer.set_status"]);

    // Later calls move the customer's last interaction and figures.
    deliver(&db, user_id, "bolna", &completed(2, 5).replace("2026-03-03", "2026-03-04")).await;
    process(&db).await;
    let figures = "SELECT total_calls * 100 + extract(day FROM last_interaction_date)::bigint FROM customer_figures";
    assert_eq!(number(&db, figures).await, 204);
    roll_up_all(&db.pool).await;
    assert_eq!(named(&verified(&db).await), Vec::<String>::new());
}

/// Break tried: FOR UPDATE left out of `lock_contact.sql`: the second one waits at the unique key, and fails with the database's words.
#[tokio::test]
async fn of_two_conversions_at_once_one_wins() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "UTC").await;
    let contact: Uuid =
        sqlx::query_scalar("SELECT id FROM contacts ORDER BY name LIMIT 1").fetch_one(&db.admin).await.unwrap();
    let mut tx = db.pool.begin().await.unwrap();
    customers::convert(&mut tx, user_id, &ContactKey::Id(contact), &Conversion::default()).await.unwrap();
    let pool = db.pool.clone();
    let second = tokio::spawn(async move {
        let mut conn = pool.acquire().await.unwrap();
        customers::convert(&mut conn, user_id, &ContactKey::Id(contact), &Conversion::default()).await
    });
    let blocked =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("the second waits", Duration::from_secs(60), || async { number(&db, blocked).await == 1 }).await;
    tx.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    assert_eq!(number(&db, "SELECT count(*) FROM customers").await, 1);
}

fn twilio(sid: usize, agent_number: &str) -> String {
    let number = agent_number.replace('+', "%2B");
    format!(
        "CallSid=CA{sid:032}&CallStatus=no-answer&Direction=inbound&From=%2B12025550143&To={number}&SequenceNumber=3"
    )
}

fn agentless(id: &str, agent_number: &str) -> String {
    json!({ "id": id, "status": "completed", "created_at": "2026-03-03T10:11:08", "updated_at": "2026-03-03T10:15:10",
        "conversation_duration": 30, "telephony_data": { "from_number": "+12025550144", "to_number": agent_number,
        "call_type": "inbound", "provider_call_id": null } })
    .to_string()
}

async fn agent(db: &TestDb, user_id: Uuid, name: &str) -> String {
    sqlx::query_scalar("SELECT id::text FROM agents WHERE user_id = $1 AND name = $2")
        .bind(user_id)
        .bind(name)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

/// Breaks tried: the release left out of `assign`; every held event released, whatever its number; numbers compared as
/// they are written.
#[tokio::test]
async fn events_held_for_a_number_are_applied_when_it_is_assigned() {
    let db = TestDb::new().await;
    let (user_id, other) = (working_tenant(&db).await, working_tenant(&db).await);
    let line = "+12025550100";
    for tenant in [user_id, other] {
        deliver(&db, tenant, "twilio", &twilio(1, line)).await;
        deliver(&db, tenant, "twilio", &twilio(2, "+12025550177")).await;
        deliver(&db, tenant, "bolna", &agentless("execution-1", "+1 (202) 555-0100")).await;
    }
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine WHERE reason IN ('no_call', 'no_agent')").await, 6);

    let site = Site::new(&db);
    let (id, agent_id) = (user_id.to_string(), agent(&db, user_id, "A1").await);
    let other_id = other.to_string();
    for (arguments, expected) in [
        (&["number", "add", "+1 202 555 0100", "--name", "Line", "--bolna-id", "n1"][..], 0),
        (&["number", "add", line, "--name", "Again", "--bolna-id", "n2"], 4),
        (&["number", "add", "2025550100", "--name", "Bare", "--bolna-id", "n3"], 2),
        (&["number", "assign", "+12025550188", "--tenant", &id, "--agent", &agent_id], 2),
        (&["number", "assign", line, "--tenant", &other_id, "--agent", &agent_id], 2),
    ] {
        let output = site.run(arguments);
        assert_eq!(code(&output), expected, "{arguments:?}: {}", text(&output));
    }
    let assigned = site.run(&["number", "assign", "+1-202-555-0100", "--tenant", &id, "--agent", &agent_id]);
    assert_eq!(text(&assigned).trim(), "assigned; 2 events that waited for it are applied now");
    process(&db).await;
    let calls: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT user_id, agent_id::text FROM calls").fetch_all(&db.admin).await.unwrap();
    assert_eq!(calls, [(user_id, agent_id.clone()), (user_id, agent_id.clone())], "the number is the first tenant's");
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 4);
    assert_eq!(
        number(&db, "SELECT count(*) FROM contacts WHERE phone_e164 = '+12025550143' AND not_connected = 1").await,
        1
    );
    roll_up_all(&db.pool).await;
    assert_eq!(named(&verified(&db).await), Vec::<String>::new());

    let theirs = agent(&db, other, "A0").await;
    let taken = ["number", "assign", line, "--tenant", &other_id, "--agent", &theirs];
    assert_eq!(code(&site.run(&taken)), 4, "another tenant's");
    assert_eq!(code(&site.run(&["number", "release", line])), 0);
    assert_eq!(code(&site.run(&taken)), 0);
    let listed: Value =
        serde_json::from_slice(&site.run(&["number", "list", "--tenant", &other_id, "--json"]).stdout).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["phone_e164"]), (1, &json!(line)));
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 4);
    assert_eq!(trail(&db).await, ["number.add", "number.assign", "number.release", "number.assign"]);
}

/// The endpoint's tenant decides, whoever has the number. Break tried: the number's tenant not compared in
/// `agents_by_number.sql`, and the event's returned.
#[tokio::test]
async fn a_number_never_files_calls_under_another_tenant() {
    let db = TestDb::new().await;
    let (user_id, other) = (working_tenant(&db).await, working_tenant(&db).await);
    sqlx::query(
        "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, assigned_to_user_id, assigned_to_agent_id, created_by_admin_id)
         SELECT 'Line', '+12025550100', 'n1', user_id, id, gen_random_uuid() FROM agents WHERE user_id = $1 AND name = 'A0'",
    )
    .bind(user_id)
    .execute(&db.admin)
    .await
    .unwrap();
    deliver(&db, other, "twilio", &twilio(1, "+12025550100")).await;
    deliver(&db, other, "bolna", &agentless("execution-1", "+12025550100")).await;
    // An agent that is given stays, whoever the number is assigned to.
    let given = agentless("execution-2", "+12025550100").replacen('{', "{\"agent_id\": \"1\",", 1);
    deliver(&db, user_id, "bolna", &given).await;
    process(&db).await;
    let calls: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT c.user_id, a.name FROM calls c JOIN agents a ON a.id = c.agent_id")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(calls, [(user_id, "A1".to_owned())]);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine WHERE reason IN ('no_call', 'no_agent')").await, 2);
}
