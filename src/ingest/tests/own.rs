//! What fails on our own side, beside what fails elsewhere.

use super::*;

/// Probes it thrice, each with the same end.
async fn thrice(b: &Bench, target: &Target, reason: Option<Reason>) {
    for _ in 0..3 {
        b.probe(target, reason).await;
    }
}

impl Bench {
    fn is_told(&self, diagnosis: &Diagnosis, who: &Target) -> bool {
        format!("{:?}", diagnosis.findings).contains(&*who.key.instance)
    }

    /// Waits for what has been reported to be diagnosed, and gives what is said then.
    async fn after(&mut self, target: &Target, state: State) -> Diagnosis {
        self.until("judged", |b| b.state(target) == Some(state)).await;
        while self.diagnoses.try_recv().is_ok() {}
        self.diagnosis().await
    }
}

fn api(instance: &str) -> Target {
    target(Job::KubeApiserver, instance, false)
}

#[tokio::test]
async fn what_fails_on_our_side_ends_no_outage_and_begins_none() {
    let mut b = Bench::start(Vec::new());
    let (a, other) = (api("a:6443"), api("b:6443"));
    b.know(vec![a.clone(), other.clone()]).await;
    b.look(true).await;
    thrice(&b, &a, Some(Reason::Refused)).await;
    thrice(&b, &other, None).await;
    let first = b.after(&a, State::Down).await;
    assert!(b.is_told(&first, &a), "{first:?}");
    thrice(&b, &a, Some(Reason::Local)).await;
    let unseen = b.after(&a, State::Unknown).await;
    assert!(!unseen.blind, "what else there is to see is told");
    assert_eq!(unseen.findings, first.findings, "it is taken to go on, in the same words");
    let own = loop {
        let diagnosis = b.diagnoses.recv().await.unwrap();
        if diagnosis.cluster.is_empty() && !diagnosis.findings.is_empty() {
            break diagnosis;
        }
    };
    assert_eq!(own.findings[0].key.alert.to_string(), "WatchdogProxyDown");
    assert!(own.findings[0].headline.contains("1 target of cluster prod can't be seen"), "{:?}", own.findings);
    thrice(&b, &other, Some(Reason::Local)).await;
    assert!(b.after(&other, State::Unknown).await.blind, "nothing is seen");
    b.probe(&a, Some(Reason::Refused)).await;
    let again = b.after(&a, State::Down).await;
    assert!(!again.blind && b.is_told(&again, &a), "{again:?}");
}

#[tokio::test]
async fn an_outage_out_of_sight_hides_no_other() {
    let mut b = Bench::start(Vec::new());
    let (a, c, d) = (api("a:6443"), api("c:6443"), api("d:6443"));
    b.know(vec![a.clone(), c.clone(), d.clone()]).await;
    b.look(true).await;
    thrice(&b, &a, Some(Reason::Refused)).await;
    thrice(&b, &c, None).await;
    thrice(&b, &d, None).await;
    thrice(&b, &a, Some(Reason::Local)).await;
    let hidden = b.after(&a, State::Unknown).await;
    assert!(!hidden.blind && b.is_told(&hidden, &a), "{hidden:?}");
    thrice(&b, &c, Some(Reason::Refused)).await;
    let both = b.after(&c, State::Down).await;
    assert!(b.is_told(&both, &a) && b.is_told(&both, &c), "{both:?}");
    thrice(&b, &c, None).await;
    let after = b.after(&c, State::Up).await;
    assert!(!after.blind && b.is_told(&after, &a), "its end is told too: {after:?}");
}

