//! Every named point of the code: the daemon dies there, or fails there.

use std::time::Duration;

use tallyline_failpoints::{Point, VARIABLE};
use tallyline_testkit::webhook_sink::WebhookSink;
use tallyline_testkit::{Proxy, TestDb};
use uuid::Uuid;

use crate::harness::process::{is_abort, until};
use crate::harness::run::PASSED_BY_TRAFFIC;
use crate::harness::{Outcome, Process, Run};

/// How a point is come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By webhooks and what follows from them.
    Traffic,
    /// By webhooks while the database is away.
    Away,
    /// By a spool that an earlier process left.
    Spool,
    /// By a schedule that is due.
    Clock,
    /// By a backfill.
    Backfill,
    /// By something that a tenant is to be told.
    Notification,
}

fn way(point: Point) -> Way {
    match point {
        Point::SpoolAppended | Point::SpoolSynced | Point::SpoolRotated => Way::Away,
        Point::SpoolRead | Point::SpoolCommitted | Point::SpoolRemoved => Way::Spool,
        Point::ScheduleTaken | Point::ScheduleBeforeCommit | Point::ScheduleAfterCommit | Point::PurgeBatch => {
            Way::Clock
        }
        Point::BackfillClaimed | Point::BackfillBeforeCommit => Way::Backfill,
        Point::NotificationClaimed | Point::NotificationSent => Way::Notification,
        _ => Way::Traffic,
    }
}

/// A run whose daemons reach the database by a wire that can be cut, and have a spool.
struct Scene {
    run: Run,
    proxy: Proxy,
    url: String,
    spool: String,
    sink: WebhookSink,
}

impl Scene {
    async fn new(db: &TestDb, seed: u64) -> Self {
        let (url, proxy) = Proxy::before(&db.url).await;
        let run = Run::new(&db.url, &db.admin_url, seed);
        let spool = run.place.file("spool").display().to_string();
        Scene { run, proxy, url, spool, sink: WebhookSink::start().await }
    }

    fn spawn(&self, plan: &str) -> Process {
        self.run.place.spawn(&[
            ("DATABASE_URL", &self.url),
            ("TALLYLINE_RECEIVER__SPOOL_DIR", &self.spool),
            ("TALLYLINE_RECEIVER__SPOOL_SEGMENT_BYTES", "20000"),
            ("TALLYLINE_REFRESH_KPI_SUMMARY__DEBOUNCE_SECONDS", "1"),
            // Live traffic never rests here.
            ("TALLYLINE_BACKFILL__YIELD_LAG_SECONDS", "3600"),
            (VARIABLE, plan),
        ])
    }

    /// Starts a daemon that dies at `point`, brings it there, and waits for its end.
    async fn dies_at(&mut self, point: Point) {
        let way = way(point);
        if way == Way::Spool {
            self.fill_spool().await;
        }
        let mut daemon = self.spawn(&format!("{}:1:abort", point.name()));
        // A slow database is away at times by itself.
        if way == Way::Away && daemon.ready().await {
            self.endpoints_are_known(&mut daemon).await;
            self.proxy.cut();
        }
        let mut status = None;
        until(point.name(), async || {
            self.bring_about(way).await;
            status = daemon.ended();
            status.is_some()
        })
        .await;
        self.proxy.mend();
        assert!(
            is_abort(status.unwrap()),
            "the daemon did not die at {} but by {status:?}\n{}",
            point.name(),
            self.run.place.log()
        );
    }

