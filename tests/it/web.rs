//! Pages and API as a browser or a program meets them: by requests to their router.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use tallyline::accounts::guard::Gate;
use tallyline::accounts::{self, FirstRun, Role, people};
use tallyline::operate::Means;
use tallyline::receiver::Networks;
use tallyline::{api, dashboard};
use tallyline_jobs::settings::SettingsHandle;
use tallyline_secrets::SealingKey;
use tallyline_testkit::TestDb;
use tower::ServiceExt;
use uuid::Uuid;

pub const LOCAL: &str = "127.0.0.1:50000";
pub const PASSWORD: &str = "a password of some length";

/// Pages and API over one database.
pub fn site(db: &TestDb, login: bool) -> Router {
    let gate = Arc::new(Gate {
        pool: db.pool.clone(),
        settings: SettingsHandle::default(),
        login,
        is_https: false,
        trusted_proxies: Networks::default(),
        means: Means { sealing_key: Some(SealingKey::new([7; 32])), ..Means::default() },
    });
    dashboard::router(&gate, FirstRun::default()).merge(api::router(&gate))
}

/// An account with [`PASSWORD`].
pub async fn account(db: &TestDb, email: &str, role: Role) -> Uuid {
    let hash = accounts::hash_password(PASSWORD.to_owned(), 12).await.unwrap();
    let mut connection = db.pool.acquire().await.unwrap();
    let user_id = people::add(&mut connection, email, "Somebody", role).await.unwrap();
    sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(user_id)
        .bind(hash)
        .execute(&mut *connection)
        .await
        .unwrap();
    user_id
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What is no text has signs of its own for what cannot be read.
    pub text: String,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }
}

/// A browser that keeps cookies, at an address.
pub struct Browser {
    site: Router,
    pub peer: SocketAddr,
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new(site: &Router) -> Self {
        Browser { site: site.clone(), peer: LOCAL.parse().unwrap(), cookies: BTreeMap::new() }
    }

    pub fn at(mut self, address: &str) -> Self {
        self.peer = SocketAddr::new(address.parse().unwrap(), 4000);
        self
    }

    pub async fn send(&mut self, method: Method, uri: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("host", "localhost:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let response = self.site.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for cookie in headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                _ => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        let body = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        let is_file = headers.get("content-type").is_some_and(|kind| kind == "application/vnd.apache.parquet");
        let bytes = body.to_vec();
        let text = if is_file {
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            String::from_utf8(bytes.clone()).unwrap()
        };
        Answer { status, headers, text, bytes }
    }

    pub async fn get(&mut self, uri: &str) -> Answer {
        self.send(Method::GET, uri, &[], String::new()).await
    }

    /// A form of our own page.
    pub async fn post(&mut self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.send(Method::POST, uri, &headers, form(fields)).await
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.post("/sign-in", &[("email", email), ("password", password)]).await
    }
}

pub fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
