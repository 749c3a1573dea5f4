//! Exec plugins (EKS, GKE, AKS style): run, limited in time and output, and killed with all their children when late.
//! What a plugin wrote to stderr is kept apart from the words about it: it may hold secrets, and is for a terminal only.
//!
//! The protocol: <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>

use std::{fmt, process::Stdio, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
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

use super::{
    kubeconfig::{Cluster, Exec},
    pem,
};
use crate::model::{Secret, text};

/// How long a plugin may take: cloud CLIs need one to five seconds, with their own retries.
pub(super) const TIME_MAX: Duration = Duration::from_secs(30);
/// The same where a person waits for it.
pub(super) const TIME_MAX_FOR_A_PERSON: Duration = Duration::from_secs(10);
/// The most bytes read from a plugin; credentials are some kilobytes.
const OUTPUT_MAX: u64 = 1 << 20;
/// How many of the last lines on stderr are shown: cloud CLIs explain in a paragraph, tracebacks end with their reason.
const LINES_SHOWN: usize = 20;
/// How much of a line is shown, in characters.
const LINE_SHOWN: usize = 300;
/// The extension of a kubeconfig's cluster that is meant for the plugin.
const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// Says why a plugin gave no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PluginError {
    /// In words that name the command and hold nothing that it wrote.
    pub(super) why: String,
    /// The last lines that it wrote to stderr: for a terminal, never for a log or a page.
    pub(super) said: Vec<String>,
}

impl PluginError {
    fn new(plugin: &Exec, why: &dyn fmt::Display) -> Self {
        Self {
            why: format!("the exec plugin {} {why}", plugin.command.as_deref().unwrap_or_default()),
            said: Vec::new(),
        }
    }

    /// Says that its client certificate can't be used.
    pub(super) fn bad_certificate(plugin: &Exec, why: &str) -> Self {
        Self::new(plugin, &format_args!("gave a client certificate that can't be used: {why}"))
    }
}

/// Holds what a plugin gave.
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

/// Runs the plugin, for `limit` at most.
///
/// # Errors
/// What went wrong; never what it wrote to stdout.
pub(super) async fn run(plugin: &Exec, cluster: &Cluster, limit: Duration) -> Result<Credential, PluginError> {
    let fail = |why: &dyn fmt::Display| PluginError::new(plugin, why);
    let mut child = command(plugin, cluster)?.spawn().map_err(|e| {
        let hint = plugin.install_hint.as_deref().map(printable).filter(|h| !h.is_empty());
        let why = match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such program".to_owned(),
            std::io::ErrorKind::PermissionDenied => "this user may not run it".to_owned(),
            _ => text::unreadable(&e),
        };
        fail(&format_args!("can't be started: {why}{}", hint.map(|h| format!(" ({h})")).unwrap_or_default()))
    })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let finished = {
        let reading = (read(child.stdout.take(), &mut stdout), read(child.stderr.take(), &mut stderr));
        timeout(limit, async { tokio::join!(reading.0, reading.1, child.wait()).2 }).await
    };
    let Ok(status) = finished else {
        if let Some(group) = group {
            // Shell wrappers leave the real plugin behind otherwise; it may be gone already.
            _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let error =
            fail(&format_args!("gave no answer within {} s (does it wait for a terminal?)", limit.as_secs_f64()));
        return Err(PluginError { said: lines(&stderr), ..error });
    };
    let status = status.map_err(|e| fail(&format_args!("could not be waited for: {e}")))?;
    if !status.success() {
        return Err(PluginError { said: lines(&stderr), ..fail(&format_args!("failed ({status})")) });
    }
    parse(&stdout).map_err(|why| PluginError { said: lines(&stderr), ..fail(&why) })
}

fn command(plugin: &Exec, cluster: &Cluster) -> Result<Command, PluginError> {
    let name = plugin.command.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(PluginError { why: "the kubeconfig's exec plugin has no `command`".to_owned(), said: Vec::new() });
    }
    if plugin.interactive_mode.as_deref() == Some("Always") {
        let why = "wants a terminal (interactiveMode: Always), which a watchdog lacks";
        return Err(PluginError::new(plugin, &why));
    }
    let mut command = Command::new(name);
    command.args(plugin.args.iter().flatten());
    for variable in plugin.env.iter().flatten().filter(|v| !v.name.is_empty()) {
        command.env(&variable.name, &variable.value);
    }
    let mut spec = serde_json::json!({ "interactive": false });
    if plugin.provide_cluster_info {
        spec["cluster"] = described(cluster).map_err(|why| PluginError::new(plugin, &why))?;
    }
    let info = serde_json::json!({ "kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec });
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).process_group(0);
    Ok(command)
}

/// The cluster as the protocol has it (`spec.cluster`).
fn described(cluster: &Cluster) -> Result<serde_json::Value, String> {
    let ca = pem::material(
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
        "certificate-authority",
    )
    .map_err(|why| format!("can't be told of its cluster: {why}"))?;
    let config = cluster.extensions.iter().flatten().find(|e| e.name == EXTENSION).map(|e| &e.extension);
    let fields = [
        ("server", cluster.server.clone().map(Into::into)),
        ("tls-server-name", cluster.tls_server_name.clone().map(Into::into)),
        ("insecure-skip-tls-verify", cluster.insecure_skip_tls_verify.map(Into::into)),
        ("certificate-authority-data", ca.map(|ca| BASE64_STANDARD.encode(ca).into())),
        ("proxy-url", cluster.proxy_url.as_ref().map(|u| u.reveal().into())),
        ("config", config.cloned()),
    ];
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(serde_json::Value::Object(given.collect()))
}

