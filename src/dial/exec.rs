//! Exec plugins (EKS, GKE, AKS style): run, limited in time and output, and killed with all their children when late.
//!
//! kube's own runner has no time limit, inherits stdin and puts the plugin's output (a token, perhaps) into its errors;
//! hence this one. The protocol: <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>

use std::{fmt, process::Stdio, time::Duration};

use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::timeout,
};

use crate::model::Secret;

/// How long a plugin may take: cloud CLIs need one to five seconds, with their own retries.
pub(super) const TIME_MAX: Duration = Duration::from_secs(30);
/// The most bytes read from a plugin; credentials are some kilobytes.
const OUTPUT_MAX: u64 = 1 << 20;
/// How much of its last line on stderr is shown, in characters.
const STDERR_SHOWN: usize = 160;

/// What a plugin gave.
#[derive(Debug)]
pub(super) struct Credential {
    /// A bearer token.
    pub(super) token: Option<Secret>,
    /// A client certificate and its key, PEM.
    pub(super) certificate: Option<(String, Secret)>,
    /// When they end; `None`: never.
    pub(super) expires: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Output {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<Timestamp>,
    token: Option<Secret>,
    client_certificate_data: Option<String>,
    client_key_data: Option<Secret>,
}

/// Runs the plugin.
///
/// # Errors
/// What went wrong in words that name the command; never what it wrote to stdout.
pub(super) async fn run(exec: &ExecConfig) -> Result<Credential, String> {
    run_within(exec, TIME_MAX).await
}

async fn run_within(exec: &ExecConfig, limit: Duration) -> Result<Credential, String> {
    let name = exec.command.as_deref().unwrap_or_default();
    let fail = |why: &dyn fmt::Display| format!("the exec plugin {name} {why}");
    let mut child = command(exec, name)?.spawn().map_err(|e| {
        let hint = exec.install_hint.as_deref().map(|h| format!(" ({})", h.trim())).unwrap_or_default();
        fail(&format_args!("can't be started: {e}{hint}"))
    })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let finished = timeout(limit, async { tokio::join!(read(stdout), read(stderr), child.wait()) }).await;
    let Ok((stdout, stderr, status)) = finished else {
        if let Some(group) = group {
            // Shell wrappers leave the real plugin behind otherwise; it may be gone already.
            _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        return Err(fail(&format_args!("gave no answer within {} s", limit.as_secs_f64())));
    };
    let status = status.map_err(|e| fail(&format_args!("could not be waited for: {e}")))?;
    if !status.success() {
        let said = last_line(&stderr);
        return Err(fail(&format_args!("failed ({status}){}{said}", if said.is_empty() { "" } else { ": " })));
    }
    parse(&stdout).map_err(|why| fail(&why))
}

fn command(exec: &ExecConfig, name: &str) -> Result<Command, String> {
    if name.is_empty() {
        return Err("the kubeconfig's exec plugin has no `command`".to_owned());
    }
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(format!(
            "the exec plugin {name} wants a terminal (interactiveMode: Always), which a watchdog lacks"
        ));
    }
    let mut command = Command::new(name);
    command.args(exec.args.iter().flatten());
    for variable in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    let info = serde_json::json!({
        "kind": "ExecCredential",
        "apiVersion": exec.api_version,
        "spec": { "interactive": false, "cluster": exec.cluster },
    });
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).process_group(0);
    Ok(command)
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before an error is judged like a short output.
        _ = pipe.take(OUTPUT_MAX).read_to_end(&mut bytes).await;
    }
    bytes
}

fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    line.chars().take(STDERR_SHOWN).collect()
}

/// JSON by the protocol; client-go reads YAML too, so some plugins write it.
fn parse(stdout: &[u8]) -> Result<Credential, &'static str> {
    const UNREADABLE: &str = "wrote something else than an ExecCredential";
    let text = std::str::from_utf8(stdout).map_err(|_| UNREADABLE)?;
    let output: Output = serde_saphyr::from_str(text).map_err(|_| UNREADABLE)?;
    let status = output.status.ok_or("wrote an ExecCredential without a status")?;
    let certificate = status.client_certificate_data.zip(status.client_key_data);
    if status.token.is_none() && certificate.is_none() {
        return Err("wrote an ExecCredential with neither a token nor a client certificate");
    }
    Ok(Credential { token: status.token, certificate, expires: status.expiration_timestamp })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shell(script: &str) -> ExecConfig {
        let args = vec!["-c".to_owned(), script.to_owned()];
        ExecConfig { command: Some("/bin/sh".to_owned()), args: Some(args), ..ExecConfig::default() }
    }

    async fn check(script: &str, expected: &str) {
        let error = run(&shell(script)).await.unwrap_err();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_bad_answer_is_named_and_never_quoted() {
        check("exit 7", "the exec plugin /bin/sh failed (exit status: 7)").await;
        check("echo hunter2", "wrote something else than an ExecCredential").await;
        check(r#"echo '{"kind": "ExecCredential"}'"#, "without a status").await;
        check(r#"echo '{"status": {"expirationTimestamp": "2090-01-01T00:00:00Z"}}'"#, "neither a token").await;
        check(r#"echo '{"status": {"token": "hunter2", "expirationTimestamp": "soon"}}'"#, "something else").await;
        let absent = ExecConfig {
            command: Some("/nowhere/aws".to_owned()),
            install_hint: Some("install it so".to_owned()),
            ..ExecConfig::default()
        };
        let error = run(&absent).await.unwrap_err();
        assert!(
            error.starts_with("the exec plugin /nowhere/aws can't be started") && error.ends_with("(install it so)")
        );
        let interactive = ExecConfig { interactive_mode: Some(ExecInteractiveMode::Always), ..shell("true") };
        assert!(run(&interactive).await.unwrap_err().contains("wants a terminal"));
    }

    #[tokio::test]
    async fn yaml_is_understood_too() {
        let credential = run(&shell("printf 'status:\\n  token: t\\n  expirationTimestamp: 2090-01-01T00:00:00Z\\n'"))
            .await
            .unwrap();
        assert_eq!(credential.token.unwrap().reveal(), "t");
        assert_eq!(credential.expires, Some("2090-01-01T00:00:00Z".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_plugin_that_hangs_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("child");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        // Long enough for a shell to start on a busy machine.
        let error = run_within(&shell(&script), Duration::from_secs(2)).await.unwrap_err();
        assert_eq!(error, "the exec plugin /bin/sh gave no answer within 2 s");
        let child = std::fs::read_to_string(&file).unwrap();
        let state = || std::fs::read_to_string(Path::new("/proc").join(child.trim()).join("stat")).unwrap_or_default();
        let patience = tokio::time::Instant::now() + Duration::from_secs(10);
        // Gone, or a zombie where nobody reaps orphans.
        while !(state().is_empty() || state().contains(") Z ")) {
            assert!(tokio::time::Instant::now() < patience, "{}", state());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
