//! Every page that a link leads to, at both widths and in both themes.

use std::collections::{BTreeMap, VecDeque};

use serde_json::json;
use tallyline::accounts::Role;
use tallyline_testkit::TestDb;

use crate::chromium::Chromium;
use crate::daemon::{Daemon, Site, ended_well, text};
use crate::look::flaws;
use crate::{NARROW, WIDE, account, sign_in};

/// Where a walk begins: the jobs that died, since perhaps none is under way.
const BEGIN: [&str; 4] = ["/", "/operate", "/operate/jobs?state=dead", "/account"];

/// Pages that a walk must have met; `*` stands for one of several names.
const PAGES: [&str; 27] = [
    "/",
    "/account",
    "/operate",
    "/operate/accounts",
    "/operate/accounts/*",
    "/operate/audit",
    "/operate/audit/*",
    "/operate/backfills",
    "/operate/jobs",
    "/operate/jobs/*",
    "/operate/jobs/many",
    "/operate/quality",
    "/operate/quarantine",
    "/operate/quarantine/*",
    "/operate/queues",
    "/operate/schedules",
    "/operate/schedules/*",
    "/operate/tenants",
    "/operate/tenants/*",
    "/tenants/*/agents",
    "/tenants/*/agents/*",
    "/tenants/*/calls",
    "/tenants/*/calls/*",
    "/tenants/*/credits",
    "/tenants/*/customers",
    "/tenants/*/follow-ups",
    "/tenants/*/leads/*",
];

/// A dead letter, a webhook in quarantine, and trends now instead of within a quarter of an hour.
const EXTRAS: &str = "INSERT INTO tally.dead_jobs
         (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
     VALUES (900001, 'verify_rollups', 'default', '{}', 1, 5, 5, 'the statement was cancelled after 60 s', now(), now(), 5);
     INSERT INTO tally.inbox (user_id, id, provider, endpoint, body_sha256, body, headers)
     SELECT user_id, 900001, provider, endpoint, sha256('1'), '{\"id\":\"marker\"}', '{}' FROM tally.inbox LIMIT 1;
     INSERT INTO tally.quarantine (user_id, id, provider, endpoint, inbox_id, reason, detail, received_at)
     SELECT user_id, 900001, provider, endpoint, id, 'data_error', 'SQLSTATE 22P05', received_at FROM tally.inbox WHERE id = 900001;
     SELECT tally.request_job('rebuild_all_dashboards', 'test')";

/// A site with traffic and something of everything, and a browser of somebody who may see all.
pub async fn furnished(calls: &str) -> Option<(Chromium, TestDb, Site, Daemon)> {
    let browser = Chromium::start().await?;
    let db = TestDb::new().await;
    account(&db, "operator@example.com", Role::SuperAdmin).await;
    let site = Site::new(&db);
    let daemon = site.start().await;
    let ledger = site.file("ledger.json");
    ended_well(site.simulate(calls, "3", &ledger)).await;
    let verified = site.verify(&ledger);
    assert!(verified.status.success(), "{}", text(&verified));
    sqlx::raw_sql(EXTRAS).execute(&db.admin).await.unwrap();
    sign_in(&browser, &site, "operator@example.com").await;
    // An entry for the audit log.
    browser.open(&format!("http://{}/operate/queues", site.address)).await;
    let why = "const form = document.querySelector('form[action$=\"kinds/pause\"]');
        form.querySelector('select').value = 'archive_calls';
        form.querySelector('[name=reason]').value = 'the archive is full';";
    browser.script(why, json!([])).await;
    browser.click("form[action$='kinds/pause'] button").await;
    browser.until("the kind is paused", "return document.querySelector('form[action$=\"/resume\"]') !== null").await;
    Some((browser, db, site, daemon))
}

/// The kind of page behind an address: ids and names of things are `*`.
pub fn shape(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap();
    let mut shape: Vec<&str> = Vec::new();
    for part in path.split('/') {
        let named = matches!(shape.last(), Some(&"schedules"));
        shape.push(if named || part.contains(|c: char| c.is_ascii_digit()) { "*" } else { part });
    }
    shape.join("/")
}

/// One address of every kind of page that links lead to, with what `look` said of it.
pub async fn walk(browser: &Chromium, site: &Site) -> BTreeMap<String, (String, Vec<String>)> {
    let mut met = BTreeMap::new();
    let mut ahead: VecDeque<String> = BEGIN.iter().map(|address| (*address).to_owned()).collect();
    while let Some(address) = ahead.pop_front() {
        let kind = shape(&address);
        if met.contains_key(&kind) {
            continue;
        }
        browser.open(&format!("http://{}{address}", site.address)).await;
        let flaws = flaws(browser).await;
        met.insert(kind, (address, flaws));
        let links = "return [...document.querySelectorAll('main a, nav a')].map((a) => a.getAttribute('href'))";
        let links: Vec<String> = serde_json::from_value(browser.script(links, json!([])).await).unwrap();
        // Files and metrics are no pages.
        let is_page = |link: &String| link.starts_with('/') && !link.contains("csv") && link != "/metrics";
        ahead.extend(links.into_iter().filter(is_page));
    }
    met
}

/// No error in the console, nothing refused by the content security policy, one h1, nothing beyond the window's edge, every
/// field labelled, every text at 4.5:1 or more on what it stands on.
///
/// The controls at the end plant a flaw of each kind and see it named.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_reads_well_wide_and_narrow_light_and_dark() {
    let Some((browser, _db, site, _daemon)) = furnished("150").await else { return };
    for (size, dark) in [(WIDE, false), (NARROW, true)] {
        browser.window(size).await;
        browser.theme(dark).await;
        let met = walk(&browser, &site).await;
        for page in PAGES {
            assert!(met.contains_key(page), "no link led to {page}, only to {:?}", met.keys());
        }
        let bad: Vec<_> = met.values().filter(|(_, flaws)| !flaws.is_empty()).collect();
        assert!(bad.is_empty(), "at {size:?}, dark {dark}: {bad:#?}");
    }

    for (planted, named) in [
        ("main.innerHTML += '<h1>Another</h1>'", "2 h1"),
        ("main.innerHTML += '<p style=\"color:red\">x</p>'", "Content Security Policy"),
        ("main.append(Object.assign(document.createElement('input'), { size: 999 }))", "ends at"),
        ("main.append(document.createElement('select'))", "no label"),
        ("main.style.color = 'rgb(128,128,128)'", "contrast"),
        ("fetch('/there/is/none').then(() => done(), done); return", "404"),
    ] {
        browser.open(&format!("http://{}/account", site.address)).await;
        let script = format!(
            "const main = document.querySelector('main'); const done = () => {{ window.asked = true }}; {planted}"
        );
        browser.script(&script, json!([])).await;
        if named == "404" {
            browser.until("it was answered", "return window.asked === true").await;
        }
        let flaws = flaws(&browser).await;
        assert!(flaws.iter().any(|flaw| flaw.contains(named)), "{planted} was not seen as {named}: {flaws:?}");
    }
}
