//! Style sheet, script and icon: compiled in, named by their content, so that a
//! browser may keep them for ever.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// A compiled-in file.
pub struct Asset {
    pub path: &'static str,
    content_type: &'static str,
    text: &'static str,
    hash: LazyLock<String>,
}

pub static STYLE: Asset = Asset {
    path: "/assets/style.css",
    content_type: "text/css; charset=utf-8",
    text: include_str!("style.css"),
    hash: LazyLock::new(|| short_hash(include_str!("style.css"))),
};

pub static SCRIPT: Asset = Asset {
    path: "/assets/refresh.js",
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("refresh.js"),
    hash: LazyLock::new(|| short_hash(include_str!("refresh.js"))),
};

pub static ICON: Asset = Asset {
    path: "/assets/icon.svg",
    content_type: "image/svg+xml",
    text: include_str!("icon.svg"),
    hash: LazyLock::new(|| short_hash(include_str!("icon.svg"))),
};

fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

impl Asset {
    /// Path and hash of the content.
    pub fn url(&self) -> String {
        format!("{}?{}", self.path, *self.hash)
    }

    /// The file.
    pub fn response(&self) -> Response {
        let headers = [(CONTENT_TYPE, self.content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
        (headers, self.text).into_response()
    }
}
