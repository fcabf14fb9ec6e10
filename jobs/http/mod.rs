//! The client with which jobs speak to other services.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

/// A request of a job that has no time-out of its own ends after this.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One client for all jobs of a process: its connections are shared. It follows no
/// redirects, since a signed or authorised request is meant for one address only.
///
/// # Errors
/// When the certificates of the system cannot be read.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("tallyline/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .build()
}
