//! What an availability is asked of: a target, a component of a cluster, a cluster, or a service of several.

use std::{cell::OnceCell, collections::BTreeMap};

use jiff::Timestamp;

use super::{
    compose::{Rule, compose},
    judge::timeline_of,
    span::{Span, floor},
    timeline::Timeline,
};
use crate::model::{CHECKS, Job, Matcher, Pairs, Record, Silence, TargetKey};

/// What is asked of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// `cluster`: its API is there while one API server answers as ready.
    Cluster(String),
    /// `cluster/job`: all targets of a job together, by [`Rule::of_job`].
    Component(String, String),
    /// `cluster/job/instance`.
    Target(String, String, String),
    /// A check by its name, which is one among all: each of its targets, where it is made at every node.
    Check(String),
}

impl Subject {
    /// Reads one as people write it: `prod`, `prod/etcd` or `prod/etcd/10.0.0.1:2379`.
    ///
    /// # Errors
    /// When a part is empty, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(3, '/').collect();
        let own = |part: &str| part.to_owned();
        match parts[..] {
            _ if parts.iter().any(|part| part.is_empty()) => {}
            [cluster] => return Ok(Self::Cluster(own(cluster))),
            [cluster, job] => return Ok(Self::Component(own(cluster), own(job))),
            [cluster, job, instance] => return Ok(Self::Target(own(cluster), own(job), own(instance))),
            _ => {}
        }
        Err(format!("{text:?} names nothing: write CLUSTER, CLUSTER/JOB or CLUSTER/JOB/INSTANCE"))
    }

    /// Returns the cluster that it is of; what stands in its place for checks.
    pub fn cluster(&self) -> &str {
        match self {
            Self::Cluster(cluster) | Self::Component(cluster, _) | Self::Target(cluster, ..) => cluster,
            Self::Check(_) => CHECKS,
        }
    }

    /// Returns the job of its targets.
    pub fn job(&self) -> &str {
        match self {
            Self::Cluster(_) => Job::KubeApiserver.as_str(),
            Self::Component(_, job) | Self::Target(_, job, _) | Self::Check(job) => job,
        }
    }

    /// Returns whether a target is part of it.
    pub fn takes(&self, key: &TargetKey) -> bool {
        let of = |cluster: &str, job: &str| *key.cluster == *cluster && key.job.as_str() == job;
        match self {
            Self::Cluster(cluster) => of(cluster, Job::KubeApiserver.as_str()),
            Self::Component(cluster, job) => of(cluster, job),
            Self::Target(cluster, job, instance) => of(cluster, job) && *key.instance == **instance,
            Self::Check(name) => matches!(key.job, Job::Check(_)) && key.job.as_str() == name,
        }
    }

    /// Returns the rule by which its targets are judged together.
    pub fn rule(&self) -> Rule {
        Rule::of_job(self.job())
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster(cluster) => f.write_str(cluster),
            Self::Component(cluster, job) => write!(f, "{cluster}/{job}"),
            Self::Target(cluster, job, instance) => write!(f, "{cluster}/{job}/{instance}"),
            Self::Check(name) => write!(f, "{CHECKS}/{name}"),
        }
    }
}

/// What the targets of a record counted as; each is worked out once, when it is first asked for.
pub struct Book<'a> {
    record: &'a Record,
    until: Timestamp,
    timelines: BTreeMap<&'a TargetKey, (usize, OnceCell<Timeline>)>,
}

impl<'a> Book<'a> {
    /// Opens the book of a record that ends at a moment.
    pub fn new(record: &'a Record, until: Timestamp) -> Self {
        let timelines = record.targets.iter().enumerate().map(|(i, t)| (&t.key, (i, OnceCell::new()))).collect();
        Self { record, until, timelines }
    }

    /// Returns the end of what it tells of: the full second before it.
    pub fn end(&self) -> i64 {
        floor(self.until)
    }

    /// Returns every target with what it counted as, in the order of their keys.
    pub fn targets(&self) -> impl Iterator<Item = (&'a TargetKey, &Timeline)> {
        self.timelines.iter().map(|(key, (i, cell))| (*key, self.timeline(*i, cell)))
    }

    fn timeline<'b>(&self, i: usize, cell: &'b OnceCell<Timeline>) -> &'b Timeline {
        cell.get_or_init(|| {
            let target = &self.record.targets[i];
            let planned = self.record.maintenance.iter().filter(|s| is_meant(s, &target.labels));
            let planned: Vec<Span> = planned.map(|s| Span::between(s.starts_at, s.ends_at)).collect();
            timeline_of(target, &self.record.watches, &planned, self.until)
        })
    }

    /// Returns what a subject counted as; `None`: no target of it is on record.
    pub fn of(&self, subject: &Subject) -> Option<Timeline> {
        self.of_with(subject, subject.rule())
    }

    /// Returns the same by another rule.
    pub fn of_with(&self, subject: &Subject, rule: Rule) -> Option<Timeline> {
        let taken = self.timelines.iter().filter(|(key, _)| subject.takes(key));
        let members: Vec<&Timeline> = taken.map(|(_, (i, cell))| self.timeline(*i, cell)).collect();
        (!members.is_empty()).then(|| compose(rule, members))
    }
}

/// Whether a silence is about a target as a whole: each of its conditions is on a label that the target has, and holds. One
/// that names an alert is about that alert.
fn is_meant(silence: &Silence, labels: &Pairs) -> bool {
    !silence.matchers.is_empty()
        && silence.matchers.iter().all(|m| {
            let op = match (m.is_regex, m.is_equal) {
                (false, true) => "=",
                (false, false) => "!=",
                (true, true) => "=~",
                (true, false) => "!~",
            };
            let condition = Matcher::new(&m.name, op, &m.value);
            labels.get(&m.name).is_some_and(|value| condition.is_ok_and(|c| c.matches(value)))
        })
}
