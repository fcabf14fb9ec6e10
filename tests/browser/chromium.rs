//! Chromium by WebDriver, over plain HTTP on this machine: the few commands that are
//! needed here, and Chromium's own protocol where WebDriver has none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tallyline_testkit::wait_until;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::PATIENCE;

pub const TAB: &str = "\u{E004}";
pub const ENTER: &str = "\u{E007}";

/// Chromium's sandbox needs a user that is not root and a large `/dev/shm`.
const ARGUMENTS: [&str; 4] = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"];

/// One window of a browser of its own, with a profile of its own; ends with the test.
pub struct Chromium {
    http: Client,
    /// `127.0.0.1:<port>` of chromedriver.
    address: String,
    /// `/session/<id>`.
    session: String,
    // Killed when dropped; what it prints must have a reader as long as it lives.
    _driver: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

/// Without a browser nothing is tested, which is fine anywhere but in CI.
fn absent(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}; ./dev setup installs chromium and chromium-driver");
    eprintln!("SKIPPED: {why}; ./dev setup installs chromium and chromium-driver");
}

impl Chromium {
    /// None where there is no browser, unless this is CI.
    pub async fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let Ok(mut driver) = command.spawn() else {
            absent("there is no chromedriver");
            return None;
        };
        let mut output = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line =
                tokio::time::timeout(PATIENCE, output.next_line()).await.unwrap().unwrap().expect("chromedriver ended");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut browser = Chromium {
            http,
            address: format!("127.0.0.1:{port}"),
            session: String::new(),
            _driver: driver,
            _output: output,
        };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": ARGUMENTS }, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        match browser.send(Method::POST, "/session", wanted).await {
            Ok(opened) => browser.session = format!("/session/{}", opened["sessionId"].as_str().unwrap()),
            Err(error) if error.contains("cannot find Chrome binary") => {
                absent("there is a chromedriver and no chromium");
                return None;
            }
            Err(error) => panic!("{error}"),
        }
        Some(browser)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("http://{}{}{path}", self.address, self.session);
        let mut answer: Value = self.http.request(method, url).json(&body).send().await.unwrap().json().await.unwrap();
        let value = answer["value"].take();
        match value.get("error") {
            Some(error) => Err(format!("{path}: {error}: {}", value["message"])),
            None => Ok(value),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, body).await.unwrap()
    }

    /// Chromium's own protocol.
    async fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Returns when the page is loaded.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// The body of a function, and what it returned.
    pub async fn script(&self, body: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({ "script": body, "args": arguments })).await
    }

    /// Waits until a script returns true; one that a new page interrupts has not.
    pub async fn until(&self, what: &str, body: &str) {
        let script = json!({ "script": body, "args": [] });
        wait_until(what, PATIENCE, || async {
            self.send(Method::POST, "/execute/sync", script.clone()).await.is_ok_and(|value| value == true)
        })
        .await;
    }

    /// Clicks as a mouse does: what is covered or outside the window is an error.
    pub async fn click(&self, selector: &str) {
        let found = self.post("/element", json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.post(&format!("/element/{id}/click"), json!({})).await;
    }

    /// Keys pressed one after another, wherever the focus is.
    pub async fn keys(&self, text: &str) {
        let press = |key: char| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let actions: Vec<Value> = text.chars().flat_map(press).collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })).await;
    }

    /// CSS pixels, at one device pixel each.
    pub async fn window(&self, (width, height): (u32, u32)) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub async fn theme(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.chromium("Emulation.setEmulatedMedia", features).await;
    }

    /// The page as a PNG, its first `height` pixels or all of it if that is less.
    pub async fn picture(&self, width: u32, height: u32) -> Vec<u8> {
        let whole = self.script("return document.documentElement.scrollHeight", json!([])).await.as_u64().unwrap();
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": whole.min(u64::from(height)), "scale": 1 });
        let asked = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.chromium("Page.captureScreenshot", asked).await;
        BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// What the console said since it was asked last: errors of scripts, requests that
    /// failed, what the content security policy refused.
    pub async fn messages(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "browser" })).await;
        let line =
            |entry: &Value| format!("{} {}", entry["level"].as_str().unwrap(), entry["message"].as_str().unwrap());
        entries.as_array().unwrap().iter().map(line).collect()
    }
}

impl Drop for Chromium {
    /// Ends the browser; its driver alone would leave it behind.
    fn drop(&mut self) {
        if self.session.is_empty() {
            return;
        }
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let request = format!("DELETE {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", self.session);
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
}