/// Reads up to the cap; what came before an error or the end of patience is judged like a short output.
async fn read(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) {
    if let Some(pipe) = pipe {
        _ = pipe.take(OUTPUT_MAX).read_to_end(bytes).await;
    }
}

/// The last lines that say something.
fn lines(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let mut lines: Vec<_> = text.lines().map(printable).filter(|l| !l.is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(LINES_SHOWN));
    lines
}

/// A line without what moves a terminal's cursor or colours it.
fn printable(line: &str) -> String {
    let kept: String = anstream::adapter::strip_str(line).to_string().chars().filter(|c| !c.is_control()).collect();
    kept.trim_end().chars().take(LINE_SHOWN).collect()
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

    fn shell(script: &str) -> Exec {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Exec { command: Some("/bin/sh".to_owned()), args: Some(args), ..Exec::default() }
    }

    async fn ask(plugin: &Exec) -> Result<Credential, PluginError> {
        run(plugin, &Cluster::default(), TIME_MAX).await
    }

    async fn check(script: &str, expected: &str) {
        let error = ask(&shell(script)).await.unwrap_err();
        assert!(error.why.contains(expected) && !error.why.contains("hunter2"), "{error:?}");
    }

    #[tokio::test]
    async fn a_bad_answer_is_named_and_never_quoted() {
        check("exit 7", "the exec plugin /bin/sh failed (exit status: 7)").await;
        check("echo hunter2 >&2; exit 7", "the exec plugin /bin/sh failed (exit status: 7)").await;
        check("echo hunter2", "wrote something else than an ExecCredential").await;
        check(r#"echo '{"kind": "ExecCredential"}'"#, "without a status").await;
        check(r#"echo '{"status": {"expirationTimestamp": "2090-01-01T00:00:00Z"}}'"#, "neither a token").await;
        check(r#"echo '{"status": {"token": "hunter2", "expirationTimestamp": "soon"}}'"#, "something else").await;
        let absent = Exec {
            command: Some("/nowhere/aws".to_owned()),
            install_hint: Some("install it so".to_owned()),
            ..Exec::default()
        };
        let why = ask(&absent).await.unwrap_err().why;
        assert!(why.starts_with("the exec plugin /nowhere/aws can't be started") && why.ends_with("(install it so)"));
        let interactive = Exec { interactive_mode: Some("Always".to_owned()), ..shell("true") };
        assert!(ask(&interactive).await.unwrap_err().why.contains("wants a terminal"));
    }

    #[tokio::test]
    async fn all_that_it_says_helps_and_moves_no_terminal() {
        let said = |script: &'static str| async move { ask(&shell(script)).await.unwrap_err().said };
        let paragraph =
            r"printf 'ERROR: invalid_grant\nLog in again:\n\n  \033[31m$ plugin login\033[0m\r\n' >&2; exit 1";
        assert_eq!(said(paragraph).await, ["ERROR: invalid_grant", "Log in again:", "  $ plugin login"]);
        assert_eq!(said("echo why >&2; echo nonsense").await, ["why"], "an answer that can't be used");
        let many = said("for i in $(seq 100); do echo line $i >&2; done; exit 1").await;
        assert_eq!((many.len(), many[LINES_SHOWN - 1].as_str()), (LINES_SHOWN, "line 100"));
    }

    #[tokio::test]
    async fn yaml_is_understood_too() {
        let plugin = shell("printf 'status:\\n  token: t\\n  expirationTimestamp: 2090-01-01T00:00:00Z\\n'");
        let credential = ask(&plugin).await.unwrap();
        assert_eq!(credential.token.unwrap().reveal(), "t");
        assert_eq!(credential.expires, Some("2090-01-01T00:00:00Z".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_plugin_is_told_of_its_cluster_where_it_wants_to_be() {
        let print = |provide_cluster_info| Exec {
            provide_cluster_info,
            ..shell(r#"printf '{"status":{"token":"%s"}}' "$(printf %s "$KUBERNETES_EXEC_INFO" | base64 -w0)""#)
        };
        let cluster = Cluster { server: Some("https://a:1".to_owned()), ..Cluster::default() };
        for (wanted, expected) in
            [(true, serde_json::json!({"server": "https://a:1"})), (false, serde_json::Value::Null)]
        {
            let told = run(&print(wanted), &cluster, TIME_MAX).await.unwrap().token.unwrap();
            let info: serde_json::Value =
                serde_json::from_slice(&BASE64_STANDARD.decode(told.reveal()).unwrap()).unwrap();
            assert_eq!(info["spec"]["cluster"], expected);
        }
    }

    #[tokio::test]
    async fn a_plugin_that_hangs_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("child");
        let script = format!("echo asking >&2; sleep 1000 & echo $! > {}; wait", file.display());
        // Long enough for a shell to start on a busy machine.
        let limit = Duration::from_secs(2);
        let error = run(&shell(&script), &Cluster::default(), limit).await.unwrap_err();
        assert!(error.why.starts_with("the exec plugin /bin/sh gave no answer within 2 s"), "{error:?}");
        assert_eq!(error.said, ["asking"]);
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
