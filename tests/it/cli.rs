//! The command line as people meet it: the real binary.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use dogwatch::{
    clock::Clock,
    model::{Incident, Labels, Matcher},
    pack::Points,
    store::{StorageConfig, Store, bulk::Bulk},
    telemetry::Metrics,
};
use jiff::{SignedDuration, Timestamp};

use crate::http::picture;

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
fn init_writes_nothing_of_a_cluster_that_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let to = dir.path().join("dogwatch.yml");
    let rbac = dir.path().join("rbac.yaml");
    let files = ["--to", to.to_str().unwrap(), "--rbac", rbac.to_str().unwrap(), "--non-interactive"];
    let made = dogwatch(&[&["init", "--kubeconfig", kubeconfig.to_str().unwrap()], &files[..]].concat());
    assert_eq!(made.status.code(), Some(1));
    assert!(err(&made).contains("cluster here:"), "{}", err(&made));
    let lost = dogwatch(&[&["init", "--kubeconfig", "/nonexistent"], &files[..]].concat());
    assert!(lost.status.code() == Some(1) && err(&lost).contains("/nonexistent"), "{}", err(&lost));
    assert!(!to.exists() && !rbac.exists());
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

/// `check` and `probe` of a kubeconfig with this user, and a plugin that does this.
fn with_user(user: &str, plugin: &str) -> (Output, Output) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plugin"), format!("#!/bin/sh\n{plugin}\n")).unwrap();
    fs::set_permissions(dir.path().join("plugin"), fs::Permissions::from_mode(0o755)).unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    fs::write(&kubeconfig, KUBECONFIG.replace("token: abc", user)).unwrap();
    let run = |command: &[&str]| dogwatch(&[command, &["--kubeconfig", kubeconfig.to_str().unwrap()]].concat());
    (run(&["check"]), run(&["probe", "--all"]))
}

#[test]
fn a_plugin_that_fails_is_told_with_all_that_it_says() {
    fn check(user: &str, plugin: &str, words: &[&str]) {
        let (checked, probed) = with_user(user, plugin);
        assert_eq!(checked.status.code(), Some(0), "{}", err(&checked));
        let said = out(&checked);
        for word in words {
            assert!(said.contains(word), "check lacks {word:?}: {said}");
            assert!(err(&probed).contains(word), "probe lacks {word:?}: {}", err(&probed));
        }
        assert!(said.contains("can be used, but see the warnings") && !said.contains("is fine"), "{said}");
    }
    const PLUGIN: &str =
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}";
    let said = ["plugin failed (exit status: 1); it says:", "ERROR: invalid_grant", "\n      $ plugin login"];
    check(PLUGIN, "printf 'ERROR: invalid_grant\\nLog in again:\\n  $ plugin login\\n' >&2; exit 1", &said);
    check(PLUGIN, "echo nonsense", &["plugin wrote something else than an ExecCredential"]);
    check(
        "exec: {command: no-such-plugin}",
        "",
        &["the exec plugin no-such-plugin can't be started: there is no such program"],
    );
    check(&PLUGIN.replace("Never", "Always"), "", &["wants a terminal (interactiveMode: Always)"]);
    // Run once, and not again with each request.
    let began = std::time::Instant::now();
    check(PLUGIN, "echo asking >&2; sleep 100", &["plugin gave no answer within 10 s", "\n    asking"]);
    assert!(began.elapsed().as_secs() < 40, "{:?}", began.elapsed());
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
    assert!(err(&none).contains("no target is called no-such-thing; there are here/"), "{}", err(&none));
    // A guess that nobody answers at is not watched, however it is asked for.
    let guessed = dogwatch(&["probe", "etcd", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_eq!(guessed.status.code(), Some(3), "{}{}", out(&guessed), err(&guessed));
    let told = out(&guessed);
    assert!(told.starts_with("DOGWATCH UNKNOWN - nothing answers"), "{told}");
    assert!(told.contains("not watched: here/etcd: ") && told.contains("to watch it, give `etcd.endpoints`"), "{told}");
    assert!(!told.contains("down"), "{told}");
}

/// `check` of a configuration, with files beside it.
fn check(config: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("kubeconfig"), KUBECONFIG).unwrap();
    let file = dir.path().join("dogwatch.yml");
    fs::write(&file, config).unwrap();
    let checked = dogwatch(&["check", "-c", file.to_str().unwrap()]);
    let said = format!("{}{}", out(&checked), err(&checked));
    (checked.status.code(), said.replace(&format!("{}/", dir.path().display()), ""))
}

