//! Who a request comes from, and the doors that only some may pass.
//!
//! With login, a request shows an API token or a session's cookies; without, only
//! peers on this machine are served, as its operator. A page without a known
//! visitor leads to the sign-in, the API answers 401.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, LOCATION, ORIGIN, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sqlx::PgPool;
use tallyline_jobs::settings::SettingsHandle;

use super::{Opened, Principal, Refreshed, Source, api_tokens, sessions};
use crate::api;
use crate::config::Config;
use crate::operate::Means;
use crate::receiver::{self, Networks};

const REFUSED: &str = "This page has no login and is served to this machine only.\n\
    Open it through http://127.0.0.1 or an SSH tunnel, or set `login = true` under [dashboard]\n\
    in the configuration and sign in.\n";

/// A proxy on this machine speaks for somebody elsewhere.
const PROXY_HEADERS: [HeaderName; 3] =
    [HeaderName::from_static("forwarded"), HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("via")];

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What pages and API need to know who asks.
#[derive(Clone)]
pub struct Gate {
    pub pool: PgPool,
    pub settings: SettingsHandle,
    /// False: this machine only, nobody signs in.
    pub login: bool,
    /// The origin that browsers use is https.
    pub is_https: bool,
    /// Whose word about a visitor's address is taken.
    pub trusted_proxies: Networks,
    /// What operators' changes need beside the database.
    pub means: Means,
}

impl Gate {
    /// As configured.
    pub fn new(pool: PgPool, settings: SettingsHandle, config: &Config) -> Arc<Self> {
        let is_https = config.public_origin().starts_with("https://");
        let trusted_proxies = config.http.trusted_proxies.clone();
        let login = config.dashboard.login;
        Arc::new(Gate { pool, settings, login, is_https, trusted_proxies, means: Means::of(config) })
    }
}

/// How a door turns somebody away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Page,
    Api,
}

/// Lets known visitors pass, with their [`Principal`] beside the request.
pub async fn pages(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    pass(&gate, Kind::Page, request, next).await
}

/// The same for the API.
pub async fn api(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    pass(&gate, Kind::Api, request, next).await
}

