//! What is watched and what is not, and jobs that report in: the first page tells good from not asked.

use dogwatch::model::Gap;

use super::*;

#[test]
fn what_is_not_watched_is_not_up() {
    let mut state = picture::calm();
    let gap = |job, turned_off| Gap {
        job,
        why: "none answers".into(),
        how: "let it listen there".into(),
        turned_off,
        partly: false,
    };
    let cluster = state.clusters.values_mut().next().unwrap();
    cluster.targets.retain(|key, _| !matches!(key.job, Job::Etcd | Job::KubeScheduler | Job::KubeControllerManager));
    let jobs =
        [(Job::Etcd, false), (Job::KubeScheduler, false), (Job::KubeControllerManager, true), (Job::Kubelet, false)];
    cluster.gaps = jobs.map(|(job, off)| gap(job, off)).into();
    let html = home("not-watched", &state);
    in_order(
        &html,
        &[
            "are up. Not watched everywhere: etcd and scheduler.",
            "<strong>etcd</strong> not watched: none answers",
            "To watch it, let it listen there.",
            "<strong>controller-manager</strong> not watched",
            "nobody is asked: there is no reference",
        ],
    );
    assert!(!html.contains("<strong>kubelets</strong>"));
}

#[test]
fn heartbeats_that_need_a_person_come_first() {
    let state = picture::calm();
    let view = Home::new(&state, &Metrics::new(), &now().into()).with_heartbeats(&picture::heartbeats(), &now().into());
    let html = page("heartbeats", view.render(&Frame::new("", &now().into())));
    in_order(
        &html,
        &[
            "All 21 targets of 2 clusters are up.",
            "3 of 7 not in time, 1 has not reported yet",
            "late</span>",
            "<strong>velero</strong>",
            "expected every 1 day",
            "<strong>registry-sync</strong>",
            "exit status 28: upload: &lt;script&gt; no space left on device",
            "too long</span>",
            "<strong>etcd-backup</strong>",
            "3 h 53 min</time> ago",
            "3 min 12 s",
            "has not reported yet",
            "the watchdog did not listen from",
            "Lately resolved",
        ],
    );
    let only = Home::new(&LiveState::default(), &Metrics::new(), &now().into());
    let html = page(
        "only-heartbeats",
        only.with_heartbeats(&picture::heartbeats(), &now().into()).render(&Frame::new("", &now().into())),
    );
    in_order(
        &html,
        &["<title>7 heartbeats: 3 of 7 not in time, 1 has not reported yet · dogwatch</title>", "line bad"],
    );
}
