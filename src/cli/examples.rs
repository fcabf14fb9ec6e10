//! Examples in the help of every command. A test parses each of them; `6f6f…`
//! stands for an id.

/// Stands first in the help of the program.
pub(super) const PROGRAM: &str = "\
Examples:
  tallyline demo                                     everything at once, with made-up traffic
  tallyline run                                      the daemon
  tallyline tenant add --name Acme --email ops@acme.example --timezone Asia/Kolkata
  tallyline status --watch                           what waits, what lags, what failed
  tallyline doctor                                   what is wrong, and the command that mends it
";

/// By command; those that are not here have their own.
const EXAMPLES: &[(&str, &str)] = &[
    ("demo", "tallyline demo\ntallyline demo --calls 500 --tenants 2 --exit     ends after the check"),
    (
        "migrate",
        "tallyline migrate\ntallyline migrate --check                   exit code 1 when something is to be done",
    ),
    (
        "tenant add",
        "tallyline tenant add --name Acme --email ops@acme.example --timezone Asia/Kolkata\n\
         tallyline tenant add --name Acme --email ops@acme.example --currency INR --default-country-code 91 --json",
    ),
    ("tenant list", "tallyline tenant list\ntallyline tenant list --json"),
    (
        "tenant set",
        "tallyline tenant set 6f6f… --timezone America/New_York\ntallyline tenant set 6f6f… --hot 85 --warm 65 --cold 40",
    ),
    (
        "tenant rotate-secret",
        "tallyline tenant rotate-secret 6f6f… bolna\n\
         tallyline tenant rotate-secret 6f6f… twilio --from-stdin < auth-token\n\
         tallyline tenant rotate-secret 6f6f… bolna --overlap-hours 0   the old one is known to others",
    ),
    (
        "tenant allow-ips",
        "tallyline tenant allow-ips 6f6f… bolna 13.203.39.153 13.126.9.249 13.202.133.53\n\
         tallyline tenant allow-ips 6f6f… bolna --any",
    ),
    (
        "tenant analysis set",
        "tallyline tenant analysis set 6f6f… --provider rules\n\
         tallyline tenant analysis set 6f6f… --provider openai --base-url https://api.example.com/v1 --model small --api-key-from-stdin < key",
    ),
    ("tenant analysis show", "tallyline tenant analysis show 6f6f…"),
    (
        "tenant provider set",
        "tallyline tenant provider set --tenant 6f6f… --provider bolna < key\n\
         tallyline tenant provider set --tenant 6f6f… --provider twilio --account-sid AC00000000000000000000000000000000 < auth-token",
    ),
    ("tenant provider list", "tallyline tenant provider list\ntallyline tenant provider list --tenant 6f6f… --json"),
    ("tenant provider disable", "tallyline tenant provider disable --tenant 6f6f… --provider bolna"),
    ("account add", "tallyline account add --email ops@example.com --name Ops --role admin"),
    ("account list", "tallyline account list\ntallyline account list --json"),
    ("account link", "tallyline account link ops@example.com        the password was forgotten"),
    ("account role", "tallyline account role ops@example.com super_admin"),
    ("account close", "tallyline account close ops@example.com"),
    ("account open", "tallyline account open ops@example.com"),
    (
        "account add-token",
        "tallyline account add-token ops@example.com --name reports --days 90\n\
         tallyline account add-token ops@example.com --name deploy --may-change --json",
    ),
    ("account tokens", "tallyline account tokens ops@example.com"),
    ("account revoke-token", "tallyline account revoke-token ops@example.com 6f6f…"),
    ("agent add", "tallyline agent add 6f6f… --bolna-agent-id 6f6f… --name Reception"),
    ("agent list", "tallyline agent list 6f6f…\ntallyline agent list 6f6f… --json"),
    (
        "credits add",
        "tallyline credits add --tenant 6f6f… --amount 500 --payment-id pay_4711\n\
         tallyline credits add --tenant 6f6f… --amount 20 --bonus --key welcome --note 'a good start'",
    ),
    ("credits adjust", "tallyline credits adjust --tenant 6f6f… --amount -12.5 --reason 'charged twice'"),
    ("credits list", "tallyline credits list --tenant 6f6f… --limit 10\ntallyline credits list --tenant 6f6f… --json"),
    ("customer convert", "tallyline customer convert --tenant 6f6f… --phone +12025550100 --sales-rep Asha"),
    ("customer list", "tallyline customer list --tenant 6f6f…"),
    ("customer set-status", "tallyline customer set-status --tenant 6f6f… CUST-2026-0001 Churned"),
    ("number add", "tallyline number add +12025550100 --name Reception --bolna-id 6f6f…"),
    ("number list", "tallyline number list\ntallyline number list --tenant 6f6f… --json"),
    ("number assign", "tallyline number assign +12025550100 --tenant 6f6f… --agent 6f6f…"),
    ("number release", "tallyline number release +12025550100"),
    (
        "simulate",
        "tallyline simulate --calls 1000 --ledger ledger.json && tallyline verify --ledger ledger.json\n\
         tallyline simulate --calls 100000 --rate 50 --duplicates 5% --reorder 10% --late 2% --ledger ledger.json",
    ),
    (
        "verify",
        "tallyline verify                            everything, from the calls\n\
         tallyline verify --tenant 6f6f… --from 2026-10-01T00:00:00Z --repair\n\
         tallyline verify --sample 5 --seed 1 --json",
    ),
    ("analyses list", "tallyline analyses list --tenant 6f6f… --state failed"),
    ("analyses show", "tallyline analyses show --tenant 6f6f… 6f6f…"),
    (
        "analyses retry",
        "tallyline analyses retry --tenant 6f6f… --failed\ntallyline analyses retry --tenant 6f6f… 6f6f…   one call",
    ),
    ("settings list", "tallyline settings list\ntallyline settings list --json"),
    ("settings set", "tallyline settings set credits_per_minute 0.75"),
    ("settings unset", "tallyline settings unset credits_per_minute"),
    (
        "follow-up add",
        "tallyline follow-up add --tenant 6f6f… --date 2026-12-01 --phone +12025550100 --remark 'asked for a price'",
    ),
    ("follow-up list", "tallyline follow-up list --tenant 6f6f… --status pending"),
    ("follow-up complete", "tallyline follow-up complete --tenant 6f6f… 6f6f…"),
    ("follow-up cancel", "tallyline follow-up cancel --tenant 6f6f… 6f6f…"),
    ("follow-up reschedule", "tallyline follow-up reschedule --tenant 6f6f… 6f6f… --date 2026-12-02"),
    (
        "notify endpoint add",
        "tallyline notify endpoint add --tenant 6f6f… --url https://acme.example/hooks --kind credits.low",
    ),
    ("notify endpoint list", "tallyline notify endpoint list --tenant 6f6f…"),
    ("notify endpoint rotate", "tallyline notify endpoint rotate --tenant 6f6f… 6f6f… --overlap-hours 48"),
    ("notify endpoint disable", "tallyline notify endpoint disable --tenant 6f6f… 6f6f… --reason 'moves house'"),
    ("notify endpoint enable", "tallyline notify endpoint enable --tenant 6f6f… 6f6f…"),
    ("notify list", "tallyline notify list --tenant 6f6f… --state failed"),
    ("notify replay", "tallyline notify replay --tenant 6f6f… 6f6f…\ntallyline notify replay --tenant 6f6f… --failed"),
    (
        "backfill start",
        "tallyline backfill start --preview          what would be done\n\
         tallyline backfill start --tenant 6f6f… --from 2026-10-01 --to 2026-10-31 --mode all --yes --watch",
    ),
    ("backfill list", "tallyline backfill list\ntallyline backfill list --limit 5 --json"),
    ("backfill show", "tallyline backfill show 6f6f… --watch"),
    ("backfill pause", "tallyline backfill pause 6f6f…"),
    ("backfill resume", "tallyline backfill resume 6f6f…"),
    ("backfill cancel", "tallyline backfill cancel 6f6f…"),
    ("schedule list", "tallyline schedule list\ntallyline schedule list --json"),
    ("schedule show", "tallyline schedule show verify-nightly"),
    ("schedule run", "tallyline schedule run verify-nightly\ntallyline schedule run verify-nightly --force --json"),
    ("schedule pause", "tallyline schedule pause reconcile-hourly --reason 'Bolna is down'"),
    ("schedule resume", "tallyline schedule resume reconcile-hourly"),
    ("schedule history", "tallyline schedule history verify-nightly --limit 7"),
    ("queue list", "tallyline queue list\ntallyline queue list --json"),
    (
        "queue pause",
        "tallyline queue pause reconcile --reason 'Bolna is down'\n\
         tallyline queue pause --kind reconcile_calls --reason 'Bolna is down'",
    ),
    ("queue resume", "tallyline queue resume reconcile\ntallyline queue resume --kind reconcile_calls"),
    ("queue drain", "tallyline queue drain default --timeout 10m && deploy && tallyline queue resume default"),
    (
        "queue cap",
        "tallyline queue cap default 2               two jobs of each tenant at once, over all processes\n\
         tallyline queue cap default none",
    ),
    ("queue workers", "tallyline queue workers\ntallyline queue workers --json"),
    ("status", "tallyline status\ntallyline status --watch --interval 5s\ntallyline status --json"),
    (
        "doctor",
        "tallyline doctor                            exit code 1: problems; 3: the database cannot be reached\n\
         tallyline doctor --json\ntallyline doctor --bundle support           a folder to send to whoever helps",
    ),
    ("config show", "tallyline config show --origin\ntallyline config show --json"),
    (
        "config check",
        "tallyline config check\ntallyline config check /etc/tallyline/config.toml   exit code 2: problems",
    ),
    ("db start", "tallyline db start"),
    ("db stop", "tallyline db stop"),
    ("db psql", "tallyline db psql\ntallyline db psql -- -c 'SELECT count(*) FROM calls'"),
    ("db path", "tallyline db path"),
    (
        "completions",
        "tallyline completions bash > /usr/share/bash-completion/completions/tallyline\n\
         tallyline completions zsh > ~/.zfunc/_tallyline",
    ),
    ("man", "tallyline man > tallyline.1\ntallyline man --out /usr/share/man/man1"),
];

/// The command line with the examples of every command that has none of its own.
pub(super) fn with_examples(program: clap::Command) -> clap::Command {
    add(program, "")
}

fn add(command: clap::Command, parents: &str) -> clap::Command {
    let command = command.mut_subcommands(|sub| {
        let path = format!("{parents} {}", sub.get_name()).trim_start().to_owned();
        add(sub, &path)
    });
    let listed = EXAMPLES.iter().find(|(path, _)| *path == parents);
    match listed {
        Some((_, lines)) if command.get_after_help().is_none() => {
            let lines: Vec<String> = lines.lines().map(|line| format!("  {line}")).collect();
            command.after_help(format!("Examples:\n{}", lines.join("\n")))
        }
        _ => command,
    }
}
