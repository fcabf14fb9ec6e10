//! `tallyline tenant export` and `tallyline tenant erase`.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use sqlx::{Acquire, PgConnection, PgPool};
use uuid::Uuid;

use super::table::{grouped, table};
use super::{Outcome, Refused, trail};
use crate::config::Config;
use crate::tenants::data::{self, Rows};

/// A tenant that is erased is looked for so often, until nothing of it is found:
/// a job that was under way may have written since.
const MAX_PASSES: usize = 5;

const EXPORT_EXAMPLES: &str = "\
Examples:
  tallyline tenant export 6f6f… --out acme     one file for each table, acme/public.calls.jsonl and so on

Each line is a row as JSON; secrets and their hashes are left out. Files of past months are copied.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(super) struct Export {
    tenant: Uuid,
    /// Directory for the files; it is made, or must be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

const ERASE_EXAMPLES: &str = "\
Examples:
  tallyline tenant erase 6f6f…                 asks for the tenant's name
  tallyline tenant erase 6f6f… --yes --json

There is no way back; tallyline tenant export before. The audit log keeps that it was done, and no more.";

#[derive(Debug, clap::Args)]
#[command(after_help = ERASE_EXAMPLES)]
pub(super) struct Erase {
    tenant: Uuid,
    /// Do not ask for the tenant's name
    #[arg(long)]
    yes: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn export(pool: &PgPool, args: Export) -> anyhow::Result<Outcome> {
    let mut db = pool.acquire().await?;
    data::tenant_name(&mut db, args.tenant).await?;
    std::fs::create_dir_all(&args.out)?;
    if std::fs::read_dir(&args.out)?.next().is_some() {
        return Err(Refused(format!("{} is not empty", args.out.display())).into());
    }
    let files = data::history_files(&mut db, args.tenant).await?;
    let rows = data::export(&mut db, args.tenant, &args.out).await?;
    let missing = copy(&files, &args.out);
    let resource = ("tenant", args.tenant.to_string());
    trail::record(&mut db, "tenant.export", resource, args.tenant, json!({ "tables": rows.len() })).await?;
    if args.json {
        println!("{}", json!({ "tables": rows, "files": files.len() - missing.len(), "missing_files": missing }));
    } else {
        print_rows(&rows);
        println!("{} files of past months", files.len() - missing.len());
        missing.iter().for_each(|path| println!("not on this machine: {path}"));
    }
    Ok(if missing.is_empty() { Outcome::Fine } else { Outcome::ProblemsFound })
}

/// Copies the files; those that could not be, with the reason.
fn copy(files: &[PathBuf], out: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    for path in files {
        let copied = path.file_name().map(|name| std::fs::copy(path, out.join(name)));
        if !matches!(copied, Some(Ok(_))) {
            missing.push(path.display().to_string());
        }
    }
    missing
}

pub(super) async fn erase(config: &Config, pool: &PgPool, args: Erase) -> anyhow::Result<Outcome> {
    let mut db = pool.acquire().await?;
    let name = data::tenant_name(&mut db, args.tenant).await?;
    if !args.yes {
        confirm(&name)?;
    }
    let files = data::history_files(&mut db, args.tenant).await?;
    let mut rows = erase_rows(&mut db, args.tenant).await?;
    // The view still shows what it was made of.
    let mut tx = db.begin().await?;
    sqlx::query!("SET LOCAL statement_timeout = '10min'").execute(&mut *tx).await?;
    sqlx::query_scalar!("SELECT tally.refresh_kpi_summary()").fetch_one(&mut *tx).await?;
    tx.commit().await?;
    rows.sort_by(|a, b| a.table.cmp(&b.table));
    let left = Left {
        files: files.iter().filter(|path| !is_gone(path)).map(|path| path.display().to_string()).collect(),
        spools: data::undrained_spools(&mut db).await?,
        damaged: damaged_files(&config.receiver.spool_dir),
    };
    report(&args, &rows, files.len(), &left);
    Ok(if left.is_nothing() { Outcome::Fine } else { Outcome::ProblemsFound })
}

/// What this command cannot reach.
struct Left {
    /// Of past months, on another machine.
    files: Vec<String>,
    /// Not drained yet.
    spools: Vec<String>,
    /// Of the spool, kept aside; they may hold anybody's webhooks.
    damaged: Vec<String>,
}

impl Left {
    fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.spools.is_empty() && self.damaged.is_empty()
    }
}

async fn erase_rows(db: &mut PgConnection, tenant: Uuid) -> anyhow::Result<Vec<Rows>> {
    let mut all: Vec<Rows> = Vec::new();
    for pass in 0..MAX_PASSES {
        let mut tx = db.begin().await?;
        let found = data::erase(&mut tx, tenant).await?;
        if pass == 0 {
            let details = json!({ "rows": found.iter().map(|it| it.rows).sum::<i64>() });
            trail::record(&mut tx, "tenant.erase", ("tenant", tenant.to_string()), tenant, details).await?;
        }
        tx.commit().await?;
        if found.is_empty() {
            return Ok(all);
        }
        for more in found {
            match all.iter_mut().find(|known| known.table == more.table) {
                Some(known) => known.rows += more.rows,
                None => all.push(more),
            }
        }
    }
    Err(Refused("something still writes for the tenant; stop the daemons and erase it again".to_owned()).into())
}

/// Removes a file; true when it is not there any more, and was on this machine.
fn is_gone(path: &Path) -> bool {
    match std::fs::remove_file(path) {
        Ok(()) => true,
        // Without its directory this is another machine than the one that wrote it.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound && path.parent().is_some_and(Path::is_dir),
    }
}

fn damaged_files(spool_dir: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(spool_dir) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let damaged = paths.filter(|path| path.extension().is_some_and(|extension| extension == "damaged"));
    damaged.map(|path| path.display().to_string()).collect()
}

fn confirm(name: &str) -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        print!("Everything of tenant \"{name}\" will be erased for good. Its name again: ");
        std::io::stdout().flush()?;
    }
    let typed = super::tenant::read_secret()?;
    if typed == name {
        return Ok(());
    }
    Err(Refused("that is not the tenant's name; nothing was erased (--yes does not ask)".to_owned()).into())
}

fn report(args: &Erase, rows: &[Rows], files: usize, left: &Left) {
    if args.json {
        let erased = json!({ "tables": rows, "files": files - left.files.len() });
        let left = json!({ "files": left.files, "spools": left.spools, "damaged_spool_files": left.damaged });
        println!("{}", json!({ "tenant": args.tenant, "erased": erased, "left": left }));
        return;
    }
    print_rows(rows);
    println!("{} files of past months removed", files - left.files.len());
    left.files.iter().for_each(|path| println!("remove on its own machine: {path}"));
    left.spools.iter().for_each(|label| println!("the spool of {label} drops its events when it is drained"));
    left.damaged.iter().for_each(|path| println!("may hold its webhooks, look and remove: {path}"));
}

fn print_rows(rows: &[Rows]) {
    let mut table = table(&["table", "rows"], 1);
    for it in rows {
        table.add_row([it.table.clone(), grouped(it.rows)]);
    }
    println!("{table}");
}
