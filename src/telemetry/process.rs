//! The process as the system and the runtime see it.

use std::fs;

use ::metrics::{counter, gauge};

use super::names;

/// Unit of processor times in `/proc`: part of Linux's interface on every
/// architecture that Rust's standard library runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Figures from `/proc/self`, which other systems do not have.
#[derive(Debug, PartialEq)]
struct Process {
    cpu_seconds: f64,
    resident_bytes: f64,
    threads: f64,
    open_fds: f64,
    max_fds: f64,
}

/// Sets the gauges of the process and of the runtime that calls it.
pub(super) fn export() {
    runtime();
    if let Some(process) = read() {
        counter!(names::CPU).absolute(process.cpu_seconds as u64);
        gauge!(names::RESIDENT).set(process.resident_bytes);
        gauge!(names::THREADS).set(process.threads);
        gauge!(names::OPEN_FDS).set(process.open_fds);
        gauge!(names::MAX_FDS).set(process.max_fds);
    }
}

fn runtime() {
    let runtime = tokio::runtime::Handle::current().metrics();
    let workers = runtime.num_workers();
    let busy: f64 = (0..workers).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64()).sum();
    gauge!(names::TOKIO_WORKERS).set(workers as f64);
    counter!(names::TOKIO_BUSY).absolute(busy as u64);
    gauge!(names::TOKIO_TASKS).set(runtime.num_alive_tasks() as f64);
    gauge!(names::TOKIO_QUEUED).set(runtime.global_queue_depth() as f64);
}

/// `None` where there is no `/proc`.
fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let open_fds = fs::read_dir("/proc/self/fd").ok()?.count() as f64;
    parse(&stat, &status, &limits, open_fds)
}

fn parse(stat: &str, status: &str, limits: &str, open_fds: f64) -> Option<Process> {
    // The name in parentheses may hold blanks; what follows are numbers. User
    // and system time are the 14th and 15th of all, threads the 20th.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |position: usize| fields.get(position - 3)?.parse::<f64>().ok();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    Some(Process {
        cpu_seconds: (number(14)? + number(15)?) / TICKS_PER_SECOND,
        resident_bytes: kilobytes.parse::<f64>().ok()? * 1024.0,
        threads: number(20)?,
        open_fds,
        max_fds: files.parse().unwrap_or(f64::INFINITY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_found() {
        let stat = "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 7 0 99 1000 25 0";
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t7\n";
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        let expected =
            Process { cpu_seconds: 2.0, resident_bytes: 2_097_152.0, threads: 7.0, open_fds: 9.0, max_fds: 1024.0 };
        assert_eq!(parse(stat, status, limits, 9.0), Some(expected));
        let endless = parse(stat, status, &limits.replace("1024 ", "unlimited "), 9.0).unwrap();
        assert!(endless.max_fds.is_infinite());
    }
}
