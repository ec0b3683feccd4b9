//! What is measured, and on what.

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
