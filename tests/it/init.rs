//! `dogwatch init` as people run it, against something that answers as an API server; and what it writes, judged by who reads it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

use crate::{
    peers::{peer, program},
    receivers::HookServer,
};

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'SERVER'}}]
users: [{name: u, user: {username: u, password: p}}]
contexts: [{name: prod, context: {cluster: c, user: u}}]
current-context: prod
";

async fn run(mut command: Command) -> (bool, String) {
    let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

async fn dogwatch(dir: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    command.args(arguments).current_dir(dir).env_remove("KUBECONFIG").env("HOME", "/nonexistent").env("NO_COLOR", "1");
    run(command).await
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reports_from_inside_is_taken_by_prometheus_kubernetes_and_dogwatch() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let api = HookServer::start().await;
    // The same to every question: its version, and that Velero is there.
    api.answer(200, &[], &json!({"gitVersion": "v1.37.2", "major": "1", "minor": "37", "items": []}).to_string());
    fs::write(at("kubeconfig"), KUBECONFIG.replace("SERVER", &api.url(""))).unwrap();
    let init = ["init", "--kubeconfig", "kubeconfig", "--non-interactive", "--webhook", "https://chat.example.org/1"];
    let reports = ["--external-url", "https://watch.example.com/dog", "--reports", "reports"];
    let (ok, said) = dogwatch(dir.path(), &[&init[..], &reports].concat()).await;
    assert!(ok, "{said}");

    for file in ["prod/prometheus.yml", "prod/watchdog-rule.yml", "prod/etcd-snapshot.yaml", "prod/velero.yaml"] {
        assert_eq!(mode(&at("reports").join(file)), 0o600, "{file} has a token");
    }
    let token = fs::read_to_string(at("tokens/prod-velero")).unwrap();
    assert_eq!((mode(&at("tokens")), mode(&at("tokens/prod-velero"))), (0o700, 0o600));
    let velero = fs::read_to_string(at("reports/prod/velero.yaml")).unwrap();
    assert!(velero.contains(&format!("url: \"https://watch.example.com/dog/ping/{token}\"")), "{velero}");
    assert!(!said.contains(&token), "a token is shown");

    let mut promtool = Command::new(program("promtool"));
    promtool.args(["check", "config"]).arg(at("reports/prod/prometheus.yml"));
    let (ok, said) = run(promtool).await;
    assert!(ok && said.contains("1 rules found"), "{said}");
    let mut kubernetes = Command::new(peer("venv/bin/kubernetes-validate"));
    kubernetes.arg("--strict").args([at("reports/prod/etcd-snapshot.yaml"), at("reports/prod/velero.yaml")]);
    let (ok, said) = run(kubernetes).await;
    assert!(ok && said.contains("cronjob/dogwatch-etcd-snapshot"), "{said}");
    let (ok, said) = dogwatch(dir.path(), &["check", "-c", "dogwatch.yml"]).await;
    assert!(ok, "{said}");
    let config = fs::read_to_string(at("dogwatch.yml")).unwrap();
    assert!(config.contains("    monitoring: {token_file: tokens/prod}\n"), "{config}");

    // Again: the tokens stay, and so does all that has them.
    let (ok, said) = dogwatch(dir.path(), &[&init[..], &reports].concat()).await;
    assert!(ok && said.contains("velero.yaml is as it should be") && !said.contains("was written"), "{said}");
    assert_eq!(fs::read_to_string(at("tokens/prod-velero")).unwrap(), token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_asked_for_and_the_watchdog_is_to_renew_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let api = HookServer::start().await;
    // The same to every question: its version, the CA, and a token whose life the API server has shortened.
    let answer = json!({"gitVersion": "v1.37.2", "major": "1", "minor": "37", "items": [], "data": {"ca.crt": "the CA"},
        "status": {"token": "a.b.hunter2", "expirationTimestamp": "2090-01-02T03:04:05Z"}});
    api.answer(200, &[], &answer.to_string());
    fs::write(at("kubeconfig"), KUBECONFIG.replace("SERVER", &api.url(""))).unwrap();
    let init = ["init", "--kubeconfig", "kubeconfig", "--non-interactive", "--webhook", "https://chat.example.org/1"];
    let (ok, said) = dogwatch(dir.path(), &[&init[..], &["--token-lifetime", "30d"]].concat()).await;
    assert!(!ok && said.contains("--apply"), "{said}");
    let (ok, said) = dogwatch(dir.path(), &[&init[..], &["--apply", "--token-lifetime", "30d"]].concat()).await;
    assert!(ok, "{said}");
    for words in [
        "its token ends on 2090-01-02 03:04:05 UTC, and is renewed by the watchdog: not the life that was asked for",
        "kubectl -n dogwatch delete secret dogwatch",
        "prod.kubeconfig was written",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("hunter2"), "a token is shown");
    let asked = api.got();
    let path = "POST /api/v1/namespaces/dogwatch/serviceaccounts/dogwatch/token";
    let request = asked.iter().find(|hook| hook.line == path).unwrap().json();
    assert_eq!(
        (&request["kind"], &request["spec"]),
        (&json!("TokenRequest"), &json!({"expirationSeconds": 2_592_000}))
    );
    let rights = fs::read_to_string(at("dogwatch-rbac.yaml")).unwrap();
    assert!(rights.contains("resources: [serviceaccounts/token]") && !rights.contains("kind: Secret"), "{rights}");
    let config = fs::read_to_string(at("dogwatch.yml")).unwrap();
    assert!(config.contains("    renew_token: true"), "{config}");
    assert_eq!(mode(&at("prod.kubeconfig")), 0o600);
    let kubeconfig: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at("prod.kubeconfig")).unwrap()).unwrap();
    assert_eq!(kubeconfig["users"][0]["user"]["token"], "a.b.hunter2");
    assert_eq!(kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"], "dGhlIENB");
}
