//! `tallyline healthcheck`: whether a daemon is ready, for images without curl.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;

use super::Outcome;
use crate::config::Config;

/// Longest wait for the answer; whoever runs health checks has shorter patience than people.
const DEADLINE: Duration = Duration::from_secs(5);
/// Of an answer that is not the right one, so much is shown.
const SHOWN_CHARS: usize = 2000;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 0: ready, 1: it answered that it is not, 3: no answer.\n\nExamples:\n  \
                        tallyline healthcheck\n  tallyline healthcheck --url http://127.0.0.1:8080/livez")]
pub(super) struct Args {
    /// What is asked; anything but 2xx is no [default: /readyz on http.listen]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let url = args.url.unwrap_or_else(|| format!("http://{}/readyz", reachable(&config.http.listen)));
    let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build()?;
    let answer = client.get(&url).send().await.with_context(|| format!("no answer from {url}"))?;
    let status = answer.status();
    let body: String = answer.text().await?.trim().chars().take(SHOWN_CHARS).collect();
    println!("{} {body}", status.as_u16());
    Ok(if status.is_success() { Outcome::Fine } else { Outcome::ProblemsFound })
}

/// An address that listens everywhere is asked on this machine.
fn reachable(listen: &str) -> String {
    let Ok(mut address) = listen.parse::<SocketAddr>() else { return listen.to_owned() };
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_here() {
        assert_eq!(reachable("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080"), "[::1]:8080");
        assert_eq!(reachable("10.1.2.3:80"), "10.1.2.3:80");
        assert_eq!(reachable("tallyline:80"), "tallyline:80");
    }
}
