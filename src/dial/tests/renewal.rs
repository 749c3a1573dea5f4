//! Our own token: renewed, kept, used after a start, and told of where that fails.

use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{dial::bearer::tests::token, model::Secret};

/// A token of the watchdog, given so many seconds ago, which ends in so many.
fn given(ago: i64, left: i64, which: &str) -> Secret {
    let now = Timestamp::now().as_second();
    token("dogwatch:dogwatch", now - ago, now + left, which)
}

fn bearer(token: &Secret) -> String {
    format!("Bearer {}", token.reveal())
}

/// An API server that gives this token, or refuses to, to who comes with that one.
async fn giving(world: &World, old: &Secret, new: Result<&Secret, u16>) -> Server {
    let tls = tls_config(&world.ca.issue("kube-apiserver", &["127.0.0.1"], 2090), Clients::Ignored);
    let (old, new) = (bearer(old), new.map(|token| token.reveal().to_owned()));
    Server::start(Some(tls), move |seen| {
        if seen.path != "/api/v1/namespaces/dogwatch/serviceaccounts/dogwatch/token" {
            return ok("ok");
        }
        if seen.authorization.as_ref() != Some(&old) {
            return status(401, "{}");
        }
        match &new {
            Ok(token) => {
                let given = json!({"status": {"token": token, "expirationTimestamp": "2090-01-01T00:00:00Z"}});
                status(201, given.to_string())
            }
            Err(code) => status(*code, json!({"message": "serviceaccounts \"dogwatch\" is forbidden"}).to_string()),
        }
    })
    .await
}

fn config_of(world: &World, server: &Server, token: &Secret) -> DialConfig {
    let user = format!("token: {}", token.reveal());
    let given = kubeconfig(world.path(), &server.url("https", "/"), "certificate-authority: ca.crt", &user);
    DialConfig { kept_token: Some(world.path().join("data/tokens/prod.token")), ..given }
}

/// Renews until it is so.
async fn until(dialer: &Dialer, mut is_so: impl FnMut(&Dialer) -> bool) {
    let wait = async {
        while !is_so(dialer) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = dialer.renew_token() => unreachable!("it never ends"),
        () = wait => {}
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{:?}", dialer.own_token()),
    }
}

async fn comes_with(dialer: &Dialer, server: &Server) -> Option<String> {
    assert_eq!(status_of(&get(dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await), 200);
    server.seen().pop().unwrap().authorization
}

#[tokio::test]
async fn a_token_is_renewed_kept_and_used_after_a_restart() {
    let world = World::new(&["127.0.0.1"]).await;
    let (old, new) = (given(600, 500, "old"), given(0, 1_100, "new"));
    let server = giving(&world, &old, Ok(&new)).await;
    let config = config_of(&world, &server, &old);
    let dialer = Dialer::load(config.clone(), Clock::system()).await.unwrap();
    assert_eq!(comes_with(&dialer, &server).await, Some(bearer(&old)));
    let kept = config.kept_token.clone().unwrap();
    until(&dialer, |_| kept.exists()).await;
    assert_eq!(comes_with(&dialer, &server).await, Some(bearer(&new)));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&kept), mode(kept.parent().unwrap())), (0o600, 0o700));
    let fact = dialer.own_token().unwrap();
    assert!(fact.is_renewed && fact.problem.is_none() && fact.lifetime() == Duration::from_secs(1_100), "{fact:?}");
    let asked = server.seen().iter().filter(|seen| seen.path.ends_with("/token")).count();
    assert_eq!(asked, 1, "it has half of its life before it");

    let again = Dialer::load(config.clone(), Clock::system()).await.unwrap();
    assert_eq!(comes_with(&again, &server).await, Some(bearer(&new)));
    // Who does not renew goes by the kubeconfig alone.
    let without = Dialer::load(DialConfig { kept_token: None, ..config }, Clock::system()).await.unwrap();
    assert_eq!(comes_with(&without, &server).await, Some(bearer(&old)));
    // A kubeconfig that was made later wins.
    let newest = given(-1, 400, "newest");
    let replaced = Dialer::load(config_of(&world, &server, &newest), Clock::system()).await.unwrap();
    assert_eq!(comes_with(&replaced, &server).await, Some(bearer(&newest)));
}

#[tokio::test]
async fn what_a_refusal_says_is_told_and_no_token() {
    let world = World::new(&["127.0.0.1"]).await;
    let old = given(600, 500, "old");
    let server = giving(&world, &old, Err(403)).await;
    let config = config_of(&world, &server, &old);
    let dialer = Dialer::load(config.clone(), Clock::system()).await.unwrap();
    until(&dialer, |dialer| dialer.own_token().is_some_and(|fact| fact.problem.is_some())).await;
    let why = dialer.own_token().unwrap().problem.unwrap();
    let said = "HTTP 403: serviceaccounts \"dogwatch\" is forbidden (deploy/token-rbac.yaml allows it)";
    assert_eq!(why, said);
    assert_eq!(comes_with(&dialer, &server).await, Some(bearer(&old)), "it has not ended");
    assert!(!config.kept_token.unwrap().exists());
}

#[tokio::test]
async fn a_token_that_can_t_be_kept_is_used_all_the_same() {
    let world = World::new(&["127.0.0.1"]).await;
    let (old, new) = (given(600, 500, "old"), given(0, 1_100, "new"));
    let server = giving(&world, &old, Ok(&new)).await;
    let config = config_of(&world, &server, &old);
    write(world.path(), "data", "a file where a folder should be");
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();
    let is_told = |dialer: &Dialer| {
        dialer.own_token().and_then(|fact| fact.problem).is_some_and(|why| why.contains("can't be kept in"))
    };
    until(&dialer, is_told).await;
    assert_eq!(comes_with(&dialer, &server).await, Some(bearer(&new)));
    assert!(!format!("{dialer:?} {:?}", dialer.own_token()).contains(new.reveal()));
}