#[test]
fn what_is_found_only_outside_the_file_has_a_line_in_it() {
    let (code, said) = check("clusters:\n  - name: prod\n    kubeconfig: kubeconfig\n    context: nowhere\n");
    let words = "dogwatch.yml:4:14: clusters[0].context: cluster prod: the kubeconfig kubeconfig has no context \"nowhere\": it has here";
    assert!(code == Some(1) && said.contains(words), "{said}");
    let (code, said) = check(
        "clusters: [{name: prod, kubeconfig: kubeconfig}]\nrule_files:\n  - builtin\n  - none.yml\n  - rules/*.yml\n",
    );
    assert!(code == Some(1) && said.contains("dogwatch.yml:4:5: rule_files[1]: none.yml: "), "{said}");
    assert!(said.contains("dogwatch.yml:5:5: rule_files[2]: rules: "), "{said}");
}

#[test]
fn dead_links_are_told_before_they_are_sent() {
    let file = |more: &str| {
        let receiver = "receivers: [{name: ops, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]";
        check(&format!("clusters: [{{name: prod, kubeconfig: kubeconfig}}]\n{receiver}\n{more}"))
    };
    let (code, said) = file("");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("links in messages will lead to http://127.0.0.1:9559, which is dead everywhere but"),
        "{said}"
    );
    let (_, said) = file("listen: :9559\nallow_unauthenticated: true\n");
    assert!(!said.contains("dead"), "{said}");
    assert!(said.contains("links in messages lead to http://") && !said.contains("http://0.0.0.0"), "{said}");
    let (_, said) = file("external_url: https://watch.example.org\n");
    assert!(!said.contains("dead") && said.contains("lead to https://watch.example.org/"), "{said}");
}

