//! Spans go to a collector as OTLP over HTTP, in JSON.
//!
//! The form is written here and not taken from OpenTelemetry's crates: those bring
//! a second HTTP client, protobuf and a runtime of their own for one small document.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Client;
use serde_json::{Map, Value, json};
use tallyline_queue::TraceContext;
use tallyline_queue::span::{self, FinishedSpan, SpanKind};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::names::TRACE_SPANS;
use crate::config;

/// Spans that may wait for their export; about 1 KiB each.
const ROOM: usize = 8_192;
/// Spans of one request, and how long the first of them waits for others.
const MAX_BATCH: usize = 512;
const GATHER: Duration = Duration::from_secs(1);
/// A collector that has not answered by then has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is left at the end has this long.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// The export of a process's spans.
pub struct Exporter {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Exporter {
    /// Starts it, if `trace.otlp_url` is set. `instance` names this process.
    ///
    /// # Errors
    /// When the address is none.
    pub fn start(trace: &config::Trace, instance: String) -> anyhow::Result<Option<Self>> {
        if trace.otlp_url.is_empty() {
            return Ok(None);
        }
        let url = reqwest::Url::parse(&trace.otlp_url).context("trace.otlp_url")?;
        if !matches!(url.scheme(), "http" | "https") {
            bail!("trace.otlp_url: expected http or https");
        }
        let client = Client::builder().timeout(TIMEOUT).build().context("the HTTP client cannot be made")?;
        let Some(spans) = span::collect(trace.sample_percent, ROOM) else {
            bail!("spans of this process are exported already");
        };
        let stop = CancellationToken::new();
        let work = Work { client, url, spans, resource: resource(&instance), stop: stop.clone() };
        Ok(Some(Self { task: tokio::spawn(work.run()), stop }))
    }

    /// Exports what has ended so far, within some seconds, and ends.
    pub async fn finish(self) {
        self.stop.cancel();
        // A collector that does not answer holds up nobody.
        let _ = timeout(LAST_EXPORT, self.task).await;
    }
}

struct Work {
    client: Client,
    url: reqwest::Url,
    spans: mpsc::Receiver<FinishedSpan>,
    resource: Value,
    stop: CancellationToken,
}

impl Work {
    async fn run(mut self) {
        while let Some(Some(first)) = self.stop.run_until_cancelled(self.spans.recv()).await {
            let mut batch = vec![first];
            let until = Instant::now() + GATHER;
            while batch.len() < MAX_BATCH && !self.stop.is_cancelled() {
                let more = timeout_at(until, self.spans.recv());
                let Some(Ok(Some(span))) = self.stop.run_until_cancelled(more).await else { break };
                batch.push(span);
            }
            self.export(&batch).await;
        }
        let mut rest = Vec::new();
        while let Ok(span) = self.spans.try_recv() {
            rest.push(span);
        }
        for batch in rest.chunks(MAX_BATCH) {
            self.export(batch).await;
        }
    }

    /// Once: spans are worth a look, not a queue of their own.
    async fn export(&self, batch: &[FinishedSpan]) {
        let sent = self.client.post(self.url.clone()).json(&document(&self.resource, batch)).send().await;
        let outcome = match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => "exported",
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "spans could not be exported (trace.otlp_url)");
                "failed"
            }
        };
        ::metrics::counter!(TRACE_SPANS, "outcome" => outcome).increment(batch.len() as u64);
    }
}

fn resource(instance: &str) -> Value {
    let pairs = [
        ("service.name", "tallyline"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", instance),
    ];
    let attributes = pairs.map(|(key, text)| json!({ "key": key, "value": { "stringValue": text } }));
    json!({ "attributes": attributes })
}

/// An `ExportTraceServiceRequest`: ids in hex, 64-bit numbers as text.
fn document(resource: &Value, spans: &[FinishedSpan]) -> Value {
    let spans: Vec<Value> = spans.iter().map(span_of).collect();
    let scope = json!({ "name": "tallyline", "version": env!("CARGO_PKG_VERSION") });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
}

fn span_of(span: &FinishedSpan) -> Value {
    let attributes: Vec<Value> = span
        .attributes
        .iter()
        .map(|(key, value)| match value {
            span::Value::Text(text) => json!({ "key": key, "value": { "stringValue": text } }),
            span::Value::Number(number) => json!({ "key": key, "value": { "intValue": number.to_string() } }),
        })
        .collect();
    let links: Vec<Value> = span.links.iter().map(|link| Value::Object(ids(*link))).collect();
    let mut written = ids(span.context);
    if let Some(parent) = span.parent {
        written.insert("parentSpanId".to_owned(), format!("{parent:016x}").into());
    }
    written.insert("name".to_owned(), span.name.as_ref().into());
    // SERVER and CONSUMER of the enumeration SpanKind; OK is not ours to say, ERROR is 2.
    let kind = match span.kind {
        SpanKind::Server => 2,
        SpanKind::Consumer => 5,
    };
    written.insert("kind".to_owned(), kind.into());
    written.insert("startTimeUnixNano".to_owned(), span.began.as_nanos().to_string().into());
    written.insert("endTimeUnixNano".to_owned(), (span.began + span.took).as_nanos().to_string().into());
    written.insert("attributes".to_owned(), attributes.into());
    written.insert("links".to_owned(), links.into());
    written.insert("droppedLinksCount".to_owned(), span.links_left_out.into());
    written.insert("status".to_owned(), if span.failed { json!({ "code": 2 }) } else { json!({}) });
    Value::Object(written)
}

fn ids(context: TraceContext) -> Map<String, Value> {
    let pairs = [("traceId", format!("{:032x}", context.trace_id)), ("spanId", format!("{:016x}", context.span_id))];
    pairs.into_iter().map(|(key, id)| (key.to_owned(), id.into())).collect()
}
