//! A program on the watchdog's machine, as Nagios and Icinga run their plugins: its exit code, its first line, its numbers.
//!
//! Only with `allow_exec: true` at the top of the configuration. It gets an empty environment beside what the check gives, no
//! standard input, `/` as its folder, and a process group of its own that is killed at the deadline. No shell reads its arguments.

mod output;

use std::{collections::BTreeMap, io, path::Path, process::ExitStatus, process::Stdio};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Group, Pid, User, geteuid},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::timeout_at,
};

use self::output::Output;
use super::{
    condition::Condition,
    found::Found,
    prober::{Asking, Prober, Problems},
};
use crate::model::{Failure, Measure, Reason, Secret, text};

/// The longest output that is read; plugins say some lines.
const OUTPUT_MAX: usize = 64 << 10;
/// Where programs of the system lie.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `exec:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecConfig {
    /// The program, by its whole path, and its arguments.
    pub command: Vec<String>,
    /// What its environment has, beside PATH and LANG=C.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Secret>,
    /// The user that it runs as; without it the watchdog's own. Another one needs the watchdog to be root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The group; without it the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What else must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
}

impl ExecConfig {
    fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }
}

impl Prober for ExecConfig {
    fn at(&self) -> String {
        self.program().to_owned()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["body"], "a program's output")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        if !Path::new(self.program()).is_absolute() {
            all.push((".command".to_owned(), "begins with the program's whole path, from / on".to_owned()));
        }
        if self.environment.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
            all.push((".environment".to_owned(), "one of the names can't be that of a variable".to_owned()));
        }
        let texts = self.command.iter().map(String::as_str).chain(self.environment.values().map(Secret::reveal));
        if texts.into_iter().any(|text| text.contains('\0')) {
            all.push((String::new(), "a program can't be given a text with a NUL in it".to_owned()));
        }
        all
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// A program that runs, with all that it started; both are killed with the value.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may be gone already.
            _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs it, and judges how it ended.
async fn probe(c: &ExecConfig, found: &mut Found) -> Result<(), Failure> {
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let program = c.program();
    let child = command(c)?.spawn().map_err(|e| wrong(not_started(c, &e)))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut running = Running { child, group };
    let mut said = Vec::new();
    let ran = timeout_at(found.line.deadline(), run(&mut running.child, &mut said)).await;
    let late = || Failure::new(Reason::Timeout, format!("{program} did not end within {}", found.line.allowed()));
    let status = match ran.map_err(|_| late())? {
        Ok(Some(status)) => status,
        Ok(None) => return Err(wrong(format!("{program} says more than {} KiB", OUTPUT_MAX >> 10))),
        Err(e) => return Err(wrong(format!("{program} could not be waited for: {e}"))),
    };
    // It is reaped: its number may be another's from now on.
    running.group = None;
    let output = Output::read(&String::from_utf8_lossy(&said));
    found.line.note(format_args!("it ended with {status}, and said {:?}", output.first));
    for (label, unit, value) in &output.numbers {
        let measure = Measure::new("probe_exec_performance_data", *value).with("label", label);
        found.measures.push(measure.with("unit", unit));
    }
    found.seen.body = Some(output.text.clone().into());
    judge(program, status, &output, found)
}

/// By Nagios' plugin API: 0 is OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
fn judge(program: &str, status: ExitStatus, output: &Output, found: &mut Found) -> Result<(), Failure> {
    let Some(code) = status.code() else {
        return Err(Failure::new(Reason::Answer, format!("{program} was ended by {status}")));
    };
    found.answered = true;
    found.measure("probe_exec_exit_code", f64::from(code));
    let said = if output.first.is_empty() { "without a word" } else { &output.first };
    let (reason, state) = match code {
        0 => return Ok(()),
        1 => (Reason::Degraded, "WARNING"),
        2 => (Reason::Answer, "CRITICAL"),
        3 => (Reason::Answer, "UNKNOWN"),
        _ => (Reason::Answer, "an exit code that plugins have not"),
    };
    Err(Failure::new(reason, format!("{said} (exit code {code}, {state})")))
}

/// Why it did not begin, and what to do.
fn not_started(c: &ExecConfig, error: &io::Error) -> String {
    let why = match (error.kind(), &c.user) {
        (io::ErrorKind::PermissionDenied, Some(user)) if !geteuid().is_root() => {
            format!("to run it as {user} the watchdog has to be root (its unit says User=)")
        }
        (io::ErrorKind::NotFound, _) => "there is no such program".to_owned(),
        (io::ErrorKind::PermissionDenied, _) => "this user may not run it".to_owned(),
        _ => text::unreadable(error),
    };
    format!("{} can't be started: {why}", c.program())
}

fn command(c: &ExecConfig) -> Result<Command, Failure> {
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let mut command = Command::new(c.program());
    command.args(c.command.iter().skip(1)).env_clear().env("PATH", PATH).env("LANG", "C").current_dir("/");
    command.envs(c.environment.iter().map(|(name, value)| (name, value.reveal())));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.kill_on_drop(true).process_group(0);
    if let Some(name) = &c.user {
        let user = User::from_name(name).ok().flatten();
        let user = user.ok_or_else(|| wrong(format!("there is no user {name:?} on the watchdog's machine")))?;
        // Root's further groups go with it: the standard library sees to that.
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    if let Some(name) = &c.group {
        let group = Group::from_name(name).ok().flatten();
        let group = group.ok_or_else(|| wrong(format!("there is no group {name:?} on the watchdog's machine")))?;
        command.gid(group.gid.as_raw());
    }
    Ok(command)
}

/// Reads what it says until it ends; `None`: it says too much.
async fn run(child: &mut Child, said: &mut Vec<u8>) -> io::Result<Option<ExitStatus>> {
    if let Some(pipe) = child.stdout.take() {
        pipe.take(OUTPUT_MAX as u64 + 1).read_to_end(said).await?;
    }
    if said.len() > OUTPUT_MAX {
        return Ok(None);
    }
    child.wait().await.map(Some)
}