#[test]
fn what_does_not_answer_as_dogwatch_is_said_in_one_sentence() {
    use std::io::{Read, Write};
    fn ask(url: &str) -> String {
        let asked = dogwatch(&["status", "--url", url]);
        assert_eq!(asked.status.code(), Some(1), "{}", err(&asked));
        err(&asked)
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = ask(&format!("http://{free}"));
    let words =
        format!("error: nothing answers at http://{free}: start it there (`dogwatch run`), or say where it is with");
    assert!(said.starts_with(&words) && said.lines().count() == 1 && !said.contains("client error"), "{said}");
    for (answer, words) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n<html>no</html>", "is not dogwatch (404 Not Found)"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "is not dogwatch (200 OK)"),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak HTTP as dogwatch does"),
    ] {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            assert!(client.read(&mut [0; 4096]).unwrap() > 0);
            client.write_all(answer.as_bytes()).unwrap();
        });
        let said = ask(&url);
        serving.join().unwrap();
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(out(&dogwatch(&["completions", shell])).contains("dogwatch"), "{shell}");
    }
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    assert!(dogwatch(&["man", dir.path().join("man1").to_str().unwrap()]).status.success());
    let page = |name: &str| std::fs::read_to_string(dir.path().join("man1").join(name)).unwrap();
    for name in ["run", "check", "probe", "silence-add", "rules-backtest"] {
        let page = page(&format!("dogwatch-{name}.1"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH OPTIONS"), "{name}: {page}");
    }
    assert!(page("dogwatch.1").contains("dogwatch\\-run(1)"), "{}", page("dogwatch.1"));
    let refused = dogwatch(&["man", "/dev/null/man1"]);
    assert!(err(&refused).contains("manual pages can't be written to /dev/null/man1"), "{}", err(&refused));
}

/// As long as a headline may well be.
fn headline(id: i64) -> String {
    format!("the outage {id}, with a headline that is as long as one of a greater outage may be")
}

/// Thirty days of `up`, packed, with an outage of an hour ten days ago, and the incident of it.
async fn history(dir: &Path, now: Timestamp) -> Store {
    let (now_ms, minute, day) = (now.as_millisecond(), 60_000i64, 86_400_000i64);
    let mut points = Points::default();
    for at in (now_ms - 30 * day..now_ms - day).step_by(minute as usize) {
        let ago = now_ms - at;
        points.push(at, if (10 * day - 60 * minute..10 * day).contains(&ago) { 0.0 } else { 1.0 });
    }
    let mut bulk = Bulk::open(dir.into(), StorageConfig::default()).unwrap();
    bulk.put(vec![(Labels::new("up", [("cluster", "prod"), ("instance", "a")]), points)]).unwrap();
    bulk.finish().unwrap();
    let (store, _) = Store::open(dir.into(), StorageConfig::default(), Arc::new(Metrics::new()), Clock::system());
    let days = |n: i64| now - SignedDuration::from_hours(24 * n);
    let incident = |id: i64, ago: i64| Incident {
        id,
        headline: headline(id),
        started_at: days(ago),
        resolved_at: Some(days(ago) + SignedDuration::from_mins(59)),
        ..picture::quorum_lost()
    };
    store.commit(vec![incident(1, 400), incident(2, 10)], vec![]).await;
    assert!(!store.select(&[Matcher::equal("cluster", "prod")], 0, now_ms).unwrap().is_empty());
    store
}

#[tokio::test]
async fn the_past_is_read_from_the_file_while_it_is_written_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let store = history(dir.path(), now).await;
    let rules = dir.path().join("r.yml");
    fs::write(&rules, "groups: [{name: g, interval: 1m, rules: [{alert: Down, expr: up == 0, for: 5m}]}]\n").unwrap();
    let (data, rules) = (dir.path().to_str().unwrap(), rules.to_str().unwrap());
    let json = |arguments: &[&str]| -> serde_json::Value {
        let got = dogwatch(&[arguments, &["-o", "json", "--data-dir", data]].concat());
        assert_eq!(got.status.code(), Some(0), "{}", err(&got));
        serde_json::from_str(&out(&got)).unwrap()
    };
    for written in [true, false] {
        if !written {
            store.close(Duration::from_secs(10)).await;
        }
        let played = json(&["rules", "backtest", rules, "--since", "30d"]);
        let down = &played["rules"][0];
        assert_eq!(down["episodes"].as_array().unwrap().len(), 1, "{played}");
        assert_eq!((&down["incidents"][0], &played["unnoticed_incidents"]), (&2.into(), &serde_json::json!([])));
        let asked = json(&["query", "count_over_time((up == 0)[30d:1m])"]);
        assert_eq!(asked["result"][0]["value"][1], "60", "{asked}");
        let listed = json(&["incidents", "--since", "30d"]);
        assert_eq!(listed["incidents"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(json(&["incidents", "--all"])["incidents"][1]["headline"], headline(1));
        assert_eq!(json(&["incidents", "1"])["incident"]["headline"], headline(1));
    }
    let table = out(&dogwatch(&["incidents", "--limit", "1", "--data-dir", data]));
    assert!(table.lines().all(|line| line.chars().count() <= 80) && table.contains("59 min"), "{table}");
    assert!(table.contains("the outage 2") && table.contains("older ones: --all, or --before 2"), "{table}");
    let none = dogwatch(&["incidents", "17", "--data-dir", data]);
    assert!(none.status.code() == Some(1) && err(&none).contains("There is no incident 17"), "{}", err(&none));
    let bad = dogwatch(&["incidents", "--severity", "bad", "--data-dir", data]);
    assert!(err(&bad).contains("critical, warning or info"), "{}", err(&bad));
}
