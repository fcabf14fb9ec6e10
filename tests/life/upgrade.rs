//! The rehearsal of an upgrade: processes of an older program and of this one share a
//! database while it is migrated, under load.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use nix::sys::signal::Signal;
use tallyline_db::migrate;
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, ended_well, text};
use crate::process::{LONG, Process};
use crate::rolling::{Balancer, ORIGIN, applied, traffic};

/// The older program: that of a commit before the migrations in question.
fn old_program() -> PathBuf {
    let path = std::env::var_os("TALLYLINE_OLD_PROGRAM");
    path.expect("TALLYLINE_OLD_PROGRAM names the program to upgrade from; see CONTRIBUTING.md").into()
}

/// The site's command, run by another program.
fn by(program: &Path, site: &Site, arguments: &[&str]) -> Command {
    let template = site.command(arguments);
    let mut command = Command::new(program);
    command.args(template.get_args()).envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(template.get_current_dir().unwrap()).env(ORIGIN.0, ORIGIN.1);
    command
}

/// Old processes work, the database is migrated beside them, they are replaced one by
/// one; nothing is lost, nothing is refused. Prints what of the jobs failed meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program of an older commit: TALLYLINE_OLD_PROGRAM"]
async fn two_versions_share_a_database_while_it_is_upgraded_and_nothing_is_lost() {
    let old = old_program();
    let db = TestDb::unmigrated().await;
    let sites = [Site::new(&db), Site::new(&db)];
    let migrated = by(&old, &sites[0], &["migrate"]).output().unwrap();
    assert!(migrated.status.success(), "{}", text(&migrated));
    let mut processes = sites.each_ref().map(|site| Some(Process::spawn(site, by(&old, site, &["run"]))));
    for (site, process) in sites.iter().zip(&processes) {
        process.as_ref().unwrap().ready(site).await;
    }
    let balancer = Balancer::before(sites.each_ref().map(|site| site.address.clone())).await;
    let ledger = sites[0].file("ledger.json");
    let mut sender = by(&old, &sites[0], &[]);
    let traffic = traffic(&mut sender, &balancer.address, &ledger, "3000");
    let more = async |count: i64| {
        let before = applied(&db).await;
        wait_until("more was applied", LONG, async || applied(&db).await >= before + count).await;
    };
    more(200).await;
    let upgraded = migrate::migrate(&db.url).await.unwrap();
    println!("applied beside the old program: {:?}", upgraded.applied);
    // The old program goes on.
    more(200).await;
    for (place, site) in sites.iter().enumerate() {
        let old = processes[place].take().unwrap();
        old.signal(Signal::SIGTERM);
        old.ended().await;
        let new = Process::start(site, &[ORIGIN]);
        new.ready(site).await;
        processes[place] = Some(new);
        more(100).await;
    }
    ended_well(traffic).await;
    assert_eq!(balancer.answers_5xx.load(Ordering::SeqCst), 0);
    let verified = sites[0].verify(&ledger);
    assert!(verified.status.success(), "{}", text(&verified));
    let outcomes: Vec<String> =
        sqlx::query_scalar("SELECT outcome || ': ' || count(*) FROM tally.job_history GROUP BY outcome")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    println!("attempts of jobs: {outcomes:?}");
}
