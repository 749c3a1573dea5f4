//! The canary: told with its layer, or listed with what explains it.

use super::*;
use crate::{
    model::{
        CanaryFailure, CanaryForm, CanaryLayer, CanaryPlace, CanaryRun, CanaryStage, CanaryStanding, Reason, Said,
        Severity, State,
    },
    words::Voice,
};

/// How it stands that fails since so many seconds, a second time at least.
fn failing(form: CanaryForm, stage: CanaryStage, layer: CanaryLayer, since: i64) -> CanaryStanding {
    let failure = CanaryFailure {
        stage,
        layer,
        why: "so it is".into(),
        evidence: vec!["what the cluster says".into()],
        instance: None,
    };
    let (started, ended) = (world::at(since), world::at(since));
    CanaryStanding {
        form,
        place: CanaryPlace::Anywhere,
        severity: Severity::Critical,
        failures: 2,
        since: ended,
        last_success: Some(world::at(since - 60)),
        last: CanaryRun { started, ended, node: Some("n02".into()), times: Vec::new(), failure: Some(failure) },
    }
}

fn pod(stage: CanaryStage, layer: CanaryLayer) -> CanaryStanding {
    failing(CanaryForm::Pod, stage, layer, -40)
}

fn with(canaries: Vec<CanaryStanding>) -> World {
    World { canaries, ..World::new(3) }
}

#[test]
fn a_failure_is_told_with_its_stage_and_layer() {
    let w = with(vec![pod(CanaryStage::Pulled, CanaryLayer::Registry)]);
    let found = w.diagnose().findings;
    assert_snapshot!(in_full(&found[0]), @r#"
    a canary pod does not get its image (registry): so it is
    since 2026-11-23T05:59:20Z
      canary pod fails since 2026-11-23 05:59:20 UTC, 2 runs in a row, the last one at "pulled" on n02; last well 2026-11-23 05:58:20 UTC
      what the cluster says
    first: ask the registry from the node that is named: `crictl pull IMAGE`; then the registry itself
    {"canary": "pod"}
    "#);
    // The first failure alone is not confirmed; our own rights wake nobody.
    let mut one = pod(CanaryStage::Pulled, CanaryLayer::Registry);
    one.failures = 1;
    assert_eq!(told(&with(vec![one])), "");
    let said = told(&with(vec![pod(CanaryStage::Admitted, CanaryLayer::Authorization)]));
    assert!(said.starts_with("warning CanaryFailing: a canary pod is refused (our rights (RBAC))"), "{said}");
}

#[test]
fn places_are_counted() {
    let zone = |name: &str, failures: u32| {
        let mut s = pod(CanaryStage::Ready, CanaryLayer::Cni);
        (s.place, s.failures) = (CanaryPlace::Zone(name.into()), failures);
        if failures == 0 {
            s.last.failure = None;
        }
        s
    };
    let said = told(&with(vec![zone("a", 0), zone("b", 2), zone("c", 2)]));
    assert!(said.contains("a canary pod in 2 of 3 zones (b and c) does not become ready (CNI)"), "{said}");
    let said = told(&with(vec![zone("a", 0), zone("b", 2)]));
    assert!(said.contains("a canary pod in zone b does not become ready (CNI)"), "{said}");
}

#[test]
fn an_older_trouble_of_its_layer_explains_it() {
    // No API server answers.
    let mut w = with(vec![
        failing(CanaryForm::Lease, CanaryStage::Written, CanaryLayer::ApiServer, -30),
        failing(CanaryForm::Pod, CanaryStage::Admitted, CanaryLayer::ApiServer, -30),
    ]);
    w.down("kube-apiserver", Reason::Refused, -40);
    let said = told(&w);
    assert!(said.contains("ApiServersDown <- CanaryFailing: the canary's Lease can't be written"), "{said}");
    assert!(said.contains("ApiServersDown <- CanaryFailing: a canary pod is refused"), "{said}");
    // It began long before: it is no consequence.
    w.canaries = vec![failing(CanaryForm::Lease, CanaryStage::Written, CanaryLayer::ApiServer, -400)];
    assert!(told(&w).contains("critical CanaryFailing: the canary's Lease"), "{}", told(&w));
    // A lost node takes along what was to run on it, and nothing else.
    let mut w = with(vec![pod(CanaryStage::Running, CanaryLayer::ContainerRuntime)]);
    w.down("kubelet 10.99.1.2", Reason::Timeout, -50).lease("n02", 60);
    assert!(told(&w).contains("NodeDown <- CanaryFailing"), "{}", told(&w));
    w.canaries[0].last.node = Some("n01".into());
    assert!(told(&w).contains("critical CanaryFailing"), "{}", told(&w));
}

#[test]
fn a_lease_that_can_not_be_written_explains_the_pod() {
    let w = with(vec![
        failing(CanaryForm::Lease, CanaryStage::Written, CanaryLayer::Etcd, -40),
        failing(CanaryForm::Pod, CanaryStage::Admitted, CanaryLayer::Etcd, -30),
    ]);
    assert!(told(&w).contains("CanaryFailing <- CanaryFailing: a canary pod is refused (etcd)"), "{}", told(&w));
}

#[test]
fn what_may_explain_it_is_waited_for() {
    let mut w = with(vec![failing(CanaryForm::Lease, CanaryStage::Written, CanaryLayer::ApiServer, -10)]);
    w.pick("kube-apiserver 10.99.0.1").for_each(|e| e.fail(State::Suspect, Reason::Timeout, -3));
    assert_eq!(told(&w), "(unsettled)");
    w.canaries[0].since = world::at(-60);
    assert!(told(&w).contains("critical CanaryFailing"), "{}", told(&w));
}

#[test]
fn a_stage_and_a_layer_are_said_in_headlines_as_everywhere_else() {
    let said = |stage: CanaryStage, layer: CanaryLayer| {
        let fails = Said::new("canary-fails").with("who", "it").with("stage", stage.as_str());
        Voice::default().said(&fails.with("layer", layer.as_str()).with("why", "why"))
    };
    for (i, layer) in CanaryLayer::ALL.into_iter().enumerate() {
        let stage = CanaryStage::ALL[i % CanaryStage::ALL.len()];
        assert_eq!(said(stage, layer), format!("it {} ({}): why", stage.says(), layer.says()));
    }
}
