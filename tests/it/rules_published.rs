//! Rule files that others publish, taken as they are: etcd's own alerts (etcd-mixin), which `tests/run` gets from Debian's
//! source packages of etcd 3.4 and 3.5.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use dogwatch::config;

use crate::peers::{self, peer};

fn run(program: &str, args: &[&str], file: &Path) -> Output {
    Command::new(program).args(args).arg(file).output().unwrap_or_else(|e| panic!("{program}: {e}"))
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|t| String::from_utf8_lossy(t).into_owned()).concat()
}

#[test]
fn the_tests_of_etcds_alerts_pass() {
    let tests = peer("etcd-mixin/bookworm/test.yaml");
    for done in [
        run(env!("CARGO_BIN_EXE_dogwatch"), &["rules", "test"], &tests),
        run(&peers::program("promtool").display().to_string(), &["test", "rules"], &tests),
    ] {
        assert!(done.status.success(), "{}", text(&done));
    }
}

#[test]
fn a_configuration_takes_etcds_alerts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dogwatch.yml");
    for suite in ["bookworm", "forky"] {
        let rules = peer(&format!("etcd-mixin/{suite}/mixin.yaml"));
        fs::write(&path, format!("clusters: [{{name: prod}}]\nrule_files: [builtin, {}]\n", rules.display())).unwrap();
        let groups = config::rules(&config::load(&path).unwrap()).unwrap();
        let names: Vec<_> = groups.iter().flat_map(|g| &g.rules).map(|r| &*r.name).collect();
        assert!(names.contains(&"etcdNoLeader") && names.contains(&"EtcdNoLeader"), "{suite}: {names:?}");
    }
}
