//! Disks that run full: the database's, and the spool's.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tallyline_testkit::{Proxy, TestDb};

use crate::harness::evidence::Evidence;
use crate::harness::process::until;
use crate::harness::{Cluster, Outcome, Run};

/// A small disk of its own, gone with this.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    /// None where this account may not mount, or the system knows no tmpfs.
    fn mount(megabytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Disk { dir });
        }
        println!("skipped: no small disk can be mounted here (that takes root and tmpfs)");
        None
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes all the room that is left.
    fn fill(&self) -> Ballast {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        let block = vec![0; 4_096];
        while file.write_all(&block).is_ok() {}
        Ballast(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).output();
    }
}

struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn unanswered(run: &Run) -> u64 {
    Evidence::of(run.traffic.rounds().iter().map(|round| round.history.as_path())).unanswered
}

fn acknowledged(run: &Run) -> u64 {
    Evidence::of(run.traffic.rounds().iter().map(|round| round.history.as_path())).acknowledged
}

/// The database's disk runs full so many times; none where that cannot be tried.
pub async fn full_disk(count: u64, seed: u64) -> Option<Outcome> {
    let disk = Disk::mount(384)?;
    let cluster = Cluster::start_in(disk.path()).await;
    let mut run = Run::new(&cluster.url, &cluster.admin_url, seed);
    let daemon = run.place.start(&[]).await;
    for round in 0..count {
        run.traffic.keep_up(&run.place, (count - round) * 12).await;
        let before = unanswered(&run);
        let ballast = disk.fill();
        until("webhooks are refused", async || {
            assert!(
                run.traffic.is_under_way() || unanswered(&run) > before,
                "the traffic ended, and nothing was refused"
            );
            unanswered(&run) > before
        })
        .await;
        tokio::time::sleep(run.dice.milliseconds(0..=1_000)).await;
        drop(ballast);
        // PostgreSQL gives up where it cannot write its log, and somebody starts it again.
        cluster.revive().await;
        let before = acknowledged(&run);
        until("webhooks are taken again", async || acknowledged(&run) > before || !run.traffic.is_under_way()).await;
    }
    let outcome = run.judge(daemon, count, String::new()).await;
    drop(cluster);
    Some(outcome)
}

/// The spool's disk runs full so many times while the database is away.
pub async fn full_spool(count: u64, seed: u64) -> Option<Outcome> {
    let disk = Disk::mount(1)?;
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    let (url, wire) = Proxy::before(&db.url).await;
    let spool = disk.path().join("spool");
    let variables = [("DATABASE_URL", url.as_str()), ("TALLYLINE_RECEIVER__SPOOL_DIR", spool.to_str().unwrap())];
    let daemon = run.place.start(&variables).await;
    let mut spooled = 0;
    for round in 0..count {
        run.traffic.keep_up(&run.place, (count - round) * 12).await;
        let before = acknowledged(&run);
        until("endpoints are known", async || acknowledged(&run) > before + 60 || !run.traffic.is_under_way()).await;
        let ballast = disk.fill_but(200_000);
        let before = unanswered(&run);
        wire.cut();
        until("the spool is full", async || unanswered(&run) > before + 10 || !run.traffic.is_under_way()).await;
        spooled += bytes_in(&spool);
        drop(ballast);
        wire.mend();
        until("the spool is drained", async || bytes_in(&spool) == 0).await;
    }
    Some(run.judge(daemon, count, format!("({spooled} bytes spooled)")).await)
}

impl Disk {
    /// Leaves so many bytes.
    fn fill_but(&self, bytes: u64) -> Ballast {
        let ballast = self.fill();
        let file = File::options().write(true).open(&ballast.0).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(bytes)).unwrap();
        ballast
    }
}

fn bytes_in(spool: &Path) -> u64 {
    let files = std::fs::read_dir(spool).into_iter().flatten().flatten();
    let files = files.filter(|file| file.path().extension().is_some_and(|it| it == "spool"));
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_database_loses_nothing() {
    if let Some(outcome) = full_disk(1, 3).await {
        outcome.accept("full_disk");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_promises_nothing_that_it_cannot_keep() {
    if let Some(outcome) = full_spool(1, 3).await {
        outcome.accept("full_spool");
    }
}
