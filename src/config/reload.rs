//! SIGHUP: the configuration is read again. What can change while the process
//! runs does, what cannot is named in the log, and a configuration that cannot
//! be used changes nothing.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::live::RELOADED;
use super::load::{Loaded, Overrides, load_all};
use super::problem::{ConfigError, Problem};
use crate::telemetry;

/// What a reload came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys whose new value is in force.
    pub taken: Vec<String>,
    /// Keys whose new value needs a restart.
    pub needs_restart: Vec<String>,
}

/// Listens for SIGHUP until the process ends; `environment` reads the environment.
///
/// # Errors
/// When the signal cannot be listened to.
pub fn watch<E>(overrides: Overrides, environment: fn() -> E, started: Loaded) -> std::io::Result<()>
where
    E: IntoIterator<Item = (String, String)> + 'static,
{
    let hangups = signal(SignalKind::hangup())?;
    tokio::spawn(follow(hangups, overrides, environment, started));
    Ok(())
}

async fn follow<E>(mut hangups: Signal, overrides: Overrides, environment: fn() -> E, mut in_force: Loaded)
where
    E: IntoIterator<Item = (String, String)> + 'static,
{
    while hangups.recv().await.is_some() {
        let read = load_all(&overrides, environment()).and_then(|loaded| {
            let problems = loaded.all_problems();
            if problems.is_empty() { Ok(loaded) } else { Err(ConfigError { problems }) }
        });
        match read {
            Ok(loaded) => report(&apply(&mut in_force, &loaded)),
            Err(error) => {
                for problem in error.problems {
                    tracing::error!(%problem, "the configuration was not reloaded: nothing has changed");
                }
            }
        }
    }
}

fn report(reloaded: &Reloaded) {
    tracing::info!(changed = reloaded.taken.join(" "), "the configuration was read again");
    for key in &reloaded.needs_restart {
        tracing::warn!(key, "the new value takes effect with the next start only");
    }
}

/// Puts into force what can be; what needs a restart stays different and is named again next time.
fn apply(in_force: &mut Loaded, new: &Loaded) -> Reloaded {
    let changed = differences(in_force, new);
    let (mut taken, needs_restart): (Vec<String>, Vec<String>) =
        changed.into_iter().partition(|key| RELOADED.contains(&key.as_str()));
    if taken.iter().any(|key| key == "log.level")
        && let Err(error) = telemetry::logs::set_level(&new.config.log.level)
    {
        let problem = Problem::of_key("log.level", error.to_string());
        tracing::error!(%problem, "the level of the log stays as it is");
        taken.retain(|key| key != "log.level");
    }
    let receiver = &new.config.receiver;
    in_force.config.live.replace(receiver.into());
    for key in &taken {
        in_force.take(key, new);
    }
    Reloaded { taken, needs_restart }
}

/// Names of the keys whose values differ.
fn differences(old: &Loaded, new: &Loaded) -> Vec<String> {
    let (old, new) = (old.values(), new.values());
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Loaded {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_all(&Overrides { file: Some("/dev/null".into()), ..Overrides::default() }, variables).unwrap()
    }

    /// Break to try: every key taken for reloadable.
    #[test]
    fn what_cannot_change_is_named_until_the_next_start() {
        let mut in_force = with(&[]);
        let new = with(&[("TALLYLINE_RECEIVER__MAX_BODY_BYTES", "7"), ("TALLYLINE_HTTP__LISTEN", "127.0.0.1:9")]);
        let first = apply(&mut in_force, &new);
        assert_eq!(first.taken, ["receiver.max_body_bytes"]);
        assert_eq!(first.needs_restart, ["http.listen"]);
        assert_eq!(in_force.config.live.current().unwrap().max_body_bytes, 7);
        let second = apply(&mut in_force, &new);
        assert_eq!(second, Reloaded { taken: Vec::new(), needs_restart: vec!["http.listen".to_owned()] });
    }
}
