//! Waiting for something to become true, never for ever.

use std::time::Duration;

/// Between two looks; short, since a look is cheap.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns when `condition` answers true; panics after `deadline` with `what`,
/// for example "the roll-up is clean".
pub async fn wait_until<F, Fut>(what: &str, deadline: Duration, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    if tokio::time::timeout(deadline, waiting).await.is_err() {
        panic!("waited {deadline:?} in vain until {what}");
    }
}