#[tokio::test]
async fn what_was_known_of_a_cluster_is_not_ended_by_one_target_out_of_sight() {
    let b = Bench::start(Vec::new());
    let (a, other) = (api("a:6443"), api("b:6443"));
    b.know(vec![a.clone(), other.clone()]).await;
    b.look(true).await;
    thrice(&b, &a, Some(Reason::Auth)).await;
    thrice(&b, &other, None).await;
    b.until("refused", |b| b.state(&a) == Some(State::Unknown)).await;
    thrice(&b, &a, Some(Reason::Local)).await;
    b.until("out of sight", |b| reason(b, &a) == Some(Reason::Local)).await;
    let verdict = b.live.read().clusters["prod"].targets[&a.key].verdict.clone();
    assert_eq!(verdict.hides.map(|v| (v.state, v.reason)), Some((State::Unknown, Some(Reason::Auth))));
}

fn reason(b: &Bench, target: &Target) -> Option<Reason> {
    b.live.read().clusters["prod"].targets[&target.key].verdict.reason
}

#[tokio::test]
async fn an_outage_out_of_sight_outlives_a_restart() {
    let (a, other) = (api("a:6443"), api("b:6443"));
    let mut b = Bench::start(Vec::new());
    b.know(vec![a.clone(), other.clone()]).await;
    b.look(true).await;
    thrice(&b, &a, Some(Reason::Refused)).await;
    thrice(&b, &other, None).await;
    let before = b.after(&a, State::Down).await;
    thrice(&b, &a, Some(Reason::Local)).await;
    thrice(&b, &other, Some(Reason::Local)).await;
    assert!(b.after(&other, State::Unknown).await.blind);
    let kept: Vec<(Target, Verdict)> = {
        let live = b.live.read();
        live.clusters["prod"].targets.values().map(|t| ((*t.target).clone(), t.verdict.clone())).collect()
    };

    let mut b = Bench::start(kept);
    b.know(vec![a.clone(), other.clone()]).await;
    b.look(true).await;
    assert_eq!(b.state(&a), Some(State::Down), "as it was");
    b.probe(&a, Some(Reason::Local)).await;
    b.probe(&other, Some(Reason::Local)).await;
    assert!(b.diagnosis().await.blind, "nothing has been seen yet, and so nothing has ended");
    thrice(&b, &a, Some(Reason::Local)).await;
    thrice(&b, &other, None).await;
    b.until("seen in part", |b| b.state(&other) == Some(State::Up)).await;
    let after = b.after(&a, State::Unknown).await;
    let told = |d: &Diagnosis| d.findings.iter().map(|f| (f.key.clone(), f.since)).collect::<Vec<_>>();
    assert!(!after.blind, "{after:?}");
    assert_eq!(told(&after), told(&before), "the same outage, since the same moment");
}

#[tokio::test]
async fn cut_off_is_told_once_and_no_proxy_with_it() {
    let mut b = Bench::start(Vec::new());
    let api = target(Job::KubeApiserver, "a:6443", false);
    b.know(vec![api.clone()]).await;
    b.look(true).await;
    b.probe(&api, None).await;
    b.until("up", |b| b.state(&api) == Some(State::Up)).await;
    let silent = b.fails_since();
    b.look_since(silent).await;
    b.until("the look is taken in", |b| b.looks.capacity() == b.looks.max_capacity()).await;
    for _ in 0..3 {
        b.probe(&api, Some(Reason::Local)).await;
    }
    b.until("unknown", |b| b.state(&api) == Some(State::Unknown)).await;
    tokio::time::sleep(REDIAGNOSE + 2 * TICK).await; // The watchdog has had its chance to diagnose itself.
    b.look_since(silent).await;
    b.until("cut off", |b| !b.live.read().vantage.ok).await;
    loop {
        let next = tokio::time::timeout(Duration::from_secs(5), b.diagnoses.recv()).await;
        let diagnosis = next.expect("a diagnosis within 5 s").unwrap();
        let told: Vec<String> = diagnosis.findings.iter().map(|f| f.key.alert.to_string()).collect();
        assert!(!told.contains(&"WatchdogProxyDown".to_owned()), "{told:?}");
        if told.contains(&"WatchdogCutOff".to_owned()) {
            break;
        }
    }
}
