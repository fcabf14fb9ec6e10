//! What the project wants to reach, and why it does not where it does not.

use serde_json::Value;

/// A bound on a figure.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Bound::AtLeast(bound) => figure >= bound,
            Bound::AtMost(bound) => figure <= bound,
        }
    }
}

/// One row of the first table.
pub struct Goal {
    pub bench: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    pub bound: Bound,
    /// Finds the figure in the result of the bench.
    pub figure: fn(&Value) -> Option<f64>,
    /// Shown only while the goal is missed: what keeps us from it and what was tried.
    pub missed_because: &'static str,
}

fn at(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer)?.as_f64()
}

/// Of the element of a list whose `key` is `wanted`.
fn of(value: &Value, list: &str, key: &str, wanted: u64, figure: &str) -> Option<f64> {
    let all = value.get(list)?.as_array()?;
    all.iter().find(|one| one.get(key).and_then(Value::as_u64) == Some(wanted))?.get(figure)?.as_f64()
}

/// Every goal, in the order of the data's way.
pub const GOALS: &[Goal] = &[
    Goal {
        bench: "ingest",
        what: "durable webhooks a second at 64 connections, beside one COMMIT a request",
        unit: "×",
        bound: Bound::AtLeast(3.0),
        figure: |r| of(r, "closed_loop", "connections", 64, "ratio"),
        missed_because: "",
    },
    Goal {
        bench: "ingest",
        what: "p99 of the acknowledgement at 1,000 a second",
        unit: "ms",
        bound: Bound::AtMost(50.0),
        figure: |r| (at(r, "/acknowledged/rate")? >= 1000.0).then(|| at(r, "/acknowledged/p99_ms"))?,
        missed_because: "",
    },
    Goal {
        bench: "process",
        what: "events a second from inbox to calls and marks, beside one transaction an event",
        unit: "×",
        bound: Bound::AtLeast(10.0),
        figure: |r| at(r, "/ratios/transaction_per_event"),
        missed_because: "",
    },
    Goal {
        bench: "fresh",
        what: "p99 from acceptance to the hour's figures at 500 a second",
        unit: "s",
        bound: Bound::AtMost(2.0),
        figure: |r| (at(r, "/rate")? >= 500.0).then(|| at(r, "/seconds/hour/p99"))?,
        missed_because: "",
    },
    Goal {
        bench: "roll_up",
        what: "one changed call in the largest table, beside the same in the smallest",
        unit: "×",
        bound: Bound::AtMost(1.5),
        figure: |r| (r.get("sizes")?.as_array()?.len() > 1).then(|| at(r, "/growth"))?,
        missed_because: "",
    },
    Goal {
        bench: "rebuild",
        what: "all figures of 10 million calls from PostgreSQL, beside GROUP BY",
        unit: "×",
        bound: Bound::AtLeast(3.0),
        figure: |r| (at(r, "/calls")? >= 1e7).then(|| at(r, "/ratios/postgres"))?,
        missed_because: "The peer is one of our own, harder than plain GROUP BY: it groups quarters once and makes the larger \
                         buckets from them by the product's statements. Beside a GROUP BY of each tier over the calls, with \
                         percentiles and contacts and nothing written, the ratio was 4.9.",
    },
    Goal {
        bench: "rebuild",
        what: "the same from Parquet",
        unit: "×",
        bound: Bound::AtLeast(8.0),
        figure: |r| (at(r, "/calls")? >= 1e7).then(|| at(r, "/ratios/parquet"))?,
        missed_because: "",
    },
    Goal {
        bench: "rebuild",
        what: "most memory of the rebuild",
        unit: "GiB",
        bound: Bound::AtMost(2.0),
        figure: |r| (at(r, "/calls")? >= 1e7).then(|| Some(at(r, "/peak_memory_bytes")? / 1_073_741_824.0))?,
        missed_because: "",
    },
    Goal {
        bench: "queue",
        what: "no-op jobs a second, enqueued to completed, beside apalis-postgres 1.0 at its best settings",
        unit: "×",
        bound: Bound::AtLeast(3.0),
        figure: |r| at(r, "/ratios/apalis_postgres"),
        missed_because: "Two thirds of our server time of a job are index entries: of the job, its claim and its history.",
    },
    Goal {
        bench: "queue",
        what: "the same beside a raw SQL loop that claims and deletes",
        unit: "×",
        bound: Bound::AtLeast(0.6),
        figure: |r| at(r, "/ratios/raw_sql"),
        missed_because: "A bare loop has no leases, history, retries, lanes or limits to write.",
    },
    Goal {
        bench: "queue",
        what: "WAL of a job",
        unit: "B",
        bound: Bound::AtMost(1024.0),
        figure: |r| at(r, "/wal_bytes_per_job/ours"),
        missed_because: "",
    },
    Goal {
        bench: "queue",
        what: "dead tuples of a job",
        unit: "",
        bound: Bound::AtMost(2.05),
        figure: |r| at(r, "/dead_tuples_per_job/ours"),
        missed_because: "",
    },
    Goal {
        bench: "queue",
        what: "throughput kept under a pinned old snapshot",
        unit: "of 1",
        bound: Bound::AtLeast(0.8),
        figure: |r| at(r, "/pinned/ours/retained"),
        missed_because: "",
    },
    Goal {
        bench: "queue",
        what: "one job of a tenant behind 100,000 of another",
        unit: "s",
        bound: Bound::AtMost(1.0),
        figure: |r| at(r, "/fairness_seconds/ours"),
        missed_because: "",
    },
    Goal {
        bench: "page",
        what: "p95 of the slowest page or route at 10 million calls of 200 tenants",
        unit: "ms",
        bound: Bound::AtMost(300.0),
        figure: |r| (at(r, "/largest/calls")? >= 1e7).then(|| at(r, "/largest/slowest_p95_ms"))?,
        missed_because: "",
    },
    Goal {
        bench: "page",
        what: "most that a page's p95 grows from 100 thousand to 10 million calls",
        unit: "×",
        bound: Bound::AtMost(1.5),
        figure: |r| (at(r, "/largest/calls")? >= 1e7).then(|| at(r, "/most_growth"))?,
        missed_because: "",
    },
    Goal {
        bench: "load",
        what: "ten times the design load with 5 % bad inputs: p99 of the acknowledgement",
        unit: "ms",
        bound: Bound::AtMost(250.0),
        figure: |r| (at(r, "/rate")? >= 1000.0 && at(r, "/minutes")? >= 10.0).then(|| at(r, "/acknowledged/p99_ms"))?,
        missed_because: "",
    },
    Goal {
        bench: "soak",
        what: "exact readings that were wrong while writers and refreshers ran",
        unit: "",
        bound: Bound::AtMost(0.0),
        figure: |r| r.get("mutation")?.is_null().then(|| at(r, "/reads_wrong"))?,
        missed_because: "",
    },
];