async fn pass(gate: &Gate, kind: Kind, mut request: Request, next: Next) -> Response {
    if !gate.login {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        if !is_this_machine(peer, request.headers()) {
            return turned_away(kind, StatusCode::FORBIDDEN, REFUSED);
        }
        if !request.method().is_safe() && is_cross_origin(request.headers()) {
            return turned_away(kind, StatusCode::FORBIDDEN, "a request of another site");
        }
        request.extensions_mut().insert(Principal::this_machine());
        return next.run(request).await;
    }
    match identify(gate, request.headers()).await {
        Ok(Some((principal, by_cookie, fresh))) => {
            // What carries cookies by itself must come from our own pages.
            if by_cookie && !request.method().is_safe() && is_cross_origin(request.headers()) {
                return turned_away(kind, StatusCode::FORBIDDEN, "a request of another site");
            }
            request.extensions_mut().insert(principal);
            let mut response = next.run(request).await;
            if let Some(opened) = fresh {
                set_cookies(response.headers_mut(), &opened, gate.is_https);
            }
            response
        }
        Ok(None) if kind == Kind::Page => to_sign_in(&request),
        Ok(None) => turned_away(kind, StatusCode::UNAUTHORIZED, "sign in, or send an API token"),
        Err(error) => {
            tracing::error!(%error, "the database could not be asked who asks");
            turned_away(kind, StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
    }
}

fn turned_away(kind: Kind, status: StatusCode, why: &'static str) -> Response {
    match kind {
        Kind::Api => api::problem(status, why),
        Kind::Page => (status, why).into_response(),
    }
}

/// Leads to the sign-in, which leads back.
fn to_sign_in(request: &Request) -> Response {
    let back = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let next: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    (StatusCode::SEE_OTHER, [(LOCATION, format!("/sign-in?next={next}"))]).into_response()
}

/// Who it is, whether cookies said so, and new cookies to give.
type Identified = Option<(Principal, bool, Option<Opened>)>;

async fn identify(gate: &Gate, headers: &HeaderMap) -> Result<Identified, sqlx::Error> {
    if let Some(token) = bearer(headers) {
        let found = match api_tokens::find(&gate.pool, token).await? {
            Some(principal) => Some(principal),
            None => sessions::find(&gate.pool, token).await?,
        };
        return Ok(found.map(|principal| (principal, false, None)));
    }
    let names = CookieNames::of(gate.is_https);
    if let Some(token) = cookie(headers, names.session)
        && let Some(principal) = sessions::find(&gate.pool, token).await?
    {
        return Ok(Some((principal, true, None)));
    }
    let Some(token) = cookie(headers, names.refresh) else { return Ok(None) };
    Ok(match sessions::refresh(&gate.pool, token).await? {
        Refreshed::New(opened, principal) => Some((principal, true, Some(opened))),
        Refreshed::Twin(principal) => Some((principal, true, None)),
        Refreshed::No => None,
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Names of the cookies; over https they are bound to this host.
#[derive(Debug, Clone, Copy)]
pub struct CookieNames {
    pub session: &'static str,
    pub refresh: &'static str,
}

impl CookieNames {
    pub fn of(is_https: bool) -> Self {
        match is_https {
            true => CookieNames { session: "__Host-tallyline_session", refresh: "__Host-tallyline_refresh" },
            false => CookieNames { session: "tallyline_session", refresh: "tallyline_refresh" },
        }
    }
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Gives a browser its session.
pub fn set_cookies(headers: &mut HeaderMap, opened: &Opened, is_https: bool) {
    let names = CookieNames::of(is_https);
    append_cookie(headers, names.session, &opened.token, opened.token_seconds, is_https);
    append_cookie(headers, names.refresh, &opened.refresh_token, opened.refresh_seconds, is_https);
}

/// Takes a browser's session away.
pub fn clear_cookies(headers: &mut HeaderMap, is_https: bool) {
    let names = CookieNames::of(is_https);
    append_cookie(headers, names.session, "", 0, is_https);
    append_cookie(headers, names.refresh, "", 0, is_https);
}

fn append_cookie(headers: &mut HeaderMap, name: &str, value: &str, seconds: u64, is_https: bool) {
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(SET_COOKIE, value);
    }
}

/// Whether a browser says that another site made it send this request. Programs
/// that send neither header do not carry a visitor's cookies.
pub fn is_cross_origin(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match text(&FETCH_SITE) {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => match text(&ORIGIN) {
            Some(origin) => {
                let host = origin.split_once("://").map_or("", |(_, host)| host);
                text(&HOST) != Some(host)
            }
            None => false,
        },
    }
}

/// Fails closed: a server that does not tell the peer's address serves nobody.
fn is_this_machine(peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
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

/// The visitor whom a door has let pass.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        // Behind no door there is nobody: a route that forgot its door serves nothing.
        parts.extensions.get::<Principal>().cloned().ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())
    }
}

impl FromRequestParts<Arc<Gate>> for Source {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, StatusCode> {
        // Failures are counted by address: whoever has none may not try.
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().ok_or(StatusCode::BAD_REQUEST)?.0.ip();
        let address =
            receiver::client_address(peer, &parts.headers, &gate.trusted_proxies).ok_or(StatusCode::BAD_REQUEST)?;
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Source { address, user_agent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap())).collect()
    }

    fn asked(peer: &str, pairs: &[(&'static str, &str)]) -> bool {
        is_this_machine(peer.parse().ok(), &headers(pairs))
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

    #[test]
    fn another_sites_forms_are_known_as_such() {
        for (pairs, is_foreign) in [
            (vec![], false),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-site", "cross-site")], true),
            (vec![("host", "a.example"), ("origin", "https://a.example")], false),
            (vec![("host", "a.example"), ("origin", "https://b.example")], true),
            (vec![("host", "a.example"), ("origin", "null")], true),
        ] {
            assert_eq!(is_cross_origin(&headers(&pairs)), is_foreign, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(&[("cookie", "a=1; tallyline_session=tls_x; b=2")]);
        assert_eq!(cookie(&headers, "tallyline_session"), Some("tls_x"));
        assert_eq!(cookie(&headers, "tallyline"), None);
    }
}
