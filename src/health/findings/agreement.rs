//! What is said where etcd's members do not hold the same data.

use crate::{
    health::{
        agreement::{Apart, Difference, Stranger},
        picture::Picture,
        say,
        view::{TargetView, labels},
    },
    model::{AlertName, Finding, Job, Said, Severity},
};

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let mut all: Vec<_> = p.strangers.iter().map(|s| stranger(p, s)).collect();
    all.extend(p.apart.iter().map(|a| apart(p, a)));
    all
}

fn stranger(p: &Picture<'_>, s: &Stranger<'_>) -> Finding {
    let place = s.target.instance();
    // Revisions are evidence: in the headline they would make it another one with every probe.
    let headline = Said::new(if s.is_new() { "etcd-stranger-new" } else { "etcd-stranger" }).with("place", place);
    let mut finding = p.indexed.finding(AlertName::EtcdInconsistent, place, Severity::Critical, headline);
    finding.since = s.target.last.map_or(p.indexed.now, |o| o.started);
    finding.labels = labels(&[s.target]);
    finding.evidence = p.indexed.job(Job::Etcd).iter().filter_map(|t| figures(t)).collect();
    finding
        .consequences
        .push("whoever reads there finds nothing of the cluster; what is written there is lost to it".into());
    say::first_step(&mut finding, Said::new("step-stranger").with("host", s.target.host()));
    finding
}

fn apart(p: &Picture<'_>, a: &Apart<'_>) -> Finding {
    let (one, other) = (a.one.instance(), a.other.instance());
    let id = match a.how {
        Difference::Revisions => "etcd-revisions-differ",
        Difference::Keys => "etcd-keys-differ",
    };
    let headline = Said::new(id).with("one", one).with("other", other);
    let mut finding = p.indexed.finding(AlertName::EtcdInconsistent, "", Severity::Critical, headline);
    let started = [a.one, a.other].into_iter().filter_map(|t| t.last.map(|o| o.started));
    finding.since = started.min().unwrap_or(p.indexed.now);
    finding.labels.insert("job".into(), Job::Etcd.to_string());
    finding.evidence = p.indexed.job(Job::Etcd).iter().filter_map(|t| figures(t)).collect();
    finding
        .consequences
        .push("members answer differently: objects come and go with the API server that is asked".into());
    say::first_step(&mut finding, Said::new("step-apart"));
    finding
}

/// `etcd member 10.0.0.1:2379: cluster 1a2b, revision 410 at applied index 480`.
fn figures(t: &TargetView<'_>) -> Option<String> {
    let f = t.etcd_facts()?;
    let cluster = f.cluster_id.map_or_else(String::new, |id| format!(" cluster {id:x},"));
    let hash = f.hash.map_or_else(String::new, |h| format!(", hash {:x} up to revision {}", h.hash, h.revision));
    Some(format!(
        "etcd member {}:{cluster} revision {} at applied index {}{hash}",
        t.instance(),
        f.revision?,
        f.raft_applied_index?
    ))
}
