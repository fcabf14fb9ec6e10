//! `tallyline jobs`: what waits, runs, has ended, has died; and what to do about it.

mod change;
mod enqueue;
mod list;
mod report;
mod show;

use super::Outcome;
use super::context::Database;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Jobs of a state, newest first: live ones, dead letters, or attempts that ended
    List(list::Args),
    /// Everything about one job
    Show(show::Args),
    /// Add a job; prints its id
    Enqueue(enqueue::Args),
    /// Put dead letters back into their queues; make jobs that wait for another attempt due now
    Retry(change::Retry),
    /// Cancel jobs: those that wait leave at once, those that run are ended by their process
    Cancel(change::Cancel),
    /// Remove dead letters for good
    Discard(change::Discard),
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = match command {
        Command::List(args) => list::run(&pool, args).await,
        Command::Show(args) => show::run(&pool, args).await,
        Command::Enqueue(args) => enqueue::run(&config, &pool, args).await,
        Command::Retry(args) => change::retry(&config, &pool, args).await,
        Command::Cancel(args) => change::cancel(&config, &pool, args).await,
        Command::Discard(args) => change::discard(&pool, args).await,
    };
    pool.close().await;
    database.close().await?;
    outcome
}
