//! `depends_on` of a check: what may stand there. Pure.

use std::collections::BTreeSet;

/// What counts of a check.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) cluster: Option<&'a str>,
    pub(super) depends_on: &'a [String],
}

/// Returns why a check can't depend on the one of this name, where it can't.
pub(super) fn problem(all: &[Entry<'_>], check: Entry<'_>, name: &str) -> Option<String> {
    match all.iter().find(|other| other.name == name) {
        _ if name == check.name => Some("a check can't depend on itself".to_owned()),
        None => Some(format!("there is no check {name:?}")),
        Some(other) if check.cluster != other.cluster && check.cluster.is_some() && other.cluster.is_some() => {
            Some(format!(
                "{name:?} belongs to another cluster: a check can depend on those of its own, and on those of none"
            ))
        }
        Some(other) if leads_to(all, *other, check) => {
            Some(format!("{name:?} depends on {:?} itself, so that none of them could explain the other", check.name))
        }
        Some(_) => None,
    }
}

/// Whether `from` depends on `to`, over however many steps.
fn leads_to(all: &[Entry<'_>], from: Entry<'_>, to: Entry<'_>) -> bool {
    let names = |entry: Entry<'_>, name: &str| entry.depends_on.iter().any(|other| other == name);
    let mut seen: BTreeSet<&str> = [from.name].into();
    let mut open = vec![from];
    while let Some(check) = open.pop() {
        if names(check, to.name) {
            return true;
        }
        let next = all.iter().filter(|other| names(check, other.name));
        open.extend(next.filter(|other| seen.insert(other.name)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_cross_to_those_of_no_cluster_and_never_in_a_circle() {
        let on = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let depends = [on(&["git"]), on(&["dns"]), on(&["shop"]), on(&[])];
        let entry = |i: usize, name, cluster| Entry { name, cluster, depends_on: &depends[i] };
        let all = [
            entry(0, "shop", Some("prod")),
            entry(1, "git", None),
            entry(2, "blog", Some("test")),
            entry(3, "dns", Some("prod")),
        ];
        let said = |i: usize, name: &str| problem(&all, all[i], name).unwrap_or_default();
        assert_eq!((said(0, "git"), said(1, "dns"), said(0, "dns")), Default::default());
        assert!(said(0, "shop").contains("on itself") && said(0, "x").contains("no check"));
        assert!(said(2, "shop").contains("belongs to another cluster"));
        // dns → shop → git → dns
        assert!(said(3, "shop").contains("\"shop\" depends on \"dns\" itself"), "{}", said(3, "shop"));
    }
}
