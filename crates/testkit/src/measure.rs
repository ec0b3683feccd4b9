//! What a benchmark reads off processes and samples.

use std::time::Duration;

/// Bytes of a process that are in memory (RSS).
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// CPU time that a process and those of its children that have ended spent, in ticks of 10 ms.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in the second field may hold spaces; times are the fields 14 to 17.
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').skip(11).take(4));
    let ticks: u64 = fields.into_iter().flatten().filter_map(|text| text.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// A process and all below it.
pub fn family(pid: u32) -> Vec<u32> {
    // Each thread lists the children that it started.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children: Vec<u32> = threads
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|line| line.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect();
    std::iter::once(pid).chain(children.into_iter().flat_map(family)).collect()
}

/// The value below which `share` of the sorted samples lie.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// How long all cores of the machine were busy and how long they were there, since it started.
pub fn machine_time() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // The eight before the guests' times, which are in the first two already; idle, waiting for disks.
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (Duration::from_millis((all - idle) * 10), Duration::from_millis(all * 10))
}
