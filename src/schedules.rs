//! The schedules of the configuration, as the queue wants them.

use anyhow::{Context, bail};
use tallyline_jobs::Deps;
use tallyline_queue::{Registry, ScheduleSpec};

use crate::config::{Config, Schedule};

/// The schedules of the configuration.
///
/// # Errors
/// When one names a job that does not exist, or a word that is no policy.
pub fn specs(config: &Config) -> anyhow::Result<Vec<ScheduleSpec>> {
    let registry = tallyline_jobs::registry()?;
    config.schedule.iter().map(|schedule| spec_of(schedule, &registry)).collect()
}

/// One of them.
///
/// # Errors
/// As [`specs`].
pub fn spec_of(schedule: &Schedule, registry: &Registry<Deps>) -> anyhow::Result<ScheduleSpec> {
    let known: Vec<&str> = registry.kinds().collect();
    if !known.contains(&schedule.job.as_str()) {
        bail!("schedule {}: there is no job \"{}\"; jobs are {}", schedule.name, schedule.job, known.join(", "));
    }
    spec(schedule).with_context(|| format!("schedule {}", schedule.name))
}

fn spec(schedule: &Schedule) -> anyhow::Result<ScheduleSpec> {
    Ok(ScheduleSpec {
        name: schedule.name.clone(),
        kind: schedule.job.clone(),
        queue: "default".to_owned(),
        priority: 2,
        max_attempts: 5,
        cron: schedule.cron.clone(),
        timezone: schedule.timezone.clone(),
        payload: serde_json::json!({}),
        missed: schedule.missed.parse()?,
        catch_up_max: schedule.catch_up_max,
        catch_up_within_seconds: schedule.catch_up_within_seconds,
        overlap: schedule.overlap.parse()?,
        gap: schedule.gap.as_deref().map(str::parse).transpose()?.unwrap_or_default(),
        fold: schedule.fold.as_deref().map(str::parse).transpose()?.unwrap_or_default(),
        jitter_seconds: schedule.jitter_seconds.unwrap_or(0),
    })
}
