//! What objects tell, and what explains it.

use super::*;
use crate::model::{
    AddonFact, AddonRole, AlertName, BackupFact, CordonedNode, DeadWebhook, EventFlood, Evictions, FailedPulls,
    FailedStarts, FallenPods, Job, LaggingEndpoints, Reason, Several, Situation, StartFailure, State, StuckRollout,
    TerminatingNamespace, Vanished, WaitingPods,
};

fn with(situation: Situation) -> World {
    World { situation: Some(Situation { as_of: Some(world::at(-2)), ..situation }), ..World::new(3) }
}

/// The first line of what is told.
fn first(world: &World) -> String {
    told(world).lines().next().unwrap_or_default().to_owned()
}

fn several(count: usize, since: i64, name: &str) -> Several {
    let mut all = Several::default();
    (0..count).for_each(|i| all.add(&format!("{name}-{i}"), world::at(since)));
    all
}

fn webhook(since: i64, is_broad: bool) -> DeadWebhook {
    DeadWebhook {
        configuration: "kyverno".into(),
        kind: "ValidatingWebhookConfiguration",
        name: "validate.kyverno.svc".into(),
        service: "kyverno/kyverno-svc".into(),
        asked: "create, update of pods".into(),
        is_broad,
        since: world::at(since),
    }
}

fn addon(role: AddonRole, (ready, wanted): (u64, u64), since: i64) -> AddonFact {
    AddonFact {
        role,
        kind: if role == AddonRole::Dns { "Deployment" } else { "DaemonSet" },
        key: if role == AddonRole::Dns { "kube-system/coredns" } else { "kube-system/cilium" }.into(),
        ready,
        wanted,
        is_replaced: false,
        since: Some(world::at(since)),
        images: "r/coredns:1.14".into(),
        changed: None,
        memory_kills: 0,
    }
}

fn rollout(key: &str, reason: &str, since: i64) -> StuckRollout {
    StuckRollout {
        kind: "Deployment".into(),
        key: key.into(),
        reason: reason.into(),
        image: "r.example.org/api:3".into(),
        registry: "r.example.org".into(),
        waiting: 1,
        since: world::at(since),
        ready: 3,
        wanted: 3,
    }
}

#[test]
fn a_webhook_is_told_once_it_lasts_and_wakes_when_nothing_starts() {
    let told_of =
        |since, is_broad| first(&with(Situation { webhooks: vec![webhook(since, is_broad)], ..Situation::default() }));
    assert_eq!(told_of(-10, true), "");
    assert!(told_of(-30, true).starts_with("warning WebhookFailing: create, update of pods fails"));
    assert!(told_of(-90, true).starts_with("critical WebhookFailing"), "{}", told_of(-90, true));
    assert!(told_of(-90, false).starts_with("warning WebhookFailing"));
}

#[test]
fn nothing_begins_while_the_api_is_silent() {
    let mut world = with(Situation { webhooks: vec![webhook(-20, true)], ..Situation::default() });
    // Last heard of 15 s after it began; it is judged as of then.
    world.situation.as_mut().unwrap().as_of = Some(world::at(-8));
    assert_eq!(first(&world), "");
    world.situation.as_mut().unwrap().as_of = None;
    assert_eq!(first(&world), "");
}

