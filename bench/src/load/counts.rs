//! What is in the database when all is drained, beside what must be.

use std::collections::BTreeMap;

use tallyline::receiver::MAX_REFUSED_PER_TENANT;
use tallyline_jobs::verify::{VerifyOptions, verify};
use tallyline_testkit::TestDb;

use super::traffic::{Kind, Tally};
use crate::stage;

/// What was found.
pub struct Counts {
    calls: i64,
    inbox: i64,
    counted: i64,
    quarantine: BTreeMap<String, i64>,
    differences: usize,
    skipped: usize,
    buckets: usize,
}

impl Counts {
    pub async fn read(db: &TestDb) -> anyhow::Result<Self> {
        let reasons: Vec<(String, i64)> =
            sqlx::query_as("SELECT reason, count(*) FROM tally.quarantine GROUP BY 1").fetch_all(&db.admin).await?;
        let report = verify(&db.pool, VerifyOptions::default(), |_| {}).await?;
        let counted = "SELECT coalesce(sum(total_calls), 0)::bigint FROM user_analytics WHERE grain = 'month'";
        Ok(Self {
            calls: stage::number(&db.admin, "SELECT count(*) FROM calls").await?,
            inbox: stage::number(&db.admin, "SELECT count(*) FROM tally.inbox").await?,
            counted: stage::number(&db.admin, counted).await?,
            quarantine: reasons.into_iter().collect(),
            differences: report.differences.len() + report.differences_omitted,
            skipped: report.skipped_dirty,
            buckets: report.buckets_checked,
        })
    }

    /// A sentence for everything that is not as it must be.
    pub fn wrong(&self, tally: &Tally, drained: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |is_so: bool, sentence: String| {
            if !is_so {
                wrong.push(sentence);
            }
        };
        must(drained, "not everything was applied and counted in time".to_owned());
        for kind in Kind::ALL {
            let statuses = tally.statuses(kind);
            must(
                tally.unexpected(kind) == 0,
                format!("{}: answers by status {statuses:?}, all should be {}", kind.name(), kind.status()),
            );
            let faults: u64 = statuses.range(500..).map(|(_, count)| count).sum();
            must(faults == 0, format!("{}: {faults} five-hundreds", kind.name()));
        }
        let (good, strangers) = (sent(tally, Kind::Good), sent(tally, Kind::UnknownAgent));
        for (what, is, should) in [
            ("calls", self.calls, good),
            ("calls in the months' figures", self.counted, good),
            ("rows of the inbox", self.inbox, good + strangers),
        ] {
            must(is == should, format!("{is} {what}, there should be {should}"));
        }
        let expected = expected_quarantine(tally);
        must(self.quarantine == expected, format!("quarantine {:?}, should be {expected:?}", self.quarantine));
        must(self.differences == 0, format!("{} differences between calls and figures", self.differences));
        must(self.skipped == 0, format!("{} buckets not verified", self.skipped));
        wrong
    }

    pub fn print(&self) {
        println!(
            "{} calls, {} in the months' figures, {} buckets verified with {} differences, quarantine {:?}",
            self.calls, self.counted, self.buckets, self.differences, self.quarantine
        );
    }
}

fn sent(tally: &Tally, kind: Kind) -> i64 {
    tally.by_tenant(kind).values().sum()
}

/// Of what is refused at the door only the newest of each tenant are kept.
fn expected_quarantine(tally: &Tally) -> BTreeMap<String, i64> {
    let mut refused = tally.by_tenant(Kind::Malformed);
    for (tenant, count) in tally.by_tenant(Kind::TooDeep) {
        *refused.entry(tenant).or_default() += count;
    }
    let kept: i64 = refused.values().map(|count| (*count).min(MAX_REFUSED_PER_TENANT)).sum();
    let strangers = sent(tally, Kind::UnknownAgent);
    [("not_json", kept), ("unknown_agent", strangers)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect()
}
