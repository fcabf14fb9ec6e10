//! Somebody who is signed in and reads pages over HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;

pub const EMAIL: &str = "operator@example.test";
pub const PASSWORD: &str = "a password of some length";
/// Sessions end after some minutes.
const SESSION: Duration = Duration::from_secs(200);

pub struct Visitor {
    client: reqwest::Client,
    origin: String,
    cookies: String,
    since: Instant,
}

impl Visitor {
    /// Signs in.
    pub async fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
        let mut visitor =
            Visitor { client, origin: format!("http://{address}"), cookies: String::new(), since: Instant::now() };
        visitor.sign_in().await?;
        Ok(visitor)
    }

    async fn sign_in(&mut self) -> anyhow::Result<()> {
        let form: String = url_form(&[("email", EMAIL), ("password", PASSWORD)]);
        let request = self.client.post(format!("{}/sign-in", self.origin)).body(form);
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await?;
        let cookies: Vec<String> = answer
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| Some(value.to_str().ok()?.split(';').next()?.to_owned()))
            .collect();
        anyhow::ensure!(!cookies.is_empty(), "the sign-in answered {}", answer.status());
        (self.cookies, self.since) = (cookies.join("; "), Instant::now());
        Ok(())
    }

    /// Signs in anew before the session ends.
    pub async fn stay(&mut self) -> anyhow::Result<()> {
        if self.since.elapsed() > SESSION { self.sign_in().await } else { Ok(()) }
    }

    /// Reads a page to its end: what is in it, and how long that took.
    pub async fn read(&self, uri: &str) -> anyhow::Result<(String, Duration)> {
        let began = Instant::now();
        let request = self.client.get(format!("{}{uri}", self.origin)).header(COOKIE, &self.cookies);
        let answer = request.send().await.with_context(|| uri.to_owned())?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| uri.to_owned())?;
        let took = began.elapsed();
        if !status.is_success() {
            bail!("{uri} answered {status}: {}", text.chars().take(300).collect::<String>());
        }
        Ok((text, took))
    }

    /// The address of a page so many pages behind this one, if the list goes on.
    pub async fn further(&self, uri: &str, pages: usize) -> anyhow::Result<Option<String>> {
        let mut last = None;
        for _ in 0..pages {
            let here = last.as_deref().unwrap_or(uri);
            let (text, _) = self.read(here).await?;
            let Some(next) = next_page(uri, &text) else { break };
            last = Some(next);
        }
        Ok(last)
    }
}

fn url_form(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| text.replace('@', "%40").replace(' ', "+");
    pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

/// The link to the next page, or the cursor of the API.
fn next_page(uri: &str, text: &str) -> Option<String> {
    if uri.starts_with("/api/") {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let next = value.get("next")?.as_str()?;
        let sign = if uri.contains('?') { '&' } else { '?' };
        return Some(format!("{uri}{sign}cursor={next}"));
    }
    let link = text.split("<a ").find(|link| link.split('>').next().is_some_and(|tag| tag.contains("rel=\"next\"")))?;
    let href = link.split("href=\"").nth(1)?.split('"').next()?;
    Some(href.replace("&amp;", "&"))
}