#[test]
fn the_scheduler_is_accused_though_its_lease_is_fresh() {
    let unseen = |since| WaitingPods { why: "default-scheduler".into(), pods: several(40, since, "shop/p") };
    let w = with(Situation { unseen_pods: vec![unseen(-90)], ..Situation::default() });
    assert_snapshot!(in_full(&w.diagnose().findings[0]), @r##"
    the scheduler has placed nothing since 2026-11-23 05:58:30 UTC: more than 20 pods wait that it has not looked at
    since 2026-11-23T05:58:30Z
      without a word of default-scheduler: shop/p-0, shop/p-1, shop/p-10, shop/p-11, shop/p-12 and 35 more
      its lease is renewed by cp1 all the same
    first: on the leader's host: `crictl logs $(crictl ps -q --name kube-scheduler)`; restart it there: `crictl stop $(crictl ps -q --name kube-scheduler)`, and another one takes over
    {"job": "kube-scheduler"}
    "##);
    assert_eq!(first(&with(Situation { unseen_pods: vec![unseen(-20)], ..Situation::default() })), "");
    // Where nobody leads, that is what is told.
    let mut leaderless = with(Situation { unseen_pods: vec![unseen(-90)], ..Situation::default() });
    for target in leaderless.entries.iter_mut().filter(|e| e.target.key.job == Job::KubeScheduler) {
        target.fail(State::Down, Reason::Timeout, -100);
    }
    leaderless.snapshot.leaders[0].sight = Some(world::sight(100));
    let found = leaderless.diagnose().findings;
    assert_eq!(found[0].key.alert, AlertName::SchedulerNoLeader);
    let stuck = found.iter().find(|f| f.key.alert == AlertName::SchedulerStuck).unwrap();
    assert_eq!(stuck.caused_by.as_ref().map(|k| k.alert), Some(AlertName::SchedulerNoLeader));
}

#[test]
fn endpoints_that_do_not_follow_are_a_sign_of_controllers_that_are_stuck() {
    let lagging = |services| LaggingEndpoints {
        services: several(services, -400, "shop/s"),
        missing: several(1, -400, "shop/new"),
        gone: several(3, -390, "shop/old"),
    };
    let w = with(Situation { lagging_endpoints: Some(lagging(2)), ..Situation::default() });
    let found = w.diagnose().findings;
    assert_eq!((found.len(), found[0].severity), (1, crate::model::Severity::Critical));
    assert_snapshot!(in_full(&found[0]), @r##"
    endpoints of 2 services do not follow their pods since 2026-11-23 05:53:20 UTC: 1 ready pod is missing, 3 listed pods are gone
    since 2026-11-23T05:53:20Z
      endpoints do not follow: shop/s-0, shop/s-1
      ready, and in no EndpointSlice: shop/new-0
      gone, and still in one: shop/old-0, shop/old-1, shop/old-2
    first: on the leader's host: `crictl logs $(crictl ps -q --name kube-controller-manager)`; restart it there, and another one takes over
    {"job": "kube-controller-manager"}
    "##);
    let one = first(&with(Situation { lagging_endpoints: Some(lagging(1)), ..Situation::default() }));
    assert!(one.starts_with("warning ControllersStuck: endpoints of shop/s-0 do not follow"), "{one}");
    // Workloads that nobody looks at say more.
    let unreconciled = Some(several(3, -100, "shop/d"));
    let both = with(Situation { unreconciled, lagging_endpoints: Some(lagging(2)), ..Situation::default() });
    let found = both.diagnose().findings;
    assert!(found.len() == 1 && found[0].headline.starts_with("nothing is reconciled since"), "{found:?}");
    assert!(found[0].evidence.iter().any(|line| line == "endpoints do not follow: shop/s-0, shop/s-1"));
}

#[test]
fn pods_that_are_not_made_anew_are_told_and_so_is_who_keeps_them_from_it() {
    let fallen = |since| {
        let namespaces = vec![("shop".to_owned(), 2, 40)];
        Some(FallenPods { left: 20, of: 60, wanted: 60, since: world::at(since), namespaces })
    };
    let w = with(Situation { fallen_pods: fallen(-90), ..Situation::default() });
    assert_eq!(
        first(&w),
        "critical ObjectsDeleted: pods went and are not made anew: 20 of 60 are left, and 60 are wanted"
    );
    assert_eq!(first(&with(Situation { fallen_pods: fallen(-60), ..Situation::default() })), "", "an election");
    let cause = |situation: Situation| {
        let found = with(situation).diagnose().findings;
        let fallen = found.into_iter().find(|f| f.key.subject == "pods").unwrap();
        fallen.caused_by.map(|key| key.alert)
    };
    let hook = Situation { webhooks: vec![webhook(-100, true)], fallen_pods: fallen(-90), ..Situation::default() };
    assert_eq!(cause(hook), Some(AlertName::WebhookFailing));
    let unreconciled = Some(several(3, -80, "shop/d"));
    let stuck = Situation { unreconciled, fallen_pods: fallen(-90), ..Situation::default() };
    assert_eq!(cause(stuck), Some(AlertName::ControllersStuck));
}

#[test]
fn a_flood_of_events_is_told_where_nothing_else_is_found() {
    let flood = EventFlood {
        since: world::at(-90),
        count: 3_000,
        worst: 400,
        namespace: "shop".into(),
        reason: "BackOff".into(),
    };
    let situation = Situation { event_flood: Some(flood), ..Situation::default() };
    assert_eq!(
        first(&with(situation.clone())),
        "warning ObjectsGrowing: events flood in: 3000 within ten minutes, where 400 were the most in the hours before; most are \
         BackOff in namespace shop"
    );
    let w = with(Situation { webhooks: vec![webhook(-100, true)], ..situation });
    assert!(w.diagnose().findings.iter().all(|f| f.key.alert != AlertName::ObjectsGrowing));
}

#[test]
fn the_clusters_dns_explains_its_own_rollout_and_what_crashes_after_it() {
    let mut dns = addon(AddonRole::Dns, (0, 2), -200);
    dns.changed = Some((world::at(-230), "its image became r/coredns:1.14".into()));
    let rollouts =
        vec![rollout("kube-system/coredns", "ImagePullBackOff", -220), rollout("shop/api", "CrashLoopBackOff", -190)];
    let w = with(Situation { addons: vec![dns], rollouts, ..Situation::default() });
    let found = w.diagnose().findings;
    assert_snapshot!(in_full(&found[0]), @r##"
    the cluster's DNS is down: coredns has no ready pod (0 of 2); its image became r/coredns:1.14 at 2026-11-23 05:56:10 UTC
    since 2026-11-23T05:56:40Z
      Deployment kube-system/coredns: 0 of 2 ready since 2026-11-23 05:56:40 UTC
      images: r/coredns:1.14
      its image became r/coredns:1.14 at 2026-11-23 05:56:10 UTC
    first: `kubectl -n kube-system describe deployment coredns`; `kubectl -n kube-system rollout undo deployment coredns` where it was changed
    {"workload": "kube-system/coredns"}
    "##);
    let roots: Vec<_> = found.iter().filter(|f| f.caused_by.is_none()).map(|f| f.key.alert).collect();
    assert_eq!(roots, [AlertName::ClusterDnsDown]);
    let replaced = AddonFact { is_replaced: true, ..addon(AddonRole::Dns, (0, 0), -200) };
    assert_eq!(first(&with(Situation { addons: vec![replaced], ..Situation::default() })), "");
}

#[test]
fn daemons_on_nodes_that_are_away_are_not_missed() {
    let short = |nodes_away: usize| {
        let mut w = with(Situation { addons: vec![addon(AddonRole::Network, (2, 3), -400)], ..Situation::default() });
        w.snapshot.nodes.iter_mut().take(nodes_away).for_each(|n| n.unschedulable = true);
        first(&w)
    };
    assert!(short(0).starts_with("warning AddonDegraded: the pods' network is in trouble: 2 of 3"), "{}", short(0));
    assert_eq!(short(1), "");
}

#[test]
fn a_registry_explains_the_rollouts_that_wait_for_it() {
    let pulls =
        FailedPulls { registry: "r.example.org".into(), pods: several(3, -60, "shop/p"), nodes: 2, workloads: 2 };
    let rollouts = vec![rollout("shop/api", "ErrImagePull", -60), rollout("shop/web", "ErrImagePull", -50)];
    let w = with(Situation { pulls: vec![pulls], rollouts, ..Situation::default() });
    let found = w.diagnose().findings;
    let roots: Vec<_> = found.iter().filter(|f| f.caused_by.is_none()).map(|f| f.key.alert).collect();
    assert_eq!(roots, [AlertName::RegistryFailing]);
    // One alone is its own fault; many are one.
    let one =
        first(&with(Situation { rollouts: vec![rollout("shop/api", "ErrImagePull", -60)], ..Situation::default() }));
    assert_eq!(
        one,
        "warning RolloutFailing: new pods of Deployment shop/api don't start: image r.example.org/api:3 can't be pulled; 3 of 3 are ready"
    );
    let many: Vec<_> = (0..5).map(|i| rollout(&format!("shop/w{i}"), "CrashLoopBackOff", -200)).collect();
    let found = with(Situation { rollouts: many, ..Situation::default() }).diagnose().findings;
    assert_eq!(found.iter().filter(|f| f.caused_by.is_none()).count(), 1);
}

#[test]
fn evictions_explain_the_pods_that_find_no_room_afterwards() {
    let evictions = |count| Evictions {
        why: "the node was low on resource: memory".into(),
        pods: several(count, -700, "shop/p"),
        nodes: vec![("n01".into(), count)],
        workloads: vec![("Deployment shop/api".into(), count)],
        until: world::at(-100),
    };
    assert_eq!(first(&with(Situation { evictions: vec![evictions(9)], ..Situation::default() })), "");
    let unplaced = WaitingPods { why: "Insufficient memory".into(), pods: several(30, -690, "shop/q") };
    let w = with(Situation { evictions: vec![evictions(201)], unplaced_pods: vec![unplaced], ..Situation::default() });
    let found = w.diagnose().findings;
    assert_snapshot!(in_full(&found[0]), @r##"
    more than 200 pods were evicted within minutes on n01: the node was low on resource: memory
    since 2026-11-23T05:48:20Z
      201 between 2026-11-23 05:48:20 UTC and 2026-11-23 05:58:20 UTC
      by node: n01 (201)
      by workload: Deployment shop/api (201)
      among them: shop/p-0, shop/p-1, shop/p-10, shop/p-100, shop/p-101 and 196 more
    first: `kubectl describe node n01`: pressure, and what uses it; ssh n01: `df -h`, `free -m`
    {"node": "n01"}
    "##);
    assert_eq!(found.iter().filter(|f| f.caused_by.is_none()).count(), 1);
}

#[test]
fn a_cordoned_node_is_shown_at_once_and_told_when_it_lasts() {
    let cordoned = |since, pods| CordonedNode {
        node: "n01".into(),
        since: world::at(since),
        pods,
        pods_before: 12,
        budgets: if pods > 0 { vec!["shop/api".into()] } else { Vec::new() },
    };
    let told_of =
        |since, pods| first(&with(Situation { cordoned: vec![cordoned(since, pods)], ..Situation::default() }));
    assert_eq!(told_of(-60, 0), "info NodeCordoned: node n01 is cordoned and drained: no new pods are placed there");
    assert_eq!(
        told_of(-1_000, 3),
        "warning NodeCordoned: node n01 is cordoned; a disruption budget holds up the drain: no new pods are placed there"
    );
}

#[test]
fn what_was_deleted_what_waits_and_what_is_late_is_told() {
    let gone = Vanished { resource: "namespaces", gone: several(12, -60, "n"), of: 20, until: world::at(-30) };
    let starts = FailedStarts {
        why: StartFailure::Addresses,
        pods: several(4, -100, "shop/p"),
        nodes: vec!["n01".into(), "n02".into()],
        until: world::at(-10),
        said: "failed to assign an IP address to container".into(),
    };
    let terminating =
        TerminatingNamespace { name: "old".into(), since: world::at(-700), why: vec!["x".into()], lacks_api: false };
    let backup = BackupFact {
        kind: "Schedule",
        key: "velero/daily".into(),
        schedule: "0 3 * * *".into(),
        good_at: Some(world::at(-world::days(3))),
        due_at: Some(world::at(-world::days(2))),
        last_failure: None,
        items: None,
    };
    let w = with(Situation {
        vanished: vec![gone],
        starts: vec![starts],
        terminating: vec![terminating],
        backups: vec![backup],
        cordoned: Vec::new(),
        ..Situation::default()
    });
    assert_snapshot!(w.diagnose().findings.iter().map(|f| f.headline.clone()).collect::<Vec<_>>().join("\n"), @"
    12 of 20 namespaces were deleted within minutes
    pods don't start on n01 and n02: no address is left for them
    namespace old does not go since 2026-11-23 05:48:20 UTC
    no backup by Schedule velero/daily since 2026-11-21 06:00:00 UTC (0 3 * * *); the last good one is of 2026-11-20 06:00:00 UTC
    ");
}
