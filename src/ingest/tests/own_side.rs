//! What fails on our own side, beside what fails elsewhere.

use super::*;

/// Probes it thrice, each with the same end.
async fn thrice(ingest: &TestIngest, target: &Target, reason: Option<Reason>) {
    for _ in 0..3 {
        ingest.probe(target, reason).await;
    }
}

impl TestIngest {
    fn is_told(&self, diagnosis: &Diagnosis, who: &Target) -> bool {
        format!("{:?}", diagnosis.findings).contains(&*who.key.instance)
    }

    /// Waits for what has been reported to be diagnosed, and gives what is said then.
    async fn after(&mut self, target: &Target, state: State) -> Diagnosis {
        self.until("judged", |ingest| ingest.state(target) == Some(state)).await;
        while self.diagnoses.try_recv().is_ok() {}
        self.diagnosis().await
    }
}

fn api(instance: &str) -> Target {
    target(Job::KubeApiserver, instance, false)
}

#[tokio::test]
async fn what_fails_on_our_side_ends_no_outage_and_begins_none() {
    let mut ingest = TestIngest::start(Vec::new());
    let (a, other) = (api("a:6443"), api("b:6443"));
    ingest.know(vec![a.clone(), other.clone()]).await;
    ingest.look(true).await;
    thrice(&ingest, &a, Some(Reason::Refused)).await;
    thrice(&ingest, &other, None).await;
    let first = ingest.after(&a, State::Down).await;
    assert!(ingest.is_told(&first, &a), "{first:?}");
    thrice(&ingest, &a, Some(Reason::Local)).await;
    let unseen = ingest.after(&a, State::Unknown).await;
    assert!(!unseen.blind, "what else there is to see is told");
    assert_eq!(unseen.findings, first.findings, "it is taken to go on, in the same words");
    let own = loop {
        let diagnosis = ingest.diagnoses.recv().await.unwrap();
        if diagnosis.cluster.is_empty() && !diagnosis.findings.is_empty() {
            break diagnosis;
        }
    };
    assert_eq!(own.findings[0].key.alert.to_string(), "WatchdogProxyDown");
    assert!(own.findings[0].headline.contains("1 target of cluster prod can't be seen"), "{:?}", own.findings);
    thrice(&ingest, &other, Some(Reason::Local)).await;
    assert!(ingest.after(&other, State::Unknown).await.blind, "nothing is seen");
    ingest.probe(&a, Some(Reason::Refused)).await;
    let again = ingest.after(&a, State::Down).await;
    assert!(!again.blind && ingest.is_told(&again, &a), "{again:?}");
}

#[tokio::test]
async fn an_outage_out_of_sight_hides_no_other() {
    let mut ingest = TestIngest::start(Vec::new());
    let (a, c, d) = (api("a:6443"), api("c:6443"), api("d:6443"));
    ingest.know(vec![a.clone(), c.clone(), d.clone()]).await;
    ingest.look(true).await;
    thrice(&ingest, &a, Some(Reason::Refused)).await;
    thrice(&ingest, &c, None).await;
    thrice(&ingest, &d, None).await;
    thrice(&ingest, &a, Some(Reason::Local)).await;
    let hidden = ingest.after(&a, State::Unknown).await;
    assert!(!hidden.blind && ingest.is_told(&hidden, &a), "{hidden:?}");
    thrice(&ingest, &c, Some(Reason::Refused)).await;
    let both = ingest.after(&c, State::Down).await;
    assert!(ingest.is_told(&both, &a) && ingest.is_told(&both, &c), "{both:?}");
    thrice(&ingest, &c, None).await;
    let after = ingest.after(&c, State::Up).await;
    assert!(!after.blind && ingest.is_told(&after, &a), "its end is told too: {after:?}");
}

