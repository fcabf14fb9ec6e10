//! `tallyline man`.

use std::path::PathBuf;

use clap_mangen::Man;

use super::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a page for every command into this directory, which must be there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.out {
        Some(directory) => clap_mangen::generate_to(super::command(), directory)?,
        None => Man::new(super::command()).render(&mut std::io::stdout())?,
    }
    Ok(Outcome::Fine)
}
