//! The machine: room and speed of the disk, memory, descriptors, the way out. What is read and what is made of it are apart;
//! the latter is pure.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{Resource, getrlimit},
    statvfs::statvfs,
};

use super::Remark;
use crate::{model::text, vantage::VantageReport};

const AREA: &str = "machine";

/// Less than this is not enough to go on for a day: 10,000 series in doubt, a WAL and a backup's copy.
const FREE_MIN: u64 = 200_000_000;
/// What dogwatch takes at some 2,000 targets (docs/benchmarks.md), with room for queries.
pub const MEMORY_MIN: u64 = 256 << 20;
/// A probe holds one descriptor, and so does each connection of a page: 5,000 nodes at once.
pub const FILES_MIN: u64 = 8_192;
/// Writes of the size of a batch that are tried.
const WRITES: usize = 9;
const WRITE_BYTES: usize = 16 << 10;
/// The writer keeps up with one batch a second; slower than this, it falls behind under load.
const SYNC_SLOW: Duration = Duration::from_millis(200);
/// And with this it never catches up.
const SYNC_TOO_SLOW: Duration = Duration::from_secs(1);

/// What was read of the machine; `None`: it can't be told.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Where the history lies, or will.
    pub data_dir: PathBuf,
    /// Bytes that may still be used there.
    pub free: Option<u64>,
    /// What the history takes now, bytes.
    pub taken: u64,
    /// The median of a few synced writes there, or why there is none.
    pub sync: Option<Result<Duration, String>>,
    /// Memory that this machine or its control group still gives, bytes.
    pub memory: Option<u64>,
    /// The hard limit of file descriptors.
    pub files: Option<u64>,
    /// The link, the default route, and references.
    pub view: Option<VantageReport>,
}

/// Reads all of it. Writes a file of some kilobytes to the data directory and removes it, where there is one.
pub fn read(data_dir: &Path, view: Option<VantageReport>) -> Machine {
    let there = data_dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
    let free = statvfs(there).ok().map(|stat| stat.blocks_available().saturating_mul(stat.fragment_size()));
    let files = fs::read_dir(data_dir).into_iter().flatten().flatten();
    Machine {
        data_dir: data_dir.to_owned(),
        free,
        taken: files.filter_map(|file| file.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum(),
        sync: data_dir.is_dir().then(|| sync_time(data_dir)),
        memory: memory(),
        files: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard),
        view,
    }
}

/// The median of a few synced writes.
fn sync_time(dir: &Path) -> Result<Duration, String> {
    let mut file = tempfile_in(dir).map_err(|e| e.to_string())?;
    let mut times = Vec::new();
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&[7; WRITE_BYTES]).and_then(|()| file.sync_data()).map_err(|e| e.to_string())?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[WRITES / 2])
}

/// A file without a name: nothing is left of it, whatever happens.
fn tempfile_in(dir: &Path) -> std::io::Result<fs::File> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    let file = fs::File::options().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// What the control group or the machine still gives, whichever is less.
fn memory() -> Option<u64> {
    let told = fs::read_to_string("/proc/meminfo").ok()?;
    let available = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = available.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.saturating_mul(1024);
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").trim_start_matches('/');
    let dir = Path::new("/sys/fs/cgroup").join(group);
    let number = |name: &str| fs::read_to_string(dir.join(name)).ok()?.trim().parse::<u64>().ok();
    let left = number("memory.max").map(|max| max.saturating_sub(number("memory.current").unwrap_or(0)));
    Some(left.map_or(available, |left| left.min(available)))
}

/// What is made of it. `max_size`: what the history may take, bytes.
pub fn judge(machine: &Machine, max_size: u64) -> Vec<Remark> {
    let mut remarks = vec![disk(machine, max_size)];
    remarks.extend(machine.sync.as_ref().map(|sync| speed(sync, &machine.data_dir)));
    remarks.extend(machine.memory.map(|bytes| {
        let found = format!("{} are free", text::size(bytes));
        match bytes < MEMORY_MIN {
            true => Remark::warning(
                AREA,
                "memory",
                found,
                "give the machine or the service more: 256 MiB do for 2,000 targets (MemoryMax= of the unit)",
            ),
            false => Remark::ok(AREA, "memory", found),
        }
    }));
    remarks.extend(machine.files.map(|files| {
        let found = format!("a process may have {files}");
        match files < FILES_MIN {
            true => Remark::warning(
                AREA,
                "descriptors",
                found,
                format!("set LimitNOFILE={FILES_MIN} or more: each probe needs one"),
            ),
            false => Remark::ok(AREA, "descriptors", found),
        }
    }));
    remarks.extend(machine.view.as_ref().map(network));
    remarks.push(Remark::ok(AREA, "time zones", "part of the program"));
    remarks
}

/// The watchdog's own view, as it judges it while it runs.
fn network(view: &VantageReport) -> Remark {
    const ABOUT: &str = "network";
    let silent: Vec<&str> =
        view.references.iter().filter(|r| r.configured && !r.answering).map(|r| r.name.as_str()).collect();
    if view.link_up == Some(false) {
        Remark::bad(AREA, ABOUT, "the link of the default route is down", "see its cable and its interface")
    } else if !view.has_default_route {
        let remedy = "add one, unless clusters and receivers are all on networks of this machine";
        Remark::warning(AREA, ABOUT, "there is no default route", remedy)
    } else if !silent.is_empty() {
        let found = format!("these references do not answer: {}", silent.join(", "));
        Remark::warning(
            AREA,
            ABOUT,
            found,
            "mend vantage.references: by them the watchdog knows when it is cut off itself",
        )
    } else {
        Remark::ok(AREA, ABOUT, "there is a default route, and the references that were given answer")
    }
}

