//! `tallyline status`.

use super::Outcome;
use super::context::Database;
use crate::config::Config;
use crate::status;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let status = status::collect(&pool).await?;
    if args.json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        println!("{status}");
    }
    pool.close().await;
    database.close().await?;
    Ok(Outcome::Fine)
}
