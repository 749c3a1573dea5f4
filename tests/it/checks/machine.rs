//! Kinds of checks that look at the watchdog's own machine: file and exec.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use nix::unistd::geteuid;

use super::kinds::Checked;
use crate::eventually::eventually;

#[tokio::test]
async fn files_are_looked_at() {
    let checked = Checked::new();
    let dir = checked.dir.path().display();
    let old = SystemTime::now() - Duration::from_secs(3 * 86_400);
    for (name, size, changed) in [("dump-1.db", 10, old), ("dump-2.db", 2_000, SystemTime::now()), ("late.db", 10, old)]
    {
        let path = checked.dir.path().join(name);
        std::fs::write(&path, vec![0; size]).unwrap();
        std::fs::File::options().append(true).open(&path).unwrap().set_modified(changed).unwrap();
    }
    let checks = format!(
        "
  - {{name: newest, file: {{path: '{dir}/dump-*.db', expect: ['age < 1h', 'size > 1KB']}}}}
  - {{name: late, file: {{path: '{dir}/late.db', expect: ['age < 26h']}}}}
  - {{name: small, file: {{path: '{dir}/dump-1.db', expect: ['size > 1KB']}}}}
  - {{name: none, file: {{path: '{dir}/dump-*.sql'}}}}
  - {{name: no-folder, file: {{path: '{dir}/nowhere/dump.db'}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("newest", "up"),
                ("late", "down answer: age was 3d, should be < 26h"),
                ("small", "down body: size was 10 B, should be > 1KB"),
                ("none", "down answer: there is no file …/dump-*.sql"),
                ("no-folder", "down answer: there is no file …/nowhere/dump.db"),
            ],
        )
        .await;
}

#[tokio::test]
async fn programs_are_run_as_nagios_would_and_only_where_that_is_allowed() {
    let checked = Checked::new();
    let left = checked.dir.path().join("left");
    let sh = |script: &str| format!("command: [/bin/sh, -c, \"{script}\"]");
    let late = format!("sleep 60 & echo $! > {}; sleep 60", left.display());
    let checks = format!(
        "
  - {{name: well, exec: {{{}, expect: ['body ~ \"second\"']}}}}
  - {{name: warns, exec: {{{}}}}}
  - {{name: critical, exec: {{{}}}}}
  - {{name: unknown, exec: {{{}}}}}
  - {{name: odd, exec: {{{}}}}}
  - {{name: empty-environment, exec: {{{}, environment: {{A: '1'}}}}}}
  - {{name: killed, exec: {{{}}}}}
  - {{name: late, exec: {{{}}}, timeout: 1s}}
  - {{name: endless, exec: {{command: [/usr/bin/yes]}}}}
  - {{name: no-program, exec: {{command: [/nowhere/check]}}}}
  - {{name: no-user, exec: {{command: [/bin/true], user: nobody-of-that-name}}}}
allow_exec: true
",
        sh("echo 'OK - 3 | load=0.5;1;2'; echo second"),
        sh("echo 'WARNING - disk'; exit 1"),
        sh("echo 'CRITICAL - disk full'; exit 2"),
        sh("exit 3"),
        sh("exit 127"),
        sh("env | grep -v -e ^PATH= -e ^LANG=C -e ^A=1 -e ^PWD= -e ^SHLVL= -e ^_= && exit 2; exit 0"),
        // In the configuration two dollars are one.
        sh("kill -9 $$$$"),
        sh(&late),
    );
    checked
        .check(
            &checks,
            &[
                ("well", "up"),
                ("warns", "degraded degraded: WARNING - disk (exit code 1, WARNING)"),
                ("critical", "down answer: CRITICAL - disk full (exit code 2, CRITICAL)"),
                ("unknown", "down answer: without a word (exit code 3, UNKNOWN)"),
                ("odd", "down answer: without a word (exit code 127, an exit code that plugins have not)"),
                ("empty-environment", "up"),
                ("killed", "down answer: /bin/sh was ended by signal: 9…"),
                ("late", "down timeout: /bin/sh did not end within 1 s"),
                ("endless", "down answer: /usr/bin/yes says more than 64 KiB"),
                ("no-program", "down answer: /nowhere/check can't be started: there is no such program"),
                ("no-user", "down answer: there is no user \"nobody-of-that-name\" on the watchdog's machine"),
            ],
        )
        .await;
    let started = std::fs::read_to_string(&left).unwrap();
    eventually("what a program started is killed with it", async || {
        let command = std::fs::read(format!("/proc/{}/cmdline", started.trim()));
        command.is_err() || command.is_ok_and(|words| words.is_empty())
    })
    .await;
    if geteuid().is_root() {
        let checks = "
  - {name: nobody, exec: {command: [/bin/sh, -c, 'test \"$(id -u):$(id -g):$(id -G)\" = \"$(id -u nobody):$(id -g nobody):$(id -g nobody)\"'], user: nobody}}
allow_exec: true
";
        checked.check(checks, &[("nobody", "up")]).await;
    }
    let text = "checks: [{name: a, exec: {command: [/bin/true]}}]\n";
    let errors = dogwatch::config::parse(Path::new("dogwatch.yml"), text, &|_| None).unwrap_err();
    assert!(errors[0].to_string().contains("only where the configuration has `allow_exec: true`"), "{errors:?}");
}
