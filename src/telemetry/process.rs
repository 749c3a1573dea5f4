//! What the operating system says of this process, under the names that every Prometheus client library uses.
//!
//! Read from `/proc/self` at the moment of asking. What can't be read (another system, a hardened container) is left
//! out, never guessed.

use std::{fs, path::Path};

/// The unit of CPU times in `/proc/*/stat`: `USER_HZ`, fixed at 100 in the interface of every architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A reading; `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// User and system CPU time, in seconds.
    pub cpu_seconds: Option<f64>,
    /// When it started, as Unix time in seconds.
    pub start_time_seconds: Option<f64>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<f64>,
    /// Virtual memory in bytes.
    pub virtual_bytes: Option<f64>,
    /// Open file descriptors.
    pub open_fds: Option<f64>,
    /// The most that may be open.
    pub max_fds: Option<f64>,
    /// Memory that its control group, or one that this is part of, lets it have, in bytes.
    pub memory_limit_bytes: Option<f64>,
}

/// One metric of the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessMetric {
    /// The whole name; a counter's ends in `_total`.
    pub name: &'static str,
    /// Its help text.
    pub help: &'static str,
    /// Only ever grows.
    pub counter: bool,
    /// Its value now.
    pub value: f64,
}

impl Process {
    /// Reads it now.
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self {
            // The listing itself holds one descriptor open.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|d| d.count().saturating_sub(1) as f64),
            max_fds: max_fds(&limits),
            memory_limit_bytes: memory_limit(Path::new("/sys/fs/cgroup"), &groups),
            resident_bytes: kilobytes(&status, "VmRSS:"),
            virtual_bytes: kilobytes(&status, "VmSize:"),
            cpu_seconds: field(&stat, 14).zip(field(&stat, 15)).map(|(user, sys)| (user + sys) / TICKS_PER_SECOND),
            start_time_seconds: boot_time(&system)
                .zip(field(&stat, 22))
                .map(|(boot, after)| boot + after / TICKS_PER_SECOND),
        }
    }

    /// Returns what could be read, sorted by name.
    pub fn metrics(&self) -> impl Iterator<Item = ProcessMetric> {
        let gauge = |name, help, value: Option<f64>| (name, help, false, value);
        [
            ("process_cpu_seconds_total", "Total user and system CPU time spent in seconds", true, self.cpu_seconds),
            gauge("process_max_fds", "Maximum number of open file descriptors", self.max_fds),
            gauge("process_open_fds", "Number of open file descriptors", self.open_fds),
            gauge("process_resident_memory_bytes", "Resident memory size in bytes", self.resident_bytes),
            gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds",
                self.start_time_seconds,
            ),
            gauge("process_virtual_memory_bytes", "Virtual memory size in bytes", self.virtual_bytes),
        ]
        .into_iter()
        .filter_map(|(name, help, counter, value)| Some(ProcessMetric { name, help, counter, value: value? }))
    }
}

/// The field of `/proc/self/stat` with this number, counted from 1 as in proc(5). The second one is the program's name
/// in parentheses and may hold spaces and parentheses itself, so counting begins after its end.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn kilobytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|l| l.strip_prefix(key))?;
    let number: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number * 1024.0)
}

fn boot_time(system: &str) -> Option<f64> {
    system.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()
}

/// The least of what the control groups from ours upwards allow (`memory.max` of cgroup v2); `None`: no limit that we can see.
fn memory_limit(root: &Path, groups: &str) -> Option<f64> {
    let own = groups.lines().find_map(|l| l.strip_prefix("0::/"))?;
    let limit = |group: &Path| fs::read_to_string(root.join(group).join("memory.max")).ok()?.trim().parse::<f64>().ok();
    Path::new(own).ancestors().filter_map(limit).reduce(f64::min)
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_shifts_no_field() {
        let stat = "42 (dog) (watch) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 1234 1000 25";
        assert_eq!(field(stat, 14), Some(150.0));
        assert_eq!(field(stat, 15), Some(50.0));
        assert_eq!(field(stat, 22), Some(1234.0));
        assert_eq!(field("", 14), None);
        assert_eq!(field("42 (x)", 22), None);
    }

    #[test]
    fn unlimited_and_missing_are_left_out() {
        assert_eq!(max_fds("Max open files            1024      524288     files"), Some(1024.0));
        assert_eq!(max_fds("Max open files            unlimited unlimited  files"), None);
        assert_eq!(kilobytes("VmRSS:\t  2 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(kilobytes("", "VmRSS:"), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000.0));
        assert_eq!(Process::default().metrics().count(), 0);
    }

    #[test]
    fn the_least_limit_of_the_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("system.slice/dogwatch.service");
        fs::create_dir_all(&service).unwrap();
        let groups = "1:name=x:/y\n0::/system.slice/dogwatch.service\n";
        assert_eq!(memory_limit(root.path(), groups), None);
        fs::write(service.join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("system.slice/memory.max"), "2048\n").unwrap();
        assert_eq!(memory_limit(root.path(), groups), Some(2048.0));
        fs::write(service.join("memory.max"), "1024\n").unwrap();
        assert_eq!(memory_limit(root.path(), groups), Some(1024.0));
        assert_eq!((memory_limit(root.path(), "0::/\n"), memory_limit(root.path(), "")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_of_them() {
        let p = Process::read();
        assert_eq!(p.metrics().count(), 6, "{p:?}");
        assert!(p.start_time_seconds.unwrap() > 1_600_000_000.0);
        assert!(p.resident_bytes.unwrap() > 100_000.0);
    }
}
