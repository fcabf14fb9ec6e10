//! Everything of one tenant: given away whole, or gone without a trace, and nobody else's.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::daemon::{Site, text};
use crate::schema::fixture;

/// Rows that hold a text anywhere, also inside of raw bytes, by table: every table
/// and materialized view of the catalogue is read whole, not only those that the
/// program knows of.
const FIND: &str =
    "CREATE FUNCTION pg_temp.find(needle text) RETURNS TABLE (name text, n bigint, digest text) LANGUAGE plpgsql AS $$
    DECLARE hex text := encode(convert_to(needle, 'UTF8'), 'hex');
    BEGIN
        FOR name IN SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
                    WHERE s.nspname IN ('public', 'tally') AND c.relkind IN ('r', 'm') LOOP
            EXECUTE format('SELECT count(*), md5(string_agg(r::text, chr(10) ORDER BY r::text)) FROM %s r
                            WHERE strpos(lower(r::text), lower($1)) > 0 OR strpos(r::text, $2) > 0', name)
            INTO n, digest USING needle, hex;
            -- The view says when it was made.
            IF name = 'user_kpi_summary' THEN digest := ''; END IF;
            IF n > 0 THEN RETURN NEXT; END IF;
        END LOOP;
    END $$";

type Found = BTreeMap<String, (i64, String)>;

async fn find(db: &TestDb, needle: &str) -> Found {
    let mut conn = PgConnection::connect(&db.admin_url).await.unwrap();
    sqlx::raw_sql(FIND).execute(&mut conn).await.unwrap();
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT * FROM pg_temp.find($1)").bind(needle).fetch_all(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    rows.into_iter().map(|(name, n, digest)| (name, (n, digest))).collect()
}

/// Two tenants with a row in every table, a file of a past month each, traces where
/// nothing has a tenant's column.
async fn two_tenants(db: &TestDb, site: &Site) -> [Uuid; 2] {
    let mut ids = Vec::new();
    for name in ["marker-ada", "marker-bob"] {
        let id = fixture::tenant(db, name).await.user_id;
        let file = site.file(&format!("{name}.parquet"));
        std::fs::write(&file, "calls").unwrap();
        for statement in [
            "UPDATE tally.history_files SET path = $2 WHERE user_id = $1 OR path = $3 || '@'",
            "INSERT INTO public.login_attempts (email, attempted_at) SELECT upper($3) || '@EXAMPLE.com', now() WHERE $2 <> '' AND $1 IS NOT NULL",
            "INSERT INTO public.password_reset_attempts (email) SELECT $3 || '@example.com' WHERE $2 <> '' AND $1 IS NOT NULL",
            "INSERT INTO public.admin_audit_log (admin_user_id, action, resource_type, target_user_id, details)
             SELECT gen_random_uuid(), 'tenant.add', 'tenant', $1, jsonb_build_object('name', $3::text) WHERE $2 <> ''",
            "UPDATE tally.inbox SET body = convert_to($3::text, 'UTF8') WHERE user_id = $1 AND $2 <> ''",
        ] {
            sqlx::query(statement).bind(id).bind(file.to_str()).bind(name).execute(&db.admin).await.unwrap();
        }
        ids.push(id);
    }
    sqlx::query("SELECT tally.refresh_kpi_summary()").execute(&db.admin).await.unwrap();
    ids.try_into().unwrap()
}

fn with_input(site: &Site, arguments: &[&str], input: &str) -> Output {
    let mut child =
        site.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Broken by hand: with one table left out of the second loop of `tally.erase_tenant`;
/// without the refresh of the view; with the trail's details left as they were.
#[tokio::test]
async fn of_an_erased_tenant_nothing_is_left_but_that_it_was_erased() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let [ada, bob] = two_tenants(&db, &site).await;
    let before = find(&db, &ada.to_string()).await;
    assert!(before.len() > 40 && before.contains_key("user_kpi_summary"), "{before:?}");
    let bobs = [find(&db, &bob.to_string()).await, find(&db, "marker-bob").await];

    let id = ada.to_string();
    let refused = with_input(&site, &["tenant", "erase", &id], "marker-bob\n");
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused));
    assert_eq!(find(&db, &id).await, before, "nothing was done");
    assert_eq!(site.run(&["tenant", "erase", &Uuid::nil().to_string(), "--yes"]).status.code(), Some(2));

    let erased = with_input(&site, &["tenant", "erase", &id, "--json"], "marker-ada\n");
    assert_eq!(erased.status.code(), Some(0), "{}", text(&erased));
    let report: Value = serde_json::from_slice(&erased.stdout).unwrap();
    let reported = |table: &str| {
        let tables = report["erased"]["tables"].as_array().unwrap();
        tables.iter().find(|it| it["table"] == table).map_or(0, |it| it["rows"].as_i64().unwrap())
    };
    for (table, rows) in
        [("public.calls", 2), ("public.contacts", 2), ("public.users", 1), ("public.login_attempts", 1)]
    {
        assert_eq!(reported(table), rows, "{table}");
    }
    assert!(reported("tally.inbox") >= 1 && reported("tally.quarantine") >= 1, "{report}");
    assert_eq!((&report["erased"]["files"], &report["left"]["files"]), (&json!(1), &json!([])));
    assert!(!site.file("marker-ada.parquet").exists() && site.file("marker-bob.parquet").exists());

    let left: Vec<String> = find(&db, &id).await.into_keys().collect();
    assert_eq!(left, ["admin_audit_log"]);
    assert_eq!(find(&db, "marker-ada").await, Found::new());
    let trail: Vec<(String, String)> = sqlx::query_as(
        "SELECT action, details::text FROM admin_audit_log WHERE target_user_id = $1 ORDER BY created_at, action",
    )
    .bind(ada)
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(trail.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(), ["tenant.add", "tenant.erase"]);
    assert_eq!(trail[0].1, "{}");
    assert_eq!([find(&db, &bob.to_string()).await, find(&db, "marker-bob").await], bobs, "the other tenant");
}

