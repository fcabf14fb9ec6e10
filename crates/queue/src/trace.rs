//! Trace context, from whoever enqueued a job to its runs and what they enqueue.
//!
//! W3C `traceparent`: `00-<trace id>-<span id>-<flags>`. The first attempt and
//! its retries are spans of the trace that enqueued the job; a job without one
//! begins a trace.

use std::fmt;

use crate::span::{self, Span};

/// A position in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Id of the trace, not zero.
    pub trace_id: u128,
    /// Id of the span, not zero.
    pub span_id: u64,
    /// Whether its spans are exported.
    pub sampled: bool,
}

impl TraceContext {
    /// The beginning of a trace; sampled as the collector of spans wants, if there is one.
    #[must_use]
    pub fn root() -> Self {
        let trace_id = rand::random::<u128>().max(1);
        Self { trace_id, span_id: rand::random::<u64>().max(1), sampled: span::is_sampled(trace_id) }
    }

    /// A new span below this one.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: rand::random::<u64>().max(1), ..self }
    }

    /// Reads a `traceparent` of any version; `None` when it is not valid.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(4, '-');
        let (version, trace_id, span_id, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let flags = rest.get(..2)?;
        // Later versions may go on behind the flags, version 00 may not.
        let ends = rest.len() == 2 || (version != "00" && rest.as_bytes().get(2) == Some(&b'-'));
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        if !hex(version, 2) || version == "ff" || !hex(trace_id, 32) || !hex(span_id, 16) || !hex(flags, 2) || !ends {
            return None;
        }
        let context = Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok()?,
            span_id: u64::from_str_radix(span_id, 16).ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    /// The span of a run of a job that was enqueued with this `traceparent`.
    pub(crate) fn of_run(parent: Option<&str>) -> Self {
        parent.and_then(Self::parse).map_or_else(Self::root, Self::child)
    }

    /// The context of the run, unit or request that is under way, if there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        Span::current().map(|span| span.context())
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_written_alike() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(context.to_string(), EXAMPLE);
        let child = context.child();
        assert_eq!(child.trace_id, context.trace_id);
        assert_ne!(child.span_id, context.span_id);
        let later = TraceContext::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more").unwrap();
        assert!(!later.sampled);
    }

    #[test]
    fn what_is_not_valid_is_no_context() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-é",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }
}
