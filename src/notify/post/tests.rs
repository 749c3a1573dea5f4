use super::*;

#[test]
fn secrets_are_taken_out_of_texts() {
    let url = "https://robot:hunter2hunter2@hooks.example.org/services/T0000000/abcdefgh?token=sesame12";
    let all = [url, "k3y"].map(|s| (Credential::Inline(Secret::new(s)), Secret::new(s)));
    let said = format!(
        "no route for {url}, /services/T0000000/abcdefgh, token=sesame12, hunter2hunter2, abcdefgh, k3y, Basic cm9ib3Q6aHVudGVyMmh1bnRlcjI="
    );
    let hidden = Vault(all.into()).hide(&said);
    for secret in ["hunter2", "cm9ib3Q6", "sesame", "abcdefgh", "T0000000", "k3y"] {
        assert!(!hidden.contains(secret), "{hidden}");
    }
    assert!(hidden.starts_with("no route for"));
}

#[test]
fn one_of_several_is_enough() {
    let check = |outcomes: &[Outcome], expected: Outcome| {
        assert_eq!(any(outcomes.iter().enumerate().map(|(i, o)| (format!("h{i}"), o.clone())).collect()), expected);
    };
    let (taken, refused) = (Outcome::Delivered("200 OK".into()), Outcome::Drop("400".into()));
    let busy = |s| Outcome::Retry { why: "busy".into(), after: Some(Duration::from_secs(s)) };
    check(&[taken.clone(), busy(1)], Outcome::Delivered("h0: 200 OK; not taken by h1: busy".into()));
    check(&[refused.clone(), taken], Outcome::Delivered("h1: 200 OK; not taken by h0: 400".into()));
    let after = Some(Duration::from_secs(9));
    check(&[busy(1), busy(9), refused.clone()], Outcome::Retry { why: "h0: busy; h1: busy; h2: 400".into(), after });
    check(&[refused], Outcome::Drop("h0: 400".into()));
}
