//! What several together count as, second by second.

use serde::{Deserialize, Serialize};

use super::timeline::{Standing, Timeline};

/// Says how many of several must be up, for all of them together to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// One: each of them does the same, as API servers do.
    #[default]
    Any,
    /// More than half, as etcd's members.
    Majority,
    /// Every one.
    All,
}

impl Rule {
    /// Returns the rule for a job of which nobody says another: etcd and what runs on every node want most of them; of all
    /// else one is enough.
    pub fn of_job(job: &str) -> Self {
        match job {
            "etcd" | "kubelet" | "kube-proxy" => Rule::Majority,
            _ => Rule::Any,
        }
    }
}

/// How many stand how.
#[derive(Clone, Copy, Debug, Default)]
struct Counts([usize; Standing::ALL.len()]);

impl Counts {
    fn of(&self, standing: Standing) -> usize {
        self.0[standing as usize]
    }

    fn change(&mut self, from: Standing, to: Standing) {
        self.0[from as usize] -= 1;
        self.0[to as usize] += 1;
    }

    /// What is certain counts as that, and only that: up where enough are up, down where so few may be up that it can't be,
    /// and unplanned loss is among the reasons.
    fn judged(&self, rule: Rule) -> Standing {
        let of = |standing| self.of(standing);
        let (up, planned) = (of(Standing::Up), of(Standing::Maintenance));
        let (unseen, unknown) = (of(Standing::Unseen), of(Standing::Unknown));
        let there = self.0.iter().sum::<usize>() - of(Standing::Absent);
        if there == 0 {
            return Standing::Absent;
        }
        if planned == there {
            return Standing::Maintenance;
        }
        let needed = match rule {
            Rule::Any => 1,
            Rule::Majority => there / 2 + 1,
            // What is worked on by plan is not asked for.
            Rule::All => there - planned,
        };
        if up >= needed {
            Standing::Up
        } else if up + unseen + unknown < needed {
            if of(Standing::Down) > 0 { Standing::Down } else { Standing::Maintenance }
        } else if up + unseen >= needed {
            Standing::Unseen
        } else {
            Standing::Unknown
        }
    }
}

/// Returns what several count as together. Without any it is absent.
pub fn compose<'a>(rule: Rule, members: impl IntoIterator<Item = &'a Timeline>) -> Timeline {
    let members: Vec<&Timeline> = members.into_iter().collect();
    let mut edges: Vec<(i64, usize, Standing)> = Vec::new();
    for (i, member) in members.iter().enumerate() {
        edges.extend(member.changes().iter().map(|(at, standing)| (*at, i, *standing)));
    }
    edges.sort_unstable_by_key(|(at, ..)| *at);
    let mut now = vec![Standing::Absent; members.len()];
    let mut counts = Counts::default();
    counts.0[Standing::Absent as usize] = members.len();
    let mut out = Timeline::default();
    for same in edges.chunk_by(|a, b| a.0 == b.0) {
        for (_, i, standing) in same {
            counts.change(now[*i], *standing);
            now[*i] = *standing;
        }
        out.push(same[0].0, counts.judged(rule));
    }
    out
}
