//! Commits whose answer never comes: whoever sent them cannot know.

use std::time::Duration;

use tallyline_testkit::{MessageProxy, TestDb, wait_until};

use crate::harness::{Outcome, Run};

/// One commit in so many is struck.
const ONE_IN: u64 = 12;

/// So many commits that happened and whose answer was lost; besides, a third as many
/// that were lost on their way.
pub async fn ambiguous_commits(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    let (url, proxy) = MessageProxy::before(&db.url, seed).await;
    let daemon = run.place.start(&[("DATABASE_URL", &url)]).await;
    proxy.strike_commits(ONE_IN);
    let mut looked = false;
    while proxy.lost_answers() < count {
        let left = count - proxy.lost_answers();
        run.traffic.keep_up(&run.place, left / 4 + 2).await;
        let before = proxy.lost_answers();
        wait_until("another commit is struck", Duration::from_secs(60), || {
            std::future::ready(proxy.lost_answers() > before || !run.traffic.is_under_way())
        })
        .await;
        if !looked && proxy.lost_answers() >= count / 2 {
            looked = true;
            run.look().await;
        }
    }
    proxy.mend();
    let (struck, lost) = (proxy.lost_answers(), proxy.lost_requests());
    run.judge(daemon, struck, format!("(besides {lost} that were lost on their way)")).await
}

/// Break tried: claims of jobs and lanes that are counted after the work.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_commits_whose_answer_is_lost() {
    ambiguous_commits(100, 3).await.accept("ambiguous_commits");
}
