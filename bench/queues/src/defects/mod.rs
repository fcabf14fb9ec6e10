//! Defects of apalis-postgres 1.0.0, each shown in a few seconds on
//! apalis-postgres itself, and what Tallyline's queue does in the same place.

mod apalis_scene;
mod clock;
mod enqueueing;
mod ours_scene;
mod retries;
mod workers;

pub use workers::victim;

use std::time::Duration;

use futures::future::LocalBoxFuture;
use tallyline_testkit::TestDb;

/// What was seen of one defect.
struct Finding {
    is_defect: bool,
    text: String,
}

type Look<'a> = LocalBoxFuture<'a, anyhow::Result<Finding>>;

struct Defect {
    name: &'static str,
    apalis: for<'a> fn(&'a TestDb) -> Look<'a>,
    ours: for<'a> fn(&'a TestDb) -> Look<'a>,
}

const DEFECTS: &[Defect] = &[
    Defect { name: "A1 a failed job is tried again at once", apalis: retries::a1_apalis, ours: retries::a1_ours },
    Defect { name: "A2 the asked delay is ignored", apalis: retries::a2_apalis, ours: retries::a2_ours },
    Defect {
        name: "A3 slow jobs starve the heartbeat, so jobs run twice",
        apalis: workers::a3_apalis,
        ours: workers::a3_ours,
    },
    Defect {
        name: "A4 killed and restarted under its name, it strands its jobs",
        apalis: workers::a4_apalis,
        ours: workers::a4_ours,
    },
    Defect { name: "A8 a job that comes due wakes nobody", apalis: clock::a8_apalis, ours: clock::a8_ours },
    Defect {
        name: "A9 one duplicate key aborts the whole batch",
        apalis: enqueueing::a9_apalis,
        ours: enqueueing::a9_ours,
    },
    Defect {
        name: "A12 a worker cannot register again, its lock lies on another connection",
        apalis: workers::a12_apalis,
        ours: workers::a12_ours,
    },
    Defect {
        name: "A15 a payload that does not decode ends the worker",
        apalis: enqueueing::a15_apalis,
        ours: enqueueing::a15_ours,
    },
];

/// Looks for each of them on both sides; false when ours has one.
pub async fn run() -> anyhow::Result<bool> {
    let mut is_clean = true;
    for defect in DEFECTS {
        println!("{}", defect.name);
        let db = TestDb::unmigrated().await;
        print("apalis-postgres", (defect.apalis)(&db).await);
        let db = TestDb::try_new().await?;
        is_clean &= print("ours", (defect.ours)(&db).await);
    }
    Ok(is_clean)
}

/// Returns whether it was free of the defect.
fn print(who: &str, result: anyhow::Result<Finding>) -> bool {
    match result {
        Ok(Finding { is_defect: true, text }) => println!("  {who:<16} SEEN      {text}"),
        Ok(Finding { is_defect: false, text }) => {
            println!("  {who:<16} not seen  {text}");
            return true;
        }
        Err(error) => println!("  {who:<16} UNKNOWN   {error:#}"),
    }
    false
}

/// Waits until `is_so`, at most for `limit`; returns whether it came to be.
async fn within(limit: Duration, mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let deadline = tokio::time::Instant::now() + limit;
    while tokio::time::Instant::now() < deadline {
        if is_so().await? {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_so().await
}
