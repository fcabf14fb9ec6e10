//! Who may see the page while there is no login: peers on this machine, unless
//! the configuration says otherwise.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HOST, HeaderName};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const REFUSED: &str = "This page has no login and is served to this machine only.\n\
    Open it through http://127.0.0.1 or an SSH tunnel, or set `public = true` under [dashboard]\n\
    in the configuration: then anyone who reaches the address may read every tenant.\n";

/// A proxy on this machine speaks for somebody elsewhere.
const PROXY_HEADERS: [HeaderName; 3] =
    [HeaderName::from_static("forwarded"), HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("via")];

/// Lets everyone pass when `public`, else only direct requests of this machine.
pub async fn guard(State(public): State<bool>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    if public || may_read(peer, request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, REFUSED).into_response()
    }
}

/// Fails closed: a server that does not tell the peer's address serves nobody.
fn may_read(peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
    let local_peer = peer.is_some_and(|ip| ip.to_canonical().is_loopback());
    let proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(name));
    // A name that somebody else's DNS points at this machine would let their
    // pages read ours from a browser here.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    local_peer && !proxied && host.is_none_or(is_local_name)
}

fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: &str, headers: &[(&'static str, &str)]) -> bool {
        let pairs = headers.iter().map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap()));
        may_read(peer.parse().ok(), &pairs.collect())
    }

    #[test]
    fn this_machine_may_read_by_its_own_names() {
        assert!(asked("127.0.0.1", &[("host", "127.0.0.1:8080")]));
        assert!(asked("::1", &[("host", "[::1]:8080")]));
        assert!(asked("::ffff:127.0.0.1", &[("host", "localhost")]));
    }

    #[test]
    fn others_proxies_and_foreign_names_may_not() {
        assert!(!asked("192.0.2.7", &[("host", "localhost")]));
        assert!(!asked("", &[("host", "localhost")]), "an unknown peer is nobody");
        assert!(!asked("127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "192.0.2.7")]));
        assert!(!asked("127.0.0.1", &[("host", "rebound.example:8080")]));
        assert!(!asked("127.0.0.1", &[("host", "localhost.example")]));
    }
}
