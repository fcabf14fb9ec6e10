//! A collector of spans: an HTTP server that takes OTLP in JSON.

use serde_json::Value;

use crate::webhook_sink::WebhookSink;

/// The server; it ends when this is dropped.
pub struct Collector(WebhookSink);

/// One span as it came.
#[derive(Debug, Clone)]
pub struct Span(pub Value);

impl Collector {
    /// Listens on a free port of this machine.
    pub async fn start() -> Self {
        Self(WebhookSink::start().await)
    }

    /// Where spans are to be sent.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Everything that came, as it came.
    pub fn text(&self) -> String {
        self.0.attempts().iter().map(|attempt| String::from_utf8_lossy(&attempt.body).into_owned()).collect()
    }

    /// All spans so far; panics when a request was none of the protocol.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for attempt in self.0.attempts() {
            assert_eq!((attempt.method.as_str(), attempt.content_type.as_str()), ("POST", "application/json"));
            let Ok(body) = serde_json::from_slice::<Value>(&attempt.body) else { panic!("spans are JSON") };
            for resource in list(&body, "resourceSpans") {
                for scope in list(resource, "scopeSpans") {
                    spans.extend(list(scope, "spans").iter().cloned().map(Span));
                }
            }
        }
        spans
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    match value[name].as_array() {
        Some(list) => list,
        None => panic!("no {name} in {value}"),
    }
}

impl Span {
    /// Its field of this name, which is a text.
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// Trace and span, as a link names them.
    pub fn ids(&self) -> (&str, &str) {
        (self.text("traceId"), self.text("spanId"))
    }

    /// Whether it is linked to that one.
    pub fn links_to(&self, other: &Span) -> bool {
        list(&self.0, "links").iter().any(|link| {
            link["traceId"].as_str() == Some(other.text("traceId"))
                && link["spanId"].as_str() == Some(other.text("spanId"))
        })
    }

    /// An attribute, as text.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let found = list(&self.0, "attributes").iter().find(|attribute| attribute["key"] == name)?;
        let value = &found["value"];
        value["stringValue"].as_str().or(value["intValue"].as_str()).map(str::to_owned)
    }
}
