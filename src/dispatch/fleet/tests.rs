use std::cell::Cell;

use super::*;
use crate::{
    model::{
        AlertName::{self as A, *},
        ChangeKind, ChangeScope, Fleet, FleetMember, IncidentAlert, NodeCondition, NodeFact, Severity,
    },
    notify::example,
};

const NOTHING: [&str; 0] = [];

fn t(seconds: u64) -> Timestamp {
    example::at("14:00:00") + Duration::from_secs(seconds)
}

/// `w1: zone=b, OS image=X`; `!` in front: the API server calls it NotReady.
fn node(text: &str) -> NodeFact {
    let (name, traits) = text.split_once(": ").unwrap();
    let status = if name.starts_with('!') { "False" } else { "True" };
    let ready = NodeCondition { kind: "Ready".into(), status: status.into(), ..NodeCondition::default() };
    let traits = traits.split(", ").filter_map(|t| t.split_once('=')).map(|(k, v)| (k.into(), v.into()));
    NodeFact {
        name: name.trim_start_matches('!').into(),
        conditions: [ready].into(),
        traits: Arc::new(traits.collect()),
        ..NodeFact::default()
    }
}

fn place(cluster: &str, nodes: &[&str]) -> Place {
    let snapshot = ClusterSnapshot { nodes: nodes.iter().map(|n| node(n)).collect(), ..ClusterSnapshot::default() };
    let fronts = vec![(format!("{cluster}.example.org"), true)];
    Place { cluster: cluster.into(), snapshot: Arc::new(snapshot), fronts, changes: Arc::default() }
}

fn incident(id: i64, cluster: &str, alert: A, subject: &str, since: u64) -> Incident {
    let mut finding = example::finding(alert, subject, &format!("{alert} {subject}"));
    finding.key.cluster = cluster.into();
    finding.since = t(since);
    if !subject.is_empty() {
        finding.labels = [("node".to_owned(), subject.to_owned())].into();
    }
    let severity = Severity::Critical;
    let mut incident = Incident::new(id, cluster.into(), Topic::Outage, t(since), finding.headline.clone(), severity);
    incident.alerts.push(IncidentAlert::new(finding, t(since)));
    incident
}

/// What becomes of incidents, as `2 with 1: …`.
fn joined(incidents: &[Incident], places: &[Place], to: impl Fn(&Incident) -> Option<Vec<String>>) -> Vec<String> {
    let asks = Asks { places: &|| places.to_vec(), told_to: &to };
    let now = incidents.iter().map(|i| i.started_at).max().unwrap();
    let said = |shared: FleetTrait| match shared {
        FleetTrait::Machines { word, value } => format!("{word} {value}"),
        FleetTrait::Change(what) => format!("after {what}"),
        FleetTrait::Address(host) => format!("behind {host}"),
        FleetTrait::Network(net) => format!("in {net}"),
        FleetTrait::Unknown => "unknown".to_owned(),
    };
    let one = |join| match join {
        Join::PartOf { incident, lead, shared } => format!("{incident} with {lead}: {}", said(shared)),
        Join::Beside { incident, other, shared } => format!("{incident} beside {other}: {}", said(shared)),
    };
    joins(incidents.iter(), &asks, now).into_iter().map(one).collect()
}

fn check(incidents: &[Incident], places: &[Place], expected: &[&str]) {
    assert_eq!(joined(incidents, places, |_| Some(vec!["ops".into()])), expected);
}

/// Two clusters with one node on a new image each, and one that is well.
fn new_image() -> [Place; 3] {
    let nodes = ["w1: OS image=new, kernel=7", "w2: OS image=old, kernel=6", "w3: OS image=old, kernel=6"];
    [place("prod", &nodes), place("lyon", &nodes), place("paris", &nodes[1..])]
}

fn two_nodes(apart: u64) -> [Incident; 2] {
    [incident(1, "prod", NodeDown, "w1", 0), incident(2, "lyon", NodeDown, "w1", apart)]
}

#[test]
fn nodes_on_the_same_image_are_one_trouble() {
    check(&two_nodes(60), &new_image(), &["2 with 1: OS image new"]);
    check(&two_nodes(300), &new_image(), &["2 with 1: OS image new"]);
    check(&two_nodes(301), &new_image(), &NOTHING);
    // Not ready in one, silent in the other: the same kind of trouble.
    let alike = [incident(1, "prod", NodeNotReady, "w1", 0), incident(2, "lyon", KubeletDown, "w1", 9)];
    check(&alike, &new_image(), &["2 with 1: OS image new"]);
    let other = [incident(1, "prod", NodeDown, "w1", 0), incident(2, "lyon", EtcdAlarm, "w1", 9)];
    check(&other, &new_image(), &NOTHING);
}

