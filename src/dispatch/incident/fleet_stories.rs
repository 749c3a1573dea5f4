//! The same trouble in several clusters, second by second: what is found where, and every message that comes of it.

use jiff::tz::TimeZone;

use super::{fleet::Place, *};
use crate::{
    dispatch::fleet_words,
    model::{AlertName, ClusterSnapshot, Finding, NodeCondition, NodeFact},
    notify::example,
    words::{Language, Voice},
};

const PACE: Pace = Pace { group_interval: Duration::from_secs(300), repeat_interval: Duration::from_secs(4 * 3600) };

fn t(seconds: u64) -> Timestamp {
    example::at("14:00:00") + Duration::from_secs(seconds)
}

/// Two nodes, of which w1, where it is lost, has what nothing that is well has.
fn place(cluster: &str, word: &str, is_lost: bool) -> Place {
    let node = |name: &str, value: &str| NodeFact {
        name: name.into(),
        traits: Arc::new([(word.to_owned(), value.to_owned())].into()),
        conditions: [NodeCondition { kind: "Ready".into(), status: "True".into(), ..NodeCondition::default() }].into(),
        ..NodeFact::default()
    };
    let nodes = vec![node("w1", if is_lost { "new" } else { "old" }), node("w2", "old")];
    let snapshot = Arc::new(ClusterSnapshot { nodes, ..ClusterSnapshot::default() });
    Place { cluster: cluster.into(), snapshot, fronts: Vec::new(), changes: Arc::default() }
}

struct Fleets {
    open: Open,
    /// What the first nodes share.
    word: &'static str,
    silenced: Option<&'static str>,
    now: u64,
    /// Since when w1 of a cluster is lost.
    lost: BTreeMap<&'static str, u64>,
    /// Where w1 is back and not ready yet, since when.
    not_ready: Option<(&'static str, u64)>,
    /// What was stored last of every incident.
    stored: BTreeMap<i64, Incident>,
}

impl Fleets {
    fn new(word: &'static str) -> Self {
        let (open, lost, stored) = (Open::default(), BTreeMap::new(), BTreeMap::new());
        Self { open, word, silenced: None, now: 0, lost, not_ready: None, stored }
    }

    fn look(&mut self) -> Vec<String> {
        let diagnosis = |cluster: &&str| {
            let finding = |alert, headline: &str, since: u64| {
                let mut finding = example::finding(alert, "w1", headline);
                (finding.key.cluster, finding.since) = ((*cluster).into(), t(since));
                finding.labels = [("node".to_owned(), "w1".to_owned())].into();
                finding
            };
            let lost = self.lost.get(cluster).map(|since| finding(AlertName::NodeDown, "w1 is lost", *since));
            let back = self.not_ready.filter(|(name, _)| name == cluster);
            let back = back.map(|(_, since)| finding(AlertName::NodeNotReady, "w1 is not ready", since));
            let findings: Vec<Finding> = lost.into_iter().chain(back).collect();
            let (cluster, changes) = ((*cluster).into(), Arc::default());
            Arc::new(Diagnosis { cluster, at: t(self.now), findings, unsettled: false, blind: false, changes })
        };
        let clusters = ["prod", "lyon", "rome"];
        let diagnoses: Vec<_> = clusters.iter().map(diagnosis).collect();
        let word = self.word;
        let silenced = self.silenced;
        let quiet =
            |i: &Incident| silenced.filter(|c| **c == *i.cluster && i.firing().next().is_some()).map(String::from);
        let policy = NotificationPolicy { pace: &|_| PACE, quiet: &quiet, warnings_after: Duration::from_secs(60) };
        let asks = fleet::Asks {
            places: &|| clusters.map(|c| place(c, word, self.lost.contains_key(c))).to_vec(),
            told_to: &|i| quiet(i).is_none().then(|| vec!["ops".to_owned()]),
        };
        let mut told = Vec::new();
        for change in self.open.step(&diagnoses, t(self.now), &policy, Some(&asks)) {
            let (id, headline) = (change.incident.id, &change.incident.headline);
            told.extend(change.told.map(|why| format!("{} {why:?} #{id} {headline}", self.now)));
            self.stored.insert(id, change.incident);
        }
        told
    }

    /// All that is told until a second.
    fn until(&mut self, end: u64) -> Vec<String> {
        let mut told = Vec::new();
        while self.now < end {
            told.extend(self.look());
            self.now += 1;
        }
        told
    }

