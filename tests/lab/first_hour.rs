//! From an administrator's kubeconfig to a watchdog: `init`, `doctor`, and what `state` still knows when the cluster is gone.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    cluster::{Lab, output},
    watch::{Setup, Watch, eventually},
};

/// A token of ten minutes, the shortest life that the API gives, is made so much older: nobody waits for half of it.
const OLDER: i64 = 8 * 60;
/// The rest of its life, the minute by which API servers allow clocks to be apart, and a look every ten seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(240);
/// A kubectl more often would be work for its own sake.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A list and a look at what came after it.
const RECORDED_WITHIN: Duration = Duration::from_secs(40);

fn dogwatch(lab: &Lab, dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = lab.on("wd");
    command.arg(env!("CARGO_BIN_EXE_dogwatch")).args(arguments).current_dir(dir).env("HOME", dir).env("NO_COLOR", "1");
    let done = command.env_remove("KUBECONFIG").env_remove("DOGWATCH_CONFIG").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.code(), said)
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn init_makes_what_watching_needs_and_doctor_finds_nothing_missing() {
    let lab = Lab::take();
    let dir = tempfile::tempdir().unwrap();
    let admin = lab.pki("admin.kubeconfig").display().to_string();
    let init = ["init", "--kubeconfig", &admin, "--non-interactive", "--apply", "--scrape"];
    let (code, said) = dogwatch(&lab, dir.path(), &init);
    assert_eq!(code, Some(0), "{said}");
    for words in ["3 kube-apiserver", "2 kubelet", "lab.kubeconfig was written", "dogwatch.yml was written"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said) = dogwatch(&lab, dir.path(), &init);
    assert!(code == Some(0) && said.contains("dogwatch.yml is as it should be") && !said.contains(" made "), "{said}");

    // By the account that was made, not the administrator's.
    let doctor = ["doctor", "-c", "dogwatch.yml", "--without-service", "-o", "json"];
    let (_, said) = dogwatch(&lab, dir.path(), &doctor);
    let answer: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let of_cluster: Vec<&Value> =
        answer["remarks"].as_array().unwrap().iter().filter(|r| r["area"] == "cluster lab").collect();
    assert!(of_cluster.len() >= 3 && of_cluster.iter().all(|r| r["level"] == "ok"), "{of_cluster:#?}");
    let (code, said) = dogwatch(&lab, dir.path(), &["probe", "--all", "-c", "dogwatch.yml"]);
    assert!(code == Some(0) && said.contains("16 up of 16 targets"), "{said}");
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_token_that_ends_is_renewed_by_the_watchdog_itself() {
    let lab = Lab::take();
    let dir = tempfile::tempdir().unwrap();
    let admin = lab.pki("admin.kubeconfig").display().to_string();
    let _right = RightToToken(&lab);
    let init = ["init", "--kubeconfig", &admin, "--non-interactive", "--apply", "--scrape", "--token-lifetime", "10m"];
    let (code, said) = dogwatch(&lab, dir.path(), &init);
    assert!(code == Some(0) && said.contains("and is renewed by the watchdog"), "{said}");
    assert!(!said.contains("not the life that was asked for"), "{said}");
    let doctor = ["doctor", "-c", "dogwatch.yml", "--without-service", "-o", "json"];
    let (_, said) = dogwatch(&lab, dir.path(), &doctor);
    let answer: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let of_cluster: Vec<&Value> =
        answer["remarks"].as_array().unwrap().iter().filter(|r| r["area"] == "cluster lab").collect();
    assert!(of_cluster.iter().any(|r| r["about"] == "token"), "{of_cluster:#?}");
    assert!(of_cluster.iter().all(|r| r["level"] == "ok"), "{of_cluster:#?}");
    // It may ask for a token of its own, and of nobody else.
    let own = dir.path().join("lab.kubeconfig");
    lab.kubectl(&own, &["-n", "dogwatch", "create", "token", "dogwatch"]);
    for account in [["-n", "dogwatch", "create", "token", "default"], ["-n", "default", "create", "token", "default"]] {
        assert!(!lab.kubectl_as(&own).args(account).output().unwrap().status.success(), "{account:?}");
    }

    let mut watch = Watch::start(&lab, Setup::Renewing(&own));
    watch.wait_until_all_up();
    let kept = watch.data().join("tokens/lab.token");
    assert!(!kept.exists(), "it is renewed when half of its life is over");
    let mut kubeconfig: Value = serde_json::from_slice(&fs::read(&own).unwrap()).unwrap();
    let token = &mut kubeconfig["users"][0]["user"]["token"];
    *token = older(&lab, token.as_str().unwrap()).into();
    fs::write(&own, kubeconfig.to_string()).unwrap();
    eventually(ENDED_WITHIN, "the token is renewed", || fs::read_to_string(&kept).ok());
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let renewed = fs::read_to_string(&kept).unwrap();
    assert!(!fs::read_to_string(&own).unwrap().contains(&renewed), "it is another one");
    watch.crash_and_restart();
    watch.wait_until_all_up();
    // Until the kubeconfig's own has ended.
    eventually(ENDED_WITHIN, "the first token has ended", || {
        std::thread::sleep(LOOK_EVERY);
        let done = lab.kubectl_as(&own).args(["get", "--raw", "/readyz"]).output().unwrap();
        (!done.status.success()).then_some(())
    });
    watch.wait_until_all_up();
    // So old a token is told of until it is renewed; nothing else is.
    let told = watch.told();
    assert!(told.iter().all(|m| m.text.contains("our token")), "{told:#?}");
    watch.stop();
}

/// The right to a token of its own goes with the test, well or not: another asks whether nothing but reading is allowed.
struct RightToToken<'a>(&'a Lab);