#[tokio::test]
async fn what_was_known_of_a_cluster_is_not_ended_by_one_target_out_of_sight() {
    let ingest = TestIngest::start(Vec::new());
    let (a, other) = (api("a:6443"), api("b:6443"));
    ingest.know(vec![a.clone(), other.clone()]).await;
    ingest.look(true).await;
    thrice(&ingest, &a, Some(Reason::Auth)).await;
    thrice(&ingest, &other, None).await;
    ingest.until("refused", |ingest| ingest.state(&a) == Some(State::Unknown)).await;
    thrice(&ingest, &a, Some(Reason::Local)).await;
    ingest.until("out of sight", |ingest| reason(ingest, &a) == Some(Reason::Local)).await;
    let verdict = ingest.live.read().clusters["prod"].targets[&a.key].verdict.clone();
    assert_eq!(verdict.hides.map(|v| (v.state, v.reason)), Some((State::Unknown, Some(Reason::Auth))));
}

fn reason(ingest: &TestIngest, target: &Target) -> Option<Reason> {
    ingest.live.read().clusters["prod"].targets[&target.key].verdict.reason
}

#[tokio::test]
async fn an_outage_out_of_sight_outlives_a_restart() {
    let (a, other) = (api("a:6443"), api("b:6443"));
    let mut ingest = TestIngest::start(Vec::new());
    ingest.know(vec![a.clone(), other.clone()]).await;
    ingest.look(true).await;
    thrice(&ingest, &a, Some(Reason::Refused)).await;
    thrice(&ingest, &other, None).await;
    let before = ingest.after(&a, State::Down).await;
    thrice(&ingest, &a, Some(Reason::Local)).await;
    thrice(&ingest, &other, Some(Reason::Local)).await;
    assert!(ingest.after(&other, State::Unknown).await.blind);
    let kept: Vec<(Target, Verdict)> = {
        let live = ingest.live.read();
        live.clusters["prod"].targets.values().map(|t| ((*t.target).clone(), t.verdict.clone())).collect()
    };

    let mut ingest = TestIngest::start(kept);
    ingest.know(vec![a.clone(), other.clone()]).await;
    ingest.look(true).await;
    assert_eq!(ingest.state(&a), Some(State::Down), "as it was");
    ingest.probe(&a, Some(Reason::Local)).await;
    ingest.probe(&other, Some(Reason::Local)).await;
    assert!(ingest.diagnosis().await.blind, "nothing has been seen yet, and so nothing has ended");
    thrice(&ingest, &a, Some(Reason::Local)).await;
    thrice(&ingest, &other, None).await;
    ingest.until("seen in part", |ingest| ingest.state(&other) == Some(State::Up)).await;
    let after = ingest.after(&a, State::Unknown).await;
    let told = |d: &Diagnosis| d.findings.iter().map(|f| (f.key.clone(), f.since)).collect::<Vec<_>>();
    assert!(!after.blind, "{after:?}");
    assert_eq!(told(&after), told(&before), "the same outage, since the same moment");
}

#[tokio::test]
async fn cut_off_is_told_once_and_no_proxy_with_it() {
    let mut ingest = TestIngest::start(Vec::new());
    let api = target(Job::KubeApiserver, "a:6443", false);
    ingest.know(vec![api.clone()]).await;
    ingest.look(true).await;
    ingest.probe(&api, None).await;
    ingest.until("up", |ingest| ingest.state(&api) == Some(State::Up)).await;
    let silent = ingest.fails_since();
    ingest.look_since(silent).await;
    ingest.until("the look is taken in", |ingest| ingest.looks.capacity() == ingest.looks.max_capacity()).await;
    for _ in 0..3 {
        ingest.probe(&api, Some(Reason::Local)).await;
    }
    ingest.until("unknown", |ingest| ingest.state(&api) == Some(State::Unknown)).await;
    tokio::time::sleep(REDIAGNOSE + 2 * TICK).await; // The watchdog has had its chance to diagnose itself.
    ingest.look_since(silent).await;
    ingest.until("cut off", |ingest| !ingest.live.read().vantage.ok).await;
    loop {
        let next = tokio::time::timeout(Duration::from_secs(5), ingest.diagnoses.recv()).await;
        let diagnosis = next.expect("a diagnosis within 5 s").unwrap();
        let told: Vec<String> = diagnosis.findings.iter().map(|f| f.key.alert.to_string()).collect();
        assert!(!told.contains(&"WatchdogProxyDown".to_owned()), "{told:?}");
        if told.contains(&"WatchdogCutOff".to_owned()) {
            break;
        }
    }
}
