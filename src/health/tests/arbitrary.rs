//! Any picture at all: no panic, no dangling cause, the same words every time.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::*;
use world::{at, certificate};

fn shake(entry: &mut world::Entry, (state, reason, since, how): (usize, usize, i64, u8)) {
    let (state, reason) = (State::ALL[state], Reason::ALL[reason]);
    entry.fail(state, reason, since);
    if how & 1 > 0 {
        entry.last.phases = Phases::default();
    }
    if how & 2 > 0 {
        entry.last.facts = Facts::None;
    }
    if how & 4 > 0 || state == State::Up {
        entry.last.failure = None;
        entry.verdict.reason = None;
    }
    if how & 8 > 0 {
        let chain = [certificate("serving", "CN=x", -since, since)].into();
        entry.last.tls = Some(TlsFacts { version: None, chain, anchor: None, verified: how & 16 > 0 });
    }
    match &mut entry.last.facts {
        Facts::ApiServer(facts) => facts.etcd_only = how & 32 > 0,
        Facts::Etcd(facts) if how & 32 > 0 => facts.has_leader = Some(false),
        Facts::Etcd(facts) if how & 64 > 0 => facts.members = vec![],
        _ => {}
    }
}

/// Shaken views: each target as it comes, or all of one component alike.
fn worlds() -> impl Strategy<Value = World> {
    let shake_of = || (0..State::ALL.len(), 0..Reason::ALL.len(), -300i64..300, any::<u8>());
    let moves = prop::collection::vec((0usize..40, any::<bool>(), shake_of()), 0..30);
    let leases = prop::collection::vec((0u64..90, any::<u8>()), 12);
    (0usize..12, moves, leases, prop::option::of(-100i64..10), prop::option::of(-300i64..10)).prop_map(
        |(nodes, moves, leases, leases_at, read_at)| {
            let mut world = World::new(nodes);
            for (which, alike, how) in moves {
                let which = which % world.entries.len();
                let job = world.entries[which].target.key.job;
                let chosen = |(i, e): &(usize, &mut world::Entry)| *i == which || (alike && e.target.key.job == job);
                world.entries.iter_mut().enumerate().filter(chosen).for_each(|(_, e)| shake(e, how));
            }
            for (node, (age, bits)) in world.snapshot.nodes.iter_mut().zip(leases) {
                node.lease = (bits & 1 == 0).then(|| world::sight(age));
                node.unschedulable = bits & 6 == 6;
                node.control_plane = bits & 24 == 24;
                if bits & 32 > 0 {
                    std::sync::Arc::make_mut(&mut node.conditions)[0].status = "Unknown".into();
                }
            }
            (world.snapshot.leases_at, world.snapshot.read_at) = (leases_at.map(at), read_at.map(at));
            world
        },
    )
}

proptest! {
    #[test]
    fn every_picture_can_be_told(mut world in worlds(), turn in 0usize..20) {
        let first = world.diagnose();
        every_cause_exists(&first);
        let n = world.entries.len();
        world.entries.rotate_left(turn % n);
        prop_assert_eq!(&world.diagnose(), &first, "the order of targets changes nothing");
    }
}

#[test]
fn nothing_known_at_all() {
    let mut world = World::new(0);
    world.entries.clear();
    world.snapshot = ClusterSnapshot::default();
    assert_snapshot!(told(&world), @"");
}

#[test]
fn absurd_times_are_survived() {
    let mut world = World::new(2);
    world.down("*", Reason::Timeout, -9);
    world.entries[0].verdict.since = jiff::Timestamp::MIN;
    world.entries[1].verdict.since = jiff::Timestamp::MAX;
    world.entries[2].last.started = jiff::Timestamp::MAX;
    world.lead(0, "cp1", u64::MAX);
    world.snapshot.leaders[1].duration = Duration::MAX;
    world.fact("n01").lease = Some(world::sight(u64::MAX));
    world.own[0].not_after = jiff::Timestamp::MIN;
    world.own[0].not_before = jiff::Timestamp::MAX;
    every_cause_exists(&world.diagnose());
}

/// Not a benchmark: it fails where something scans all targets for each target.
#[test]
fn five_thousand_targets_are_judged_quickly() {
    let mut world = World::new(5000);
    let of = |w: &World| {
        let start = std::time::Instant::now();
        w.diagnose();
        start.elapsed()
    };
    let well = of(&world);
    world.down("kubelet", Reason::Timeout, -30);
    let lost = of(&world);
    assert!(well < Duration::from_secs(1) && lost < Duration::from_secs(2), "{well:?} and {lost:?}, unoptimised");
}
