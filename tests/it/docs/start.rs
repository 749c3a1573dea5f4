//! The ten-minute start, followed word by word: the commands of docs/start.md, in their order, in an empty folder, with a
//! cluster that the demo plays. Only the address of the webhook is another.

use std::{path::Path, process::Stdio};

use dogwatch::{
    clock::Clock,
    demo::{FakeCluster, HookSink},
};
use tokio::process::Command;

use super::{
    commands::{commands, ours},
    page, root,
};

/// As the page has it.
const WEBHOOK: &str = "https://chat.example.org/hooks/alerts";

/// What is tried elsewhere: it takes a cluster that makes accounts (the lab), goes on for ever, or wants an installed service.
fn is_followed(command: &[String]) -> bool {
    let is = |word: &str| command.iter().any(|w| w == word);
    !is("--apply") && !is("run") && !is("demo") && !is("status")
}

async fn follow(command: &[String], dir: &Path, kubeconfig: &Path, webhook: &str) -> (Option<i32>, String) {
    let words = command[1..].iter().map(|word| if word == WEBHOOK { webhook } else { word });
    let output = Command::new(env!("CARGO_BIN_EXE_dogwatch"))
        .args(words)
        .current_dir(dir)
        .env("KUBECONFIG", kubeconfig)
        .env("HOME", dir)
        .env("NO_COLOR", "1")
        .env_remove("DOGWATCH_CONFIG")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ten_minute_start_goes_as_it_says() {
    let (dir, cluster_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _cluster = FakeCluster::start(cluster_dir.path(), Clock::system()).await.unwrap();
    let (hook, mut hooks) = HookSink::start().await.unwrap();
    let kubeconfig = cluster_dir.path().join("kubeconfig");
    let blocks = page(&root().join("docs/start.md")).blocks();
    let steps = blocks.iter().filter(|block| block.language == "sh").flat_map(|block| commands(&block.text));
    let steps: Vec<Vec<String>> = steps.filter_map(|command| ours(&command)).filter(|c| is_followed(c)).collect();
    let mut followed = Vec::new();
    for step in steps {
        let (code, said) = follow(&step, dir.path(), &kubeconfig, &hook.url()).await;
        // A test's machine lacks this and that; what counts is that it is said.
        let is_fine = code == Some(0) || step[1] == "doctor" && said.contains("receivers");
        assert!(is_fine, "{}: {code:?}: {said}", step.join(" "));
        followed.push(step[1].clone());
    }
    assert_eq!(followed, ["--version", "init", "check", "doctor", "drill", "drill"]);
    assert!(dir.path().join("dogwatch.yml").exists() && dir.path().join("dogwatch-rbac.yaml").exists());
    let first = hooks.recv().await.unwrap();
    assert!(format!("{first:?}").contains("firing"), "{first:?}");
}
