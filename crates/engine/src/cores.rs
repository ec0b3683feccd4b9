//! How many threads make sense.

use std::collections::HashSet;
use std::fs;

/// Physical cores that the process may use (affinity and cgroup quota), but one, which the server
/// and the database need: llama.cpp's threads wait for each other by spinning, so that one thread
/// too many on a busy machine makes all of them many times slower.
pub(crate) fn free_physical() -> usize {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = physical().map_or(usable, |cores| cores.min(usable));
    cores.saturating_sub(1).max(1)
}

/// Distinct pairs of package and core, on Linux.
fn physical() -> Option<usize> {
    let mut cores = HashSet::new();
    for entry in fs::read_dir("/sys/devices/system/cpu").ok()? {
        let topology = entry.ok()?.path().join("topology");
        let read = |name| fs::read_to_string(topology.join(name));
        if let (Ok(package), Ok(core)) = (read("physical_package_id"), read("core_id")) {
            cores.insert((package, core));
        }
    }
    (!cores.is_empty()).then_some(cores.len())
}
