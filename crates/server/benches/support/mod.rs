//! What every benchmark prints and computes.

use std::path::Path;

/// The program under measurement.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lyceum"))
}

/// Says on which machine, and how loaded it is.
pub fn print_machine(title: &str) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name))
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().next().unwrap_or("?");
    println!("{title}\nmachine: {cores} cores, {model}, load {load}\n");
}

/// Median, least and greatest of a few repeats.
pub fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}
