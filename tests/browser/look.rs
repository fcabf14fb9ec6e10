//! What is wrong with a page as it stands in the window.

use serde_json::json;

use crate::chromium::Chromium;

/// Flaws of the open page and what the console said; empty for a good one.
pub async fn flaws(browser: &Chromium) -> Vec<String> {
    let found = browser.script(include_str!("look.js"), json!([])).await;
    let mut flaws: Vec<String> = serde_json::from_value(found).unwrap();
    flaws.extend(browser.messages().await);
    flaws
}
