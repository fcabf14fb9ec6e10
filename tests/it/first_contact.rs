//! What a stranger sees who starts the demonstration, and how soon.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// From the start of the program to figures at the address that it prints.
const SOON: Duration = Duration::from_secs(60);

/// A program that is asked to end, and whose database ends with it.
struct Running(Child);

impl Running {
    fn end(&mut self) {
        let pid = i32::try_from(self.0.id()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.end();
        }
    }
}

async fn page(origin: &str, path: &str) -> String {
    let answer = reqwest::get(format!("{origin}{path}")).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.unwrap()
}

/// Break: the wait for the roll-up left out of the demonstration; the page says that there are no calls.
#[tokio::test]
#[ignore = "a demonstration with 2,000 calls: half a minute, more where others work too"]
async fn a_stranger_sees_a_filled_page_within_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let began = Instant::now();
    let demo = Command::new(env!("CARGO_BIN_EXE_tallyline"))
        .arg("demo")
        .current_dir(dir.path())
        .env_remove("DATABASE_URL")
        .env("TALLYLINE_HTTP__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut demo = Running(demo);
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    let printed: Vec<String> = tokio::task::spawn_blocking(move || {
        let mut printed = Vec::new();
        for line in lines.map_while(Result::ok) {
            let is_last = line.starts_with("The page: ");
            printed.push(line);
            if is_last {
                break;
            }
        }
        printed
    })
    .await
    .unwrap();
    let address = printed.last().and_then(|line| line.split_whitespace().nth(2)).map(str::to_owned);
    let origin = address.unwrap_or_else(|| panic!("no address: {printed:#?}")).trim_end_matches('/').to_owned();
    let overview = page(&origin, "/").await;
    let took = began.elapsed();
    println!("first contact: figures at {origin}/ {:.1} s after the start", took.as_secs_f64());
    assert!(overview.contains("Calls per day") && !overview.contains("No calls in these days"), "{overview}");

    let tenant = overview.split_once("href=\"/tenants/").and_then(|(_, rest)| rest.get(..36)).unwrap().to_owned();
    let customers = page(&origin, &format!("/tenants/{tenant}/customers")).await;
    assert!(customers.contains("CUST-"), "{customers}");
    for kind in ["overdue", "due", "coming"] {
        let follow_ups = page(&origin, &format!("/tenants/{tenant}/follow-ups?show={kind}")).await;
        assert!(follow_ups.contains("Asked to be called back"), "{kind}: {follow_ups}");
    }
    let tenants: serde_json::Value = serde_json::from_str(&page(&origin, "/api/v1/tenants").await).unwrap();
    for tenant in tenants["items"].as_array().unwrap() {
        assert!(tenant["credits_micros"].as_i64().unwrap() > 0, "{tenant}");
    }
    demo.end();
    assert!(took < SOON, "{took:?}");
}
