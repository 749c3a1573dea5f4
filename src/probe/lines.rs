//! Lines of Kubernetes' health pages: `[+]name ok`, `[-]name failed: reason withheld`. Pure.

use crate::model::{CheckLine, Observation};

/// A check's name longer than this, in bytes, is no name.
const NAME_MAX: usize = 128;
/// What a failed check says is kept up to this, in characters.
const MESSAGE_MAX: usize = 200;

/// Check lines of a body, at most [`Observation::CHECKS_MAX`], failed ones first in claiming that room; a line that is
/// cut is no line.
pub fn read(page: &str, body: &str) -> Vec<CheckLine> {
    let mut found: Vec<CheckLine> = body.lines().filter_map(|l| line(page, l.trim_end())).collect();
    if found.len() > Observation::CHECKS_MAX {
        found.sort_by_key(|l| l.ok);
        found.truncate(Observation::CHECKS_MAX);
    }
    found
}

/// `[+]etcd ok`, `[+]etcd excluded: ok`, `[+]etcd-events excluded with etcd: ok`, `[-]etcd failed: reason withheld`.
fn line(page: &str, line: &str) -> Option<CheckLine> {
    let (ok, rest) = match line.strip_prefix("[+]") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("[-]")?),
    };
    let (name, said) = rest.split_once(' ')?;
    let message = if ok {
        (said == "ok" || (said.starts_with("excluded") && said.ends_with(": ok"))).then(String::new)?
    } else {
        said.strip_prefix("failed")?.trim_start_matches(": ").chars().take(MESSAGE_MAX).collect()
    };
    let is_name = !name.is_empty() && name.len() <= NAME_MAX && !name.contains(char::is_control);
    is_name.then(|| CheckLine { page: page.into(), name: name.into(), ok, message })
}
