//! The pages in a real browser: nothing that axe-core finds serious, nothing wider than a phone, no complaint of the browser;
//! and what the small script does.

use std::{process::Stdio, sync::Arc};

use dogwatch::{
    login::{Auth, AuthConfig, Door},
    model::{AuditEntry, LiveAlert, LiveState},
};
use serde_json::Value;
use tokio::process::Command;

use super::{Served, history, picture, recorded, start_at, start_behind};

/// Runs a script of tests/pages, which tests/run installs.
async fn run(script: &str, served: &Served, args: &[&str]) -> Vec<Value> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages");
    let mut command = Command::new("node");
    command.current_dir(dir).arg(script).arg(format!("http://{}", served.address)).args(args);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("node; tests/run installs it");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {said}{errors}");
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{script}: {e}: {said}{errors}"))
}

/// Alerts that an incident explains, one that is open and one that is over: /alerts folds them.
fn fold_alerts(state: &mut LiveState) {
    let one = state.alerts.first().unwrap().clone();
    let explained = (0..130).map(|i| LiveAlert {
        fingerprint: format!("folded-{i}").into(),
        explained_by: Some("etcd has lost quorum".into()),
        incident: (i % 2 == 0).then_some(7),
        ..one.clone()
    });
    Arc::make_mut(&mut state.alerts).extend(explained);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_shuts_anybody_out() {
    let mut state = picture::silenced();
    let kubelets = picture::huge(40, 30).clusters.remove("prod").unwrap();
    state.clusters.get_mut("prod").unwrap().targets.extend(kubelets.targets);
    fold_alerts(&mut state);
    let served = start_at(state, "").await;
    history::remember(&served, "10.99.0.1:2379");
    recorded::record(&served).await;
    let did = AuditEntry {
        at: super::now(),
        who: "ada".into(),
        proof: "password".into(),
        address: "192.0.2.7".into(),
        action: "acknowledge".into(),
        subject: "7".into(),
        detail: "as ada".into(),
    };
    served.store.commit_audit(did).await;
    let pages = [
        "/",
        "/targets/prod/etcd/10.99.0.1:2379",
        "/targets/prod/etcd/10.99.0.2:2379",
        "/targets/prod/kube-apiserver/10.99.0.1:6443",
        "/incidents",
        "/incidents/7",
        "/incidents/7/acknowledge",
        "/incidents/7/note",
        "/incidents/6",
        "/alerts",
        "/silences",
        "/silences/new?incident=7",
        "/silences/new?preview=1&matchers=cluster%3D%22prod%22%0Afoo&duration=soon",
        "/silences/6f2f3c5e-0000-4000-8000-000000000001/edit",
        "/audit",
        "/recorded/prod",
        "/recorded/prod?what=pods&search=api",
        "/recorded/nowhere",
        "/runbooks/",
        "/runbooks/EtcdQuorumLost",
        "/nope",
    ];
    let wrong = run("look.js", &served, &pages).await;
    // A page that is not there is said to be so by the browser, too.
    let is_none = |w: &Value| ["/nope", "/recorded/nowhere"].iter().any(|none| w["address"] == *none);
    let known = |w: &&Value| is_none(w) && w["what"].as_str().is_some_and(|t| t.contains("404"));
    let wrong: Vec<&Value> = wrong.iter().filter(|w| !known(w)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_the_page_to_log_in() {
    // Nobody listens there: what the page says of that is a page, too.
    let oidc = r#"{"oidc": {"issuer": "http://127.0.0.1:9", "client_id": "dogwatch", "roles": {"admin": ["sre"]}}}"#;
    let auth: AuthConfig = serde_json::from_str(oidc).unwrap();
    let door = Door { auth: Arc::new(Auth::new(&auth).unwrap()), ..Door::default() };
    let served = start_behind(picture::outage(), "", door).await;
    let wrong = run("look.js", &served, &["/login", "/login?to=/incidents/7", "/incidents/7", "/login/start"]).await;
    // The browser says that it is not let in.
    let known = |w: &&Value| w["what"].as_str().is_some_and(|t| t.contains("401") || t.contains("503"));
    let wrong: Vec<&Value> = wrong.iter().filter(|w| !known(w)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// README's picture is what the page looks like; UPDATE_DOCS=1 takes it anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_outage_has_its_picture_taken() {
    // What a README that is read over a slow line may bring along.
    const BYTES_MAX: usize = 150 << 10;
    let served = start_at(picture::outage(), "").await;
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("outage.png");
    let wrong = run("picture.js", &served, &["/", taken.to_str().unwrap()]).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    let in_docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/outage.png");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::copy(&taken, in_docs).unwrap();
    }
    for file in [&taken, std::path::Path::new(in_docs)] {
        let png = std::fs::read(file).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() <= BYTES_MAX, "{}: {} bytes", file.display(), png.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_made_fresh_under_a_readers_eyes_and_says_when_it_is_old() {
    let mut state = picture::outage();
    state.clusters.extend(picture::huge(40, 0).clusters);
    let served = start_at(state, "").await;
    let wrong = run("stay.js", &served, &[]).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}