    /// As after `kill -9` and a start on the same database.
    fn restart(&mut self) {
        let text = serde_json::to_string(&self.stored.values().collect::<Vec<_>>()).unwrap();
        let incidents: Vec<Incident> = serde_json::from_str(&text).unwrap();
        self.open = Open::restore(incidents, self.open.last_id);
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn two_clusters_are_told_as_one_and_end_as_one() {
    let mut f = Fleets::new("OS image");
    f.lost.insert("prod", 0);
    assert_eq!(f.until(60), ["0 Opened #1 w1 is lost"]);
    f.lost.insert("lyon", 60);
    let both = "w1 is lost; the same in lyon, all with OS image new";
    assert_eq!(f.until(400), [format!("70 Worse #1 {both}")]);
    f.restart();
    f.lost.remove("prod");
    // Its own cluster is well: told when the other messages have had their time, and no end yet.
    assert_eq!(f.until(1_000), [format!("423 Update #1 {both}")]);
    f.lost.remove("lyon");
    let ends = f.until(1_100);
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert!(ends[0].contains(&format!("Resolved #1 {both}")), "{ends:?}");
    assert_eq!(f.open.incidents().count(), 0);
    let [first, second] = [&f.stored[&1], &f.stored[&2]];
    assert_eq!((second.messages, &*second.cluster, second.told_by()), (0, "lyon", Some(1)));
    assert_eq!(second.timeline.last().unwrap().1, "Over; it was told with incident 1");
    assert!(first.resolved_at >= second.resolved_at, "the one that is told ends last");
    let of_lyon = &first.members()[0];
    assert_eq!((of_lyon.roots.len(), of_lyon.roots[0].end_told), (1, Some(3)), "the last message tells its end");
}

#[test]
fn what_fails_at_once_is_told_at_once_as_one() {
    let mut f = Fleets::new("OS image");
    f.lost.extend([("prod", 0), ("lyon", 0), ("rome", 0)]);
    f.word = "zone";
    assert_eq!(f.until(400), ["0 Opened #1 w1 is lost; the same in lyon and rome, all of zone new"]);
    f.lost.remove("rome");
    assert_eq!(f.until(1_000).len(), 1, "that rome is well again is an update");
    f.lost.clear();
    assert_eq!(f.until(1_100).len(), 1, "one end");
}

#[test]
fn who_was_told_before_hears_once_that_it_belongs_to_another() {
    // Two clusters are too few for a kernel; the third shows that it is one.
    let mut f = Fleets::new("kernel");
    f.lost.insert("prod", 0);
    f.lost.insert("lyon", 0);
    assert_eq!(f.until(60), ["0 Opened #1 w1 is lost", "0 Opened #2 w1 is lost"]);
    f.lost.insert("rome", 60);
    let all = "w1 is lost; the same in lyon and rome, all with kernel new";
    assert_eq!(f.until(400), ["60 Update #2 w1 is lost".to_owned(), format!("70 Worse #1 {all}")]);
    f.restart();
    assert_eq!(f.until(410), NOTHING, "a restart forgets nothing");
    f.lost.remove("lyon");
    assert_eq!(f.until(1_000), ["413 Resolved #2 w1 is lost"], "its end is told where it was told, once");
    f.lost.clear();
    assert_eq!(f.until(1_100), [format!("1003 Resolved #1 {all}")]);
}

#[test]
fn what_another_cluster_leaves_behind_is_nothing_worse() {
    let mut f = Fleets::new("OS image");
    f.lost.insert("prod", 0);
    f.until(60);
    f.lost.insert("lyon", 60);
    f.until(400);
    f.lost.remove("lyon");
    f.not_ready = Some(("lyon", 400));
    assert_eq!(f.until(430), NOTHING);
    f.not_ready = None;
    let told = f.until(1_000);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("Update #1"), "{told:?}");
}

#[test]
fn unrelated_troubles_stay_apart() {
    let mut f = Fleets::new("rack");
    f.lost.insert("prod", 0);
    assert_eq!(f.until(30), ["0 Opened #1 w1 is lost"]);
    f.lost.insert("lyon", 30);
    assert_eq!(f.until(60), ["30 Opened #2 w1 is lost"]);
    // The same image, ten minutes apart.
    let mut f = Fleets::new("OS image");
    f.lost.insert("prod", 0);
    f.until(600);
    f.lost.insert("lyon", 600);
    assert_eq!(f.until(620), ["600 Opened #2 w1 is lost"]);
}

#[test]
fn a_silence_of_one_cluster_keeps_the_others_told() {
    let mut f = Fleets::new("OS image");
    f.lost.insert("prod", 0);
    f.until(60);
    f.lost.insert("lyon", 60);
    f.until(65);
    f.silenced = Some("prod");
    assert_eq!(f.until(80), ["70 Worse #1 w1 is lost; the same in lyon, all with OS image new"]);
    // What is silenced from the beginning is part of nothing, and is told when it no longer is.
    let mut f = Fleets::new("OS image");
    f.silenced = Some("prod");
    f.lost.extend([("prod", 0), ("lyon", 0)]);
    assert_eq!(f.until(60), ["0 Opened #2 w1 is lost"]);
    f.silenced = None;
    assert_eq!(f.until(80), ["70 Worse #2 w1 is lost; the same in prod, all with OS image new"]);
}

#[test]
fn where_the_one_that_tells_goes_the_others_tell_of_themselves() {
    let mut f = Fleets::new("OS image");
    f.lost.insert("prod", 0);
    f.until(60);
    f.lost.insert("lyon", 60);
    f.until(100);
    let gone = f.open.retain_clusters(&["lyon".into(), "rome".into()].into(), t(100));
    assert_eq!(gone.len(), 1);
    assert!(!gone[0].incident.is_firing() && gone[0].told == Some(NotificationKind::Resolved));
    f.lost.remove("prod");
    assert_eq!(f.until(110), ["100 Opened #2 w1 is lost"]);
    assert_eq!(f.open.incidents().next().unwrap().fleet, None);
}

#[test]
fn who_reads_french_is_told_so() {
    let mut f = Fleets::new("OS image");
    f.lost.extend([("prod", 0), ("lyon", 0)]);
    f.look();
    let french = Voice::new(Language::of("fr").unwrap(), TimeZone::UTC);
    let told = fleet_words::as_told(&f.stored[&1]);
    let told = french.incident(&told);
    assert_eq!(told.headline, "w1 is lost ; même chose dans lyon, à chaque fois avec OS image new");
    let line = "même chose dans lyon depuis 23/11/2026 14:00:00 UTC (incident 2) : w1 is lost";
    assert_eq!(told.alerts[0].finding.evidence[0], line);
    let part = &french.fleet(&f.stored[&2])[0];
    assert!(part.starts_with("fait partie de l'incident 1 de prod"), "{part}");
}
