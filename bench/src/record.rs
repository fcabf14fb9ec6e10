//! Runs one of the other commands and keeps what it printed: a line of
//! `docs/benchmarks.jsonl` for each run, with what is needed to judge and to
//! repeat it. `docs/benchmarks.md` is made of these lines and of nothing else.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tallyline_testkit::TestDb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A command of this program with its options, such as `-- roll-up --changes 100`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// One run: a line of `docs/benchmarks.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Day of the run, by the database's clock, UTC.
    pub date: String,
    /// The commit that was checked out, with `+` when the tree differed from it.
    pub commit: String,
    /// `release` or `debug`.
    pub build: String,
    pub machine: Machine,
    /// The server's version.
    pub postgres: String,
    /// What to give to `bench` to repeat it.
    pub command: Vec<String>,
    pub seconds: f64,
    /// The command's verdict on itself: its exit code was 0.
    pub good: bool,
    /// The JSON object that it printed as its last line.
    pub result: Value,
}

impl Run {
    /// The name that the result gives itself.
    pub fn bench(&self) -> &str {
        self.result.get("bench").and_then(Value::as_str).unwrap_or("unnamed")
    }
}

/// What the figures were made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    pub memory_gib: Option<u64>,
    pub processor: Option<String>,
}

impl Machine {
    fn this() -> Self {
        let line = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kibibytes = line("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Machine {
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory_gib: kibibytes.map(|kibibytes| kibibytes.div_ceil(1 << 20)),
            processor: line("/proc/cpuinfo", "model name"),
        }
    }
}

/// Where the runs are kept.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.jsonl")
}

/// Runs the command, passes on what it prints, and keeps the result.
///
/// # Errors
/// When the command prints no result; nothing is kept then.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    // The database that the command makes itself is another one of the same server.
    let db = TestDb::try_new().await?;
    let (date, postgres): (String, String) =
        sqlx::query_as("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), current_setting('server_version')")
            .fetch_one(&db.admin)
            .await?;
    let commit = commit()?;
    let mut command = args.command;
    if !command.iter().any(|word| word == "--json") {
        command.push("--json".to_owned());
    }
    let began = Instant::now();
    let (good, last) = passed_on(&command)?;
    let result: Value = serde_json::from_str(&last).context("the last line is no JSON object; nothing is kept")?;
    ensure!(result.get("bench").is_some(), "the last line is no result of a bench; nothing is kept");
    let run = Run {
        date,
        commit,
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        machine: Machine::this(),
        postgres,
        command,
        seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        good,
        result,
    };
    let mut kept = std::fs::OpenOptions::new().create(true).append(true).open(file())?;
    writeln!(kept, "{}", serde_json::to_string(&run)?)?;
    eprintln!("kept in docs/benchmarks.jsonl; `bench report` makes docs/benchmarks.md anew");
    Ok(good)
}

/// Whether it ended well, and its last line.
fn passed_on(command: &[String]) -> anyhow::Result<(bool, String)> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let mut child = Command::new(program).args(command).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let Some(output) = child.stdout.take() else { bail!("the command has no output") };
    let mut last = String::new();
    for line in BufReader::new(output).lines() {
        last = line?;
        println!("{last}");
    }
    Ok((child.wait()?.success(), last))
}

fn commit() -> anyhow::Result<String> {
    let git = |words: &[&str]| -> anyhow::Result<String> {
        let output = Command::new("git").args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
        ensure!(output.status.success(), "git {} failed", words.join(" "));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let differs = !git(&["status", "--porcelain", "--untracked-files=no", "--", ":!/docs"])?.is_empty();
    Ok(git(&["rev-parse", "--short=10", "HEAD"])? + if differs { "+" } else { "" })
}