impl Drop for RightToToken<'_> {
    fn drop(&mut self) {
        let admin = self.0.pki("admin.kubeconfig");
        let given = "role,rolebinding";
        self.0.kubectl(&admin, &["-n", "dogwatch", "delete", given, "dogwatch-token", "--ignore-not-found"]);
    }
}

/// The same token as if it had been given long ago, signed by the API servers' own key.
fn older(lab: &Lab, token: &str) -> String {
    let [header, claims, _] = token.split('.').collect::<Vec<_>>()[..] else { panic!("no token: {token}") };
    let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    for time in ["iat", "nbf", "exp"] {
        claims[time] = (claims[time].as_i64().unwrap() - OLDER).into();
    }
    let signed = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("signed");
    fs::write(&file, &signed).unwrap();
    let openssl =
        Command::new("openssl").args(["dgst", "-sha256", "-sign"]).arg(lab.pki("sa.key")).arg(&file).output().unwrap();
    assert!(openssl.status.success(), "{openssl:?}");
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(openssl.stdout))
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn what_ran_is_told_when_all_api_servers_are_gone_and_the_watchdog_was_killed() {
    let lab = Lab::take();
    // With the recorder, as whoever configures nothing has it.
    let mut watch = Watch::as_delivered(&lab);
    let admin = lab.pki("admin.kubeconfig");
    let data = watch.data().display().to_string();
    let state = |what: &[&str]| {
        let (_, said) = dogwatch(&lab, Path::new("/"), &[&["state", "lab"], what, &["--data-dir", &data]].concat());
        said
    };
    eventually(RECORDED_WITHIN, "the recorder has begun", || {
        (state(&["nodes"]).contains("n1") && state(&["namespaces"]).contains("default")).then_some(())
    });
    let begun = Timestamp::now().to_string();
    lab.kubectl(&admin, &["create", "deployment", "shop", "--image=registry.invalid/shop:1.2", "--replicas=2"]);
    eventually(RECORDED_WITHIN, "the deployment and its pods are on record", || {
        (state(&["pods"]).matches("shop-").count() >= 2 && state(&["workloads"]).contains("shop")).then_some(())
    });
    for n in 1..=3 {
        watch.act(&["kill", &format!("apiserver-{n}")]);
    }
    watch.crash_and_restart();
    let (nodes, pods) = (state(&["nodes"]), state(&["pods"]));
    assert!(nodes.contains("n1") && nodes.contains("n2"), "{nodes}");
    assert!(pods.matches("shop-").count() >= 2, "{pods}");
    let changed = state(&["diff", "--since", &begun]);
    assert!(changed.contains("shop"), "{changed}");
    let export = state(&["export"]);
    assert!(export.contains("registry.invalid/shop:1.2"), "{export}");
    watch.act(&["mend"]);
    watch.wait_until_all_up();
    output(lab.kubectl_as(&admin).args(["delete", "deployment", "shop"]));
    eventually(RECORDED_WITHIN, "its end is on record", || (!state(&["workloads"]).contains("shop")).then_some(()));
    watch.stop();
}