#[test]
fn the_one_that_was_told_first_tells_of_all() {
    let mut two = two_nodes(60);
    two[1].first_told_at = Some(t(61));
    check(&two, &new_image(), &["1 with 2: OS image new"]);
    two[0].first_told_at = Some(t(60));
    check(&two, &new_image(), &["2 with 1: OS image new"]);
}

#[test]
fn what_is_well_elsewhere_as_well_explains_nothing() {
    // Each cluster has lost a node of those that all run.
    let same = ["w1: OS image=old, zone=b", "w2: OS image=old, zone=b", "w3: OS image=old, zone=c"];
    check(&two_nodes(9), &[place("prod", &same), place("lyon", &same)], &NOTHING);
    // A third cluster runs well on the new image.
    let [prod, lyon, _] = new_image();
    let well = place("paris", &["a: OS image=new, kernel=7", "b: OS image=new, kernel=7"]);
    check(&two_nodes(9), &[prod.clone(), lyon.clone(), well], &NOTHING);
    // No machine is well: nothing to hold it against.
    let lost = ["w1: OS image=new"];
    check(&two_nodes(9), &[place("prod", &lost), place("lyon", &lost)], &NOTHING);
    // Nothing is known of the nodes.
    check(&two_nodes(9), &[place("prod", &[]), place("lyon", &[])], &NOTHING);
}

#[test]
fn a_rolling_upgrade_is_no_fleet_of_troubles() {
    // w1 of each restarts on the new image; those before it are well.
    let nodes = ["w1: OS image=new", "w2: OS image=new", "w3: OS image=new", "w4: OS image=old"];
    check(&two_nodes(100), &[place("prod", &nodes), place("lyon", &nodes)], &NOTHING);
}

#[test]
fn a_zone_of_the_same_name_may_be_somewhere_else() {
    let nodes = |region: &str| [format!("w1: zone=b, region={region}"), format!("w2: zone=a, region={region}")];
    let there = |cluster: &str, region: &str| place(cluster, &nodes(region).each_ref().map(String::as_str));
    check(&two_nodes(9), &[there("prod", "eu"), there("lyon", "us")], &NOTHING);
    check(&two_nodes(9), &[there("prod", "eu"), there("lyon", "eu")], &["2 with 1: zone eu/b"]);
}

#[test]
fn a_kernel_is_telling_in_three_clusters() {
    let nodes = ["w1: kernel=7", "w2: kernel=6", "w3: kernel=6"];
    let places = ["prod", "lyon", "paris", "rome"].map(|c| place(c, if c == "rome" { &nodes[1..] } else { &nodes }));
    let three = ["prod", "lyon", "paris"].iter().zip(1..).map(|(c, id)| incident(id, c, NodeDown, "w1", 0));
    let three: Vec<Incident> = three.collect();
    check(&three[..2], &places, &NOTHING);
    check(&three, &places, &["2 with 1: kernel 7", "3 with 1: kernel 7"]);
}

#[test]
fn the_same_change_is_telling_where_it_did_harm_alone() {
    let rollout = |old: &str| {
        let (subject, detail) = ("shop/api".to_owned(), format!("image r/api:{old} → r/api:3"));
        let scope = ChangeScope::Workload("shop".into(), "api".into());
        RecentChange { at: t(0), since: None, kind: ChangeKind::Rollout, subject, detail, scope }
    };
    let changed = |cluster: &str, old: &str| Place { changes: [Arc::new(rollout(old))].into(), ..place(cluster, &[]) };
    let failing = |id: i64, cluster: &str| {
        let mut incident = incident(id, cluster, RolloutFailing, "shop/api", 60);
        let labels = [("namespace".to_owned(), "shop".to_owned()), ("workload".to_owned(), "api".to_owned())];
        incident.alerts[0].finding.labels = labels.into();
        incident
    };
    let two = [failing(1, "prod"), failing(2, "lyon")];
    let places = [changed("prod", "1"), changed("lyon", "2"), place("paris", &[])];
    check(&two, &places, &["2 with 1: after image r/api:3"]);
    check(&two, &[changed("prod", "1"), changed("lyon", "2"), changed("paris", "2")], &NOTHING);
    check(&two, &[changed("prod", "1"), place("lyon", &[])], &NOTHING);
}

#[test]
fn what_stands_in_front_of_api_servers_is_telling() {
    let behind =
        |cluster: &str, host: &str, well: bool| Place { fronts: vec![(host.to_owned(), well)], ..place(cluster, &[]) };
    let two = [incident(1, "prod", ApiServersDown, "", 0), incident(2, "lyon", ClusterUnreachable, "", 5)];
    let (prod, lyon) = (behind("prod", "lb.example.org", false), behind("lyon", "lb.example.org", false));
    check(&two, &[prod.clone(), lyon.clone()], &["2 with 1: behind lb.example.org"]);
    check(&two, &[prod.clone(), lyon, behind("paris", "lb.example.org", true)], &NOTHING);
    check(&two, &[prod, behind("lyon", "other.example.org", false)], &NOTHING);
}