fn disk(machine: &Machine, max_size: u64) -> Remark {
    let dir = machine.data_dir.display();
    let Some(free) = machine.free else {
        return Remark::bad(
            AREA,
            "disk",
            format!("{dir} can't be looked at"),
            "run this as the user that dogwatch runs as",
        );
    };
    let (still, taken) = (max_size.saturating_sub(machine.taken), text::size(machine.taken));
    let found =
        format!("{} free for {dir}; the history takes {taken} and may take {}", text::size(free), text::size(max_size));
    if free < FREE_MIN {
        Remark::bad(AREA, "disk", found, "free some space: history stops where the disk is full")
    } else if free < still {
        let max = text::size(machine.taken.saturating_add(free / 10 * 9));
        Remark::warning(AREA, "disk", found, format!("free some space, or set storage.max_size to {max} or less"))
    } else {
        Remark::ok(AREA, "disk", found)
    }
}

fn speed(sync: &Result<Duration, String>, dir: &Path) -> Remark {
    const ABOUT: &str = "speed of the disk";
    match sync {
        Err(why) => Remark::bad(
            AREA,
            ABOUT,
            format!("{} can't be written to: {why}", dir.display()),
            "run this as the user that dogwatch runs as; if this was it, give that user the directory",
        ),
        Ok(time) => {
            let found = format!("a synced write takes {:.1} ms", time.as_secs_f64() * 1_000.0);
            if *time >= SYNC_TOO_SLOW {
                Remark::bad(AREA, ABOUT, found, "put data_dir on another disk: history would never keep up")
            } else if *time >= SYNC_SLOW {
                Remark::warning(AREA, ABOUT, found, "put data_dir on a local disk: under load, history falls behind")
            } else {
                Remark::ok(AREA, ABOUT, found)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::Level::{self, Bad, Ok as Fine, Warning},
        health::vantage::ReferenceState,
    };

    fn fine() -> Machine {
        Machine {
            data_dir: "/var/lib/dogwatch".into(),
            free: Some(20_000_000_000),
            taken: 1_000_000_000,
            sync: Some(Ok(Duration::from_millis(3))),
            memory: Some(2 << 30),
            files: Some(524_288),
            view: Some(view(|_| {})),
        }
    }

    fn view(change: fn(&mut VantageReport)) -> VantageReport {
        let reference =
            ReferenceState { name: "192.0.2.1".into(), configured: true, ever_answered: true, answering: true };
        let mut view = VantageReport {
            at: jiff::Timestamp::UNIX_EPOCH,
            link_up: Some(true),
            has_default_route: true,
            references: vec![reference],
            failing_since: None,
        };
        change(&mut view);
        view
    }

    #[test]
    fn each_lack_is_told_with_its_remedy() {
        let check = |change: fn(&mut Machine), about: &str, level: Level, remedy: &str| {
            let mut machine = fine();
            change(&mut machine);
            let remarks = judge(&machine, 5_000_000_000);
            let found = remarks.iter().find(|r| r.about == about).unwrap();
            assert!(found.level == level && found.remedy.contains(remedy), "{found:?}");
            let others: Vec<_> = remarks.iter().filter(|r| r.about != about && r.level != Fine).collect();
            assert!(others.is_empty(), "{others:?}");
        };
        check(|_| {}, "disk", Fine, "");
        check(|m| m.free = Some(3_000_000_000), "disk", Warning, "max_size to 3.7 GB");
        check(|m| m.free = Some(4_000_000_000), "disk", Fine, "");
        check(|m| m.free = Some(1_000_000), "disk", Bad, "free some space");
        check(|m| m.free = None, "disk", Bad, "as the user");
        check(|m| m.sync = Some(Ok(Duration::from_millis(300))), "speed of the disk", Warning, "local disk");
        check(|m| m.sync = Some(Ok(Duration::from_secs(2))), "speed of the disk", Bad, "another disk");
        check(|m| m.sync = Some(Err("denied".into())), "speed of the disk", Bad, "the user");
        check(|m| m.memory = Some(1 << 20), "memory", Warning, "MemoryMax");
        check(|m| m.files = Some(1_024), "descriptors", Warning, "LimitNOFILE=8192");
        check(|m| m.view = Some(view(|v| v.has_default_route = false)), "network", Warning, "add one");
        check(|m| m.view = Some(view(|v| v.link_up = Some(false))), "network", Bad, "cable");
        check(|m| m.view = Some(view(|v| v.references[0].answering = false)), "network", Warning, "references");
    }

    #[test]
    fn this_machine_is_read_and_nothing_is_left_in_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("dogwatch.db"), [0; 1_000]).unwrap();
        let machine = read(dir.path(), None);
        assert!(machine.sync.is_some_and(|sync| sync.is_ok()) && machine.free.is_some_and(|free| free > 0));
        assert_eq!((machine.taken, fs::read_dir(dir.path()).unwrap().count()), (1_000, 1));
        assert!(machine.memory.is_some_and(|bytes| bytes > 1 << 20) && machine.files.is_some_and(|files| files > 10));
        let nowhere = read(&dir.path().join("a/b"), None);
        assert!(nowhere.sync.is_none() && nowhere.free.is_some());
    }
}
