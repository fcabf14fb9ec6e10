//! `tallyline completions`.

use super::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    clap_complete::generate(args.shell, &mut super::command(), "tallyline", &mut std::io::stdout());
    Ok(Outcome::Fine)
}