/// A file that is not on this machine is named, and the exit code says so.
#[tokio::test]
async fn what_the_command_cannot_reach_is_told() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let [ada, _] = two_tenants(&db, &site).await;
    sqlx::query("UPDATE tally.history_files SET path = '/no/such/place/a.parquet' WHERE user_id = $1")
        .bind(ada)
        .execute(&db.admin)
        .await
        .unwrap();
    let erased = site.run(&["tenant", "erase", &ada.to_string(), "--yes", "--json"]);
    assert_eq!(erased.status.code(), Some(1), "{}", text(&erased));
    let report: Value = serde_json::from_slice(&erased.stdout).unwrap();
    assert_eq!(report["left"]["files"], json!(["/no/such/place/a.parquet"]));
}

/// Broken by hand: with one column left out of the list of secrets.
#[tokio::test]
async fn an_export_has_every_row_of_the_tenant_and_no_secret() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let [ada, bob] = two_tenants(&db, &site).await;
    let out = site.file("out");
    let arguments = ["tenant", "export", &ada.to_string(), "--out", out.to_str().unwrap(), "--json"];
    let exported = site.run(&arguments);
    assert_eq!(exported.status.code(), Some(0), "{}", text(&exported));
    let (mut rows, mut all) = (BTreeMap::new(), String::new());
    for entry in std::fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let lines = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            all.push_str(&serde_json::to_string(&lines).unwrap());
            rows.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), lines.len() as i64);
        }
    }
    assert!(out.join("marker-ada.parquet").exists());
    // Tables are named by the search path there, and views and the trail are no tables of the tenant.
    let held: BTreeMap<String, i64> = find(&db, &ada.to_string())
        .await
        .into_iter()
        .filter(|(name, _)| !["admin_audit_log", "user_kpi_summary"].contains(&name.as_str()))
        .map(|(name, (n, _))| (if name.contains('.') { name } else { format!("public.{name}") }, n))
        .collect();
    let parts = ["tally.job_history_other", "tally.job_history"];
    let whole = |rows: &BTreeMap<String, i64>| -> Vec<(String, i64)> {
        rows.iter().filter(|(name, _)| !parts.contains(&name.as_str())).map(|(name, n)| (name.clone(), *n)).collect()
    };
    assert_eq!(whole(&rows), whole(&held));
    assert!(!all.contains(&bob.to_string()) && !all.contains("marker-bob"));
    for secret in ["password_hash", "token_hash", "sealed", "secret_sha256"] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert_eq!(site.run(&arguments).status.code(), Some(4), "the directory is not empty");
}
