//! The command line as people meet it: the real binary.

use std::{
    fs,
    process::{Command, Output},
};

fn dogwatch(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dogwatch"))
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env("HOME", "/nonexistent")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A kubeconfig for a server that nobody is.
const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: abc}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
current-context: here
";

#[test]
fn help_names_every_subcommand() {
    let help = out(&dogwatch(&["--help"]));
    for word in ["run", "check", "probe", "demo", "completions", "Examples:"] {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
}

#[test]
fn check_tells_file_line_column_and_the_nearest_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dogwatch.yml");
    fs::write(&file, "clusters:\n  - name: prod\n    kubeconfg: x\n").unwrap();
    let checked = dogwatch(&["check", "-c", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(1));
    let said = err(&checked).replace(dir.path().to_str().unwrap(), "");
    insta::assert_snapshot!(said, @r"
    error: /dogwatch.yml:3:5: unknown key `kubeconfg` in clusters[0]; did you mean `kubeconfig`?
       |
     3 |     kubeconfg: x
       |     ^
    ");
}

#[test]
fn check_says_what_is_fine_and_what_is_unwise() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("kubeconfig"), KUBECONFIG).unwrap();
    let file = dir.path().join("dogwatch.yml");
    fs::write(&file, "clusters: [{name: prod, kubeconfig: kubeconfig}]\n").unwrap();
    let checked = dogwatch(&["check", "-c", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", err(&checked));
    let said = out(&checked);
    assert!(said.contains("is fine: 1 cluster, 0 receivers"), "{said}");
    assert!(said.contains("warning: no receiver is configured"), "{said}");
}

#[test]
fn a_missing_kubeconfig_is_said_with_what_to_do() {
    let checked = dogwatch(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(err(&checked).contains("KUBECONFIG"), "{}", err(&checked));
}

#[test]
fn probe_exits_like_a_nagios_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let probed = dogwatch(&["probe", "--all", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_eq!(probed.status.code(), Some(2), "{}{}", out(&probed), err(&probed));
    let told = out(&probed);
    let first = told.lines().next().unwrap_or_default();
    assert!(first.starts_with("DOGWATCH CRITICAL - 1 down of 1 targets; "), "{told}");
    // What is not watched is not up: it is named, with how to watch it.
    assert!(first.ends_with("; not watched: etcd, scheduler, controller-manager, kubelets"), "{told}");
    assert!(told.contains("/etcd: none answers at the control plane's addresses"), "{told}");
    let json = dogwatch(&["probe", "--all", "-o", "json", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let rows: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    let gap = rows.as_array().unwrap().iter().find(|r| r["job"] == "etcd").unwrap();
    assert!(gap["verdict"] == "not_watched" && !gap["how"].as_str().unwrap().is_empty(), "{gap}");
    let json = dogwatch(&["probe", "kube-apiserver", "-o", "json", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let rows: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(rows[0]["verdict"], "down");
    assert_eq!(rows[0]["reason"], "refused");
    let none = dogwatch(&["probe", "no-such-thing", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(3));
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(out(&dogwatch(&["completions", shell])).contains("dogwatch"), "{shell}");
    }
}
