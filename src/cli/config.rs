//! `tallyline config`: what is in force and where it came from, and whether it can be used.

use std::path::PathBuf;

use super::Outcome;
use super::table::table;
use crate::config::{ConfigError, Loaded, Overrides, load_all};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every key with its value in force; secrets are not shown
    Show {
        /// Say where each value came from
        #[arg(long)]
        origin: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Whether the daemon could start with it: every problem at once; exit code 2 when there is one
    Check {
        /// Instead of the file that the daemon would read
        file: Option<PathBuf>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(
    overrides: &Overrides,
    environment: impl IntoIterator<Item = (String, String)>,
    command: Command,
) -> anyhow::Result<Outcome> {
    match command {
        Command::Show { origin, json } => show(&load_all(overrides, environment)?, origin, json),
        Command::Check { file, json } => {
            let overrides = Overrides { file: file.or_else(|| overrides.file.clone()), ..overrides.clone() };
            check(&load_all(&overrides, environment)?, json)
        }
    }
}

/// A configuration with problems is shown as far as it goes, and then told of.
fn show(loaded: &Loaded, origin: bool, json: bool) -> anyhow::Result<Outcome> {
    let shown = loaded.shown();
    if json {
        println!("{}", serde_json::to_string(&shown)?);
    } else if origin {
        let mut table = table(&["key", "value", "from"], 3);
        for shown in shown {
            table.add_row([shown.key, shown.value, shown.origin.to_string()]);
        }
        println!("{table}");
    } else {
        for shown in shown {
            println!("{} = {}", shown.key, shown.value);
        }
    }
    match loaded.problems.is_empty() {
        true => Ok(Outcome::Fine),
        false => Err(ConfigError { problems: loaded.problems.clone() }.into()),
    }
}

fn check(loaded: &Loaded, json: bool) -> anyhow::Result<Outcome> {
    let problems = loaded.all_problems();
    if json {
        println!("{}", serde_json::json!({ "file": loaded.file, "problems": problems }));
    }
    if !problems.is_empty() {
        return Err(ConfigError { problems }.into());
    }
    if !json {
        let file = loaded.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
        println!("{file}: fine");
    }
    Ok(Outcome::Fine)
}
