//! How components and lists are named. Words here don't change from one second to the next: a headline that counts
//! seconds would be news every second.

use std::fmt::Display;

use crate::model::Job;

/// Returns a component by the name that people use.
pub(super) fn job(job: Job, n: usize) -> &'static str {
    let (one, many) = match job {
        Job::KubeApiserver => ("API server", "API servers"),
        Job::Etcd => ("etcd member", "etcd members"),
        Job::KubeScheduler => ("scheduler", "schedulers"),
        Job::KubeControllerManager => ("controller-manager", "controller-managers"),
        Job::Kubelet => ("kubelet", "kubelets"),
        Job::KubeProxy => ("kube-proxy", "kube-proxies"),
        Job::Check(_) => ("check", "checks"),
    };
    if n == 1 { one } else { many }
}

/// Returns `a`, `a and b`, `a, b and c`, `a, b and 7 more`: at most `max` names.
pub(super) fn list<T: Display>(items: &[T], max: usize) -> String {
    let shown = if items.len() > max { max } else { items.len().saturating_sub(1) };
    let head = items.iter().take(shown).map(T::to_string).collect::<Vec<_>>().join(", ");
    let tail = match items.last() {
        None => return String::new(),
        Some(_) if items.len() > max => format!("{} more", items.len() - shown),
        Some(last) => last.to_string(),
    };
    if head.is_empty() { tail } else { format!("{head} and {tail}") }
}

/// Returns a number as people say it of what changes by the minute: exact below ten, then the step that it has passed, and
/// whether there are more (more than 200), so that a headline stays the same while it grows a little.
pub(super) fn step(n: usize) -> (usize, bool) {
    const STEPS: [usize; 10] = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
    let passed = STEPS.iter().rev().find(|step| n >= **step);
    passed.map_or((n, false), |step| (*step, n > *step))
}

/// Returns `10.0.0.1` of `10.0.0.1:6443`, `fd00::1` of `[fd00::1]:6443`.
pub(super) fn host(instance: &str) -> &str {
    let host = instance.rsplit_once(':').map_or(instance, |(host, _)| host);
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

/// Returns `host:port` of a URL: `10.0.0.1:2379` of `https://10.0.0.1:2379/x`.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::{super::say, *};

    #[test]
    fn lists() {
        let names = ["a", "b", "c", "d"];
        let check = |n: usize, max, expected| assert_eq!(list(&names[..n], max), expected);
        check(0, 3, "");
        check(1, 3, "a");
        check(2, 3, "a and b");
        check(3, 3, "a, b and c");
        check(4, 3, "a, b, c and 1 more");
        check(4, 2, "a, b and 2 more");
        check(2, 0, "2 more");
    }

    #[test]
    fn numbers_that_move_are_told_in_steps() {
        for (n, expected) in
            [(1, "1 pod"), (9, "9 pods"), (10, "10 pods"), (14, "more than 10 pods"), (1_201, "more than 1000 pods")]
        {
            assert_eq!(say::Sentence::from(say::some(n, "pod")).text, expected);
        }
    }

    #[test]
    fn places() {
        assert_eq!(host("10.0.0.1:6443"), "10.0.0.1");
        assert_eq!(host("[fd00::1]:6443"), "fd00::1");
        assert_eq!(host("name"), "name");
        assert_eq!(authority("https://10.0.0.1:2379"), "10.0.0.1:2379");
        assert_eq!(authority("10.0.0.1:2379/x"), "10.0.0.1:2379");
    }
}