#[test]
fn most_clusters_at_once_are_one_trouble_without_a_reason() {
    let names = ["a", "b", "c", "d", "e"];
    let places = names.map(|c| place(c, &[]));
    let down = |seconds: [u64; 3]| {
        let one = |(i, since): (usize, u64)| incident(i as i64 + 1, names[i], ApiServersDown, "", since);
        seconds.into_iter().enumerate().map(one).collect::<Vec<_>>()
    };
    check(&down([0, 20, 60]), &places, &["2 with 1: unknown", "3 with 1: unknown"]);
    check(&down([0, 20, 61]), &places, &NOTHING);
    check(&down([0, 20, 60])[..2], &places[..2], &NOTHING);
    let many = ["a", "b", "c", "d", "e", "f"].map(|c| place(c, &[]));
    check(&down([0, 20, 60]), &many, &NOTHING);
    // What has no API server is no cluster.
    let checks = Place { fronts: Vec::new(), ..place("checks", &[]) };
    let with_checks: Vec<Place> = places.into_iter().chain([checks]).collect();
    check(&down([0, 20, 60]), &with_checks, &["2 with 1: unknown", "3 with 1: unknown"]);
}

#[test]
fn who_is_told_by_other_ways_keeps_an_incident_of_their_own() {
    let mut three = two_nodes(9).to_vec();
    three.push(incident(3, "rome", NodeDown, "w1", 9));
    let mut places = new_image().to_vec();
    places.push(place("rome", &["w1: OS image=new, kernel=7", "w2: OS image=old, kernel=6"]));
    let to = |incident: &Incident| Some(vec![if &*incident.cluster == "rome" { "rome" } else { "ops" }.to_owned()]);
    assert_eq!(joined(&three, &places, to), ["2 with 1: OS image new", "3 beside 1: OS image new"]);
    // What nobody is told of for now is part of nothing.
    assert_eq!(joined(&two_nodes(9), &places, |i| (i.id == 1).then(Vec::new)), NOTHING);
}

#[test]
fn another_cluster_joins_those_that_are_one_already() {
    let mut three = two_nodes(9).to_vec();
    three.push(incident(3, "rome", NodeDown, "w1", 60));
    let mut places = new_image().to_vec();
    places.push(place("rome", &["w1: OS image=new, kernel=7", "w2: OS image=old, kernel=6"]));
    let shared = FleetTrait::Machines { word: "OS image".into(), value: "new".into() };
    let member = FleetMember {
        incident: 2,
        cluster: "lyon".into(),
        joined_at: t(10),
        alone: false,
        well_at: None,
        roots: Vec::new(),
        more: 0,
    };
    let fleet = |role| Some(Box::new(Fleet { shared: shared.clone(), role, said: Vec::new() }));
    three[0].fleet = fleet(FleetRole::Leads(vec![member]));
    three[1].fleet = fleet(FleetRole::PartOf { incident: 1, cluster: "prod".into(), said_so: false });
    check(&three, &places, &["3 with 1: OS image new"]);
    check(&three[..2], &places, &NOTHING);
}

#[test]
fn a_hundred_clusters_with_fifty_incidents_each_cost_little() {
    let names: Vec<String> = (0..100).map(|i| format!("c{i}")).collect();
    let ids = || names.iter().flat_map(|c| (0..50).map(move |i| (c, i))).zip(1..);
    let asked = Cell::new(0);
    let nodes: Vec<String> = (0..50).map(|i| format!("w{i}: zone=a, OS image=old, kernel=6")).collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let places: Vec<Place> = names.iter().map(|c| place(c, &nodes)).collect();
    let count = |incidents: &[Incident], now| {
        asked.set(0);
        let asks = Asks {
            places: &|| {
                asked.set(asked.get() + 1);
                places.clone()
            },
            told_to: &|_| {
                asked.set(asked.get() + 1);
                Some(Vec::new())
            },
        };
        assert_eq!(joins(incidents.iter(), &asks, now), []);
        asked.get()
    };
    // What is open for long costs a look at its beginning.
    let all: Vec<Incident> = ids().map(|((c, i), id)| incident(id, c, NodeDown, &format!("w{i}"), 0)).collect();
    assert_eq!(count(&all, t(1_000)), 0);
    // All at once, and nothing in common: each is asked about once.
    assert_eq!(count(&all, t(30)), 5_001);
    // Each cluster has troubles of its own kind.
    let own: Vec<Incident> = all.iter().filter(|i| &*i.cluster == "c7").cloned().collect();
    assert_eq!(count(&own, t(30)), 0);
}
