//! What fails on our own side, beside what fails elsewhere.

use super::*;

#[tokio::test]
async fn an_outage_out_of_sight_hides_no_other() {
    let mut b = Bench::start(Vec::new());
    let api = |name: &str| target(Job::KubeApiserver, name, false);
    let (a, c, d) = (api("a:6443"), api("c:6443"), api("d:6443"));
    b.know(vec![a.clone(), c.clone(), d.clone()]).await;
    b.look(true).await;
    for reason in [Some(Reason::Refused); 3] {
        b.probe(&a, reason).await;
        b.probe(&c, None).await;
        b.probe(&d, None).await;
    }
    b.until("down", |b| b.state(&a) == Some(State::Down)).await;
    for _ in 0..3 {
        b.probe(&a, Some(Reason::Local)).await;
    }
    b.until("unknown", |b| b.state(&a) == Some(State::Unknown)).await;
    while !b.diagnosis().await.blind {}
    for _ in 0..3 {
        b.probe(&c, Some(Reason::Refused)).await;
    }
    let names = |d: &Diagnosis, who: &str| format!("{:?}", d.findings).contains(who);
    loop {
        let diagnosis = b.diagnosis().await;
        if names(&diagnosis, "c:6443") && names(&diagnosis, "a:6443") {
            break;
        }
    }
    for _ in 0..2 {
        b.probe(&c, None).await;
    }
    b.until("back", |b| b.state(&c) == Some(State::Up)).await;
    while b.diagnoses.try_recv().is_ok() {}
    let after = b.diagnosis().await;
    assert!(!after.blind && names(&after, "a:6443"), "its end is told too: {after:?}");
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
