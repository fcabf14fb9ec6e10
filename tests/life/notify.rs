//! What a service manager is told, by a socket that stands in for systemd's.

use nix::sys::signal::Signal;
use tallyline_testkit::TestDb;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::daemon::{Site, text};
use crate::process::{LONG, Process};

struct Manager(UnixDatagram);

impl Manager {
    async fn told(&self) -> String {
        let mut message = [0; 4096];
        let length = timeout(LONG, self.0.recv(&mut message)).await.expect("nothing was told").unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// What is told up to and including the first message with `line`.
    async fn until(&self, line: &str) -> Vec<String> {
        let mut all = vec![self.told().await];
        while !all.last().unwrap().lines().any(|it| it == line) {
            all.push(self.told().await);
        }
        all
    }
}

/// Break tried: READY=1 before the server listens. To try: no sign of life; STOPPING=1 left out.
#[tokio::test(flavor = "multi_thread")]
async fn the_manager_hears_of_readiness_life_and_the_end_and_a_health_check_says_the_same() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let socket = site.file("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    assert_eq!(site.run(&["healthcheck"]).status.code(), Some(3), "nobody listens");

    let variables = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
    let daemon = Process::start(&site, &variables);
    let before = manager.until("READY=1").await;
    // Told to be ready, it is: nothing is waited for.
    let live = reqwest::get(format!("http://{}/livez", site.address)).await.unwrap();
    assert_eq!((live.status().as_u16(), live.text().await.unwrap().as_str()), (200, "alive\n"));
    let ready = before.last().unwrap();
    assert!(ready.contains(&format!("STATUS=listening on {}", site.address)), "{ready}");

    let healthy = site.run(&["healthcheck"]);
    assert_eq!(healthy.status.code(), Some(0), "{}", text(&healthy));
    let nothing = site.run(&["healthcheck", "--url", &format!("http://{}/nothing-here", site.address)]);
    assert_eq!(nothing.status.code(), Some(1), "{}", text(&nothing));

    for _ in 0..3 {
        manager.until("WATCHDOG=1").await;
    }
    daemon.signal(Signal::SIGTERM);
    manager.until("STOPPING=1").await;
    assert_eq!(daemon.ended().await.code(), Some(0));
}
