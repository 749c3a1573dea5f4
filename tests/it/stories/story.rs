//! How a story is written: `tests/stories/*.yml`, one file a story. ARCHITECTURE.md says how to write one.

use std::{collections::BTreeMap, path::Path, time::Duration};

use dogwatch::{
    check::config::CheckConfig,
    model::duration::{self, prometheus},
};
use serde::Deserialize;
use serde_json::Value;

/// What happens to a cluster, and what must be told of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// In one line.
    pub story: String,
    /// Of where: `record 2` (the public record), `lab: kill etcd-2`, or nothing.
    #[serde(default)]
    pub of: String,
    /// What happened, for people.
    about: String,
    /// The cluster, where it is not the usual one.
    #[serde(default)]
    pub cluster: ClusterSpec,
    /// More clusters of the same kind, beside `prod`.
    #[serde(default)]
    pub also: Vec<String>,
    /// What happens, see [`Story::events`].
    #[serde(default)]
    timeline: Vec<BTreeMap<String, Value>>,
    /// How long it is watched.
    #[serde(with = "duration")]
    pub end: Duration,
    /// What must be told.
    pub expect: Expect,
    /// The file's name, without its ending.
    #[serde(skip)]
    pub name: String,
}

/// The cluster: all that is not said works.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSpec {
    /// So many control-plane hosts, cp1 and on; 0: somebody else's, behind `load_balancer`.
    pub control_plane: usize,
    /// Whether etcd can be asked.
    pub etcd: bool,
    /// Whether API servers know the member on their own host alone, as kubeadm has it.
    pub own_etcd: bool,
    /// `40 in zones a, b`: w1 and on.
    pub nodes: String,
    /// The advertised host, in front of the API servers.
    pub load_balancer: Option<String>,
    /// Time between two probes.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// As in the configuration.
    pub checks: Vec<CheckConfig>,
    /// `lease`, `pod`: a run each minute.
    pub canary: Vec<String>,
    /// What the recorder has seen, as kubectl writes it.
    pub objects: Vec<Value>,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self {
            control_plane: 3,
            etcd: true,
            own_etcd: true,
            nodes: "6 in zones a, b, c".into(),
            load_balancer: None,
            interval: Duration::from_secs(10),
            checks: Vec::new(),
            canary: Vec::new(),
            objects: Vec::new(),
        }
    }
}

/// How well a story is told today.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Today {
    /// The first headline names the cause.
    Named,
    /// Something is told, and not the cause.
    Symptom,
    /// Nothing is told, and something should be.
    Silent,
    /// Nothing is told, and nothing should be.
    Quiet,
}

/// What must be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// See there.
    pub today: Today,
    /// Parts of the first headline.
    #[serde(default)]
    pub first: Vec<String>,
    /// It comes so long after `since`.
    #[serde(default, with = "duration::option")]
    pub within: Option<Duration>,
    /// The moment from which `within` counts; without it the first one of the timeline.
    #[serde(default, with = "duration::option")]
    pub since: Option<Duration>,
    /// So many messages come in all.
    #[serde(default)]
    pub messages: usize,
    /// The last of them is an end.
    #[serde(default)]
    pub ends: bool,
    /// Parts of the last headline.
    #[serde(default)]
    pub last: Vec<String>,
    /// No headline has any of these.
    #[serde(default)]
    pub never: Vec<String>,
    /// The headline that would name the cause, where none does yet.
    #[serde(default)]
    pub wanted: Option<String>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, from the beginning of the story.
    pub at: Duration,
    /// Where.
    pub cluster: String,
    /// `etcd cp2`.
    pub who: String,
    /// `refuses`.
    pub how: Value,
}

impl Story {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut story: Self = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        story.name = path.file_stem().unwrap().to_string_lossy().into_owned();
        story.check();
        story
    }

    fn check(&self) {
        let (name, e) = (&self.name, &self.expect);
        assert!(!self.about.trim().is_empty() && !self.story.is_empty(), "{name}: a story says what happens");
        let tells = matches!(e.today, Today::Named | Today::Symptom);
        assert_eq!(tells, !e.first.is_empty(), "{name}: `first` is what is told first");
        assert_eq!(tells, e.messages > 0, "{name}: `messages` says how many come");
        assert_eq!(tells, e.within.is_some(), "{name}: `within` says how soon");
        let lacks = matches!(e.today, Today::Symptom | Today::Silent);
        assert_eq!(lacks, e.wanted.is_some(), "{name}: `wanted` is the headline that is missing, where one is");
    }

    /// Everything that happens, in its order. An entry with `each` and `every` is one event for each name of the list, one
    /// after the other; `$` stands for the name. `lyon/etcd cp2` is one of another cluster than `prod`.
    pub fn events(&self) -> Vec<Event> {
        let mut all = Vec::new();
        for entry in &self.timeline {
            let text = |key: &str| entry.get(key).map(|v| v.as_str().unwrap_or_else(|| panic!("{key} is text")));
            let time = |key: &str| text(key).map(|t| prometheus(t).unwrap_or_else(|e| panic!("{}: {e}", self.name)));
            let at = time("at").unwrap_or_else(|| panic!("{}: an entry has no `at`", self.name));
            let names = text("each").map_or_else(|| vec![String::new()], names);
            let every = time("every").unwrap_or_default();
            for (i, name) in names.iter().enumerate() {
                let at = at + every * u32::try_from(i).unwrap();
                let whats = entry.iter().filter(|(key, _)| !["at", "what", "each", "every"].contains(&key.as_str()));
                for (who, how) in whats {
                    // Without a list of its own, `$` belongs to a list of objects.
                    let named = |text: &str| if name.is_empty() { text.to_owned() } else { text.replace('$', name) };
                    let how: Value = serde_json::from_str(&named(&how.to_string())).unwrap();
                    let who = named(who);
                    let of_other = who.split_once('/').filter(|(name, _)| self.also.iter().any(|also| also == name));
                    let (cluster, who) = of_other.unwrap_or(("prod", &who));
                    all.push(Event { at, cluster: cluster.to_owned(), who: who.to_owned(), how });
                }
            }
        }
        all.sort_by_key(|e| e.at);
        all
    }

    /// When the first thing happens.
    pub fn begins(&self) -> Duration {
        self.events().first().map_or(Duration::ZERO, |e| e.at)
    }
}

/// `w1..w4, w9` → w1, w2, w3, w4, w9; `1..3` → 1, 2, 3.
pub fn names(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        let Some((from, to)) = part.split_once("..") else {
            all.push(part.to_owned());
            continue;
        };
        let prefix = from.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = |text: &str| text.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
        let (Some(from), Some(to)) = (number(from), number(to)) else { panic!("{part:?} is no range") };
        all.extend((from..=to).map(|n| format!("{prefix}{n}")));
    }
    all
}
