//! `dogwatch import` with the real program: other tools' files become checks that `dogwatch check` takes.

use std::{
    path::Path,
    process::{Command, Output},
};

fn run(args: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    command.args(args).current_dir(dir).env("SHOP_HOST", "shop.example.org").env("SHOP_TOKEN", "hunter2");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Imports a file of the fixtures; gives what came of it, and what was said. It has passed `dogwatch check`.
fn imported(args: &[&str]) -> (String, String) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/import");
    let all: Vec<&str> = std::iter::once("import").chain(args.iter().copied()).collect();
    let out = run(&all, &fixtures);
    let (yaml, said) = (text(&out.stdout), text(&out.stderr));
    assert!(out.status.success(), "{said}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dogwatch.yml"), format!("data_dir: data\nlisten: 127.0.0.1:0\n{yaml}")).unwrap();
    let checked = run(&["check"], dir.path());
    assert!(checked.status.success(), "{yaml}\n{}{}", text(&checked.stdout), text(&checked.stderr));
    (yaml, said)
}

#[test]
fn modules_of_blackbox_exporter_with_the_targets_that_use_them() {
    let (yaml, said) = imported(&["blackbox.yml", "--targets", "prometheus.yml"]);
    insta::assert_snapshot!("import_blackbox", format!("{yaml}--- stderr\n{said}"));
}

#[test]
fn modules_without_targets_are_comments() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/import");
    let out = run(&["import", "blackbox.yml"], &fixtures);
    let (yaml, said) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("blackbox.yml: no check came of it"), "{said}");
    assert!(yaml.contains("checks: []\n") && yaml.contains("  #- name: ssh_banner\n  #  tcp:\n"), "{yaml}");
    assert_eq!(yaml.matches("no target is known that uses it").count(), 9, "{yaml}");
}

#[test]
fn static_targets_of_prometheus() {
    let (yaml, said) = imported(&["prometheus.yml"]);
    assert!(
        yaml.contains("- name: etcd-10.0.0.1-2379\n    http:\n      url: \"https://10.0.0.1:2379/metrics\""),
        "{yaml}"
    );
    assert!(said.contains("job pods: kubernetes_sd_configs: its targets are known to Prometheus alone"), "{said}");
    assert!(said.contains("credentials: the file has <secret> in its place"), "{said}");
}

#[test]
fn endpoints_of_gatus() {
    let (yaml, said) = imported(&["gatus.yaml"]);
    insta::assert_snapshot!("import_gatus", format!("{yaml}--- stderr\n{said}"));
}

#[test]
fn a_backup_of_uptime_kuma() {
    let (yaml, said) = imported(&["kuma.json"]);
    insta::assert_snapshot!("import_kuma", format!("{yaml}--- stderr\n{said}"));
}

#[test]
fn what_is_none_of_them_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let check = |content: &str, args: &[&str], expected: &str| {
        std::fs::write(dir.path().join("x.yml"), content).unwrap();
        let args: Vec<&str> = ["import", "x.yml"].into_iter().chain(args.iter().copied()).collect();
        let out = run(&args, dir.path());
        let said = text(&out.stderr);
        assert!(out.status.code() == Some(1) && said.contains(expected), "{content:?}: {said}");
    };
    check("clusters: []\n", &[], "none of the configurations that are known");
    check("a: [1\n", &[], "x.yml: this is neither YAML nor JSON (line");
    check("[1, 2]\n", &["--format", "gatus"], "x.yml: this is no mapping");
    check("endpoints: []\n", &["--targets", "x.yml"], "--targets belongs to the modules of blackbox_exporter");
    check("endpoints: []\n", &["--format", "gatus"], "no check came of it");
    let out = run(&["import", "nowhere.yml"], dir.path());
    assert!(text(&out.stderr).contains("nowhere.yml: "), "{out:?}");
}