    /// What makes work of the kind that passes the point, again and again.
    async fn bring_about(&mut self, way: Way) {
        match way {
            Way::Traffic | Way::Away | Way::Spool => self.run.traffic.keep_up(&self.run.place, 20).await,
            Way::Clock => {
                self.execute("UPDATE tally.schedules SET next_fire_at = now() WHERE name = 'purge-nightly'").await
            }
            Way::Backfill => self.start_backfill().await,
            Way::Notification => self.notify().await,
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }

    /// An endpoint that was not looked up cannot be answered while the database is away.
    async fn endpoints_are_known(&mut self, daemon: &mut Process) {
        let before = self.stored().await;
        until("webhooks are stored by this process", async || {
            self.run.traffic.keep_up(&self.run.place, 20).await;
            self.stored().await > before + 40 || daemon.ended().is_some()
        })
        .await;
    }

    /// Leaves files behind that the next process has to drain.
    async fn fill_spool(&mut self) {
        let mut daemon = self.spawn("");
        assert!(daemon.ready().await, "{}", self.run.place.log());
        self.endpoints_are_known(&mut daemon).await;
        self.proxy.cut();
        until("the spool has files", async || {
            self.run.traffic.keep_up(&self.run.place, 20).await;
            let files = std::fs::read_dir(&self.spool).unwrap().filter_map(Result::ok);
            files.into_iter().any(|file| {
                file.path().extension().is_some_and(|it| it == "spool")
                    && file.metadata().is_ok_and(|it| it.len() > 2_000)
            })
        })
        .await;
        daemon.kill();
        self.proxy.mend();
    }

    async fn start_backfill(&self) {
        let running: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM tally.backfills WHERE state = 'running')")
            .fetch_one(&self.run.db)
            .await
            .unwrap();
        if !running {
            self.run.place.run(&["backfill", "start", "--mode", "all", "--method", "scan", "--yes"]).await;
        }
    }

    /// Something for a tenant that has an endpoint to be told at.
    async fn notify(&self) {
        let tenant: Uuid =
            sqlx::query_scalar("SELECT id FROM users ORDER BY id LIMIT 1").fetch_one(&self.run.db).await.unwrap();
        let endpoints: i64 = sqlx::query_scalar("SELECT count(*) FROM tally.notification_endpoints")
            .fetch_one(&self.run.db)
            .await
            .unwrap();
        if endpoints == 0 {
            let (tenant, url) = (tenant.to_string(), self.sink.url.clone());
            let added = self.run.place.run(&["notify", "endpoint", "add", "--tenant", &tenant, "--url", &url]).await;
            assert!(added.status.success(), "{added:?}");
        }
        sqlx::query(
            "INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key)
             SELECT $1, 'credits.low', '{}', gen_random_uuid()::text
             WHERE NOT EXISTS (SELECT FROM tally.notifications WHERE user_id = $1 AND NOT is_handed_out)",
        )
        .bind(tenant)
        .execute(&self.run.db)
        .await
        .unwrap();
    }

    async fn stored(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM tally.inbox").fetch_one(&self.run.db).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.run.db).await.unwrap();
    }
}

/// Dies at every point, so often as to come to `count` deaths.
pub async fn failpoints(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut scene = Scene::new(&db, seed).await;
    // Tenants and something to do are there from the first death on.
    let mut daemon = scene.spawn("");
    assert!(daemon.ready().await);
    scene.run.traffic.keep_up(&scene.run.place, 20).await;
    daemon.kill();
    let points = Point::ALL.iter().cycle().take(usize::try_from(count).unwrap());
    for point in points {
        scene.dies_at(*point).await;
    }
    let daemon = scene.spawn("");
    let Scene { run, .. } = scene;
    run.judge(daemon, count, format!("({} points)", Point::ALL.len())).await
}

/// At points of ordinary traffic every second to fifth pass fails with an error, for a second each.
pub async fn failpoint_errors(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    run.place.start(&[]).await.kill();
    let points = PASSED_BY_TRAFFIC.iter().cycle().take(usize::try_from(count).unwrap());
    for (place, point) in points.enumerate() {
        let plan = format!("{}:{}:error", point.name(), run.dice.between(2..=5));
        let mut daemon = run.place.start(&[(VARIABLE, &plan)]).await;
        run.traffic.keep_up(&run.place, (count - place as u64) * 2).await;
        assert!(
            daemon.ended_within(Duration::from_secs(1)).await.is_none(),
            "an error at {} ended the process",
            point.name()
        );
    }
    let daemon = run.place.start(&[]).await;
    run.judge(daemon, count, String::new()).await
}

/// That each point is passed is shown by a daemon that dies there. Break tried: a
/// point that is listed and stands nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_dies_at_every_point() {
    failpoints(Point::ALL.len() as u64, 2).await.accept("failpoints");
}
