//! `dogwatch demo`: the real watchdog over a fake cluster, told as it happens.

use std::{path::Path, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{DemoArgs, output};
use crate::{
    app::{Engine, Shared},
    clock::Clock,
    config::{self, Config},
    demo::{Ending, FakeCluster, HookSink, SmtpSink, Stage, narrate},
    dispatch::config::RouteConfig,
    schedule::Defaults,
    vantage::VantageConfig,
};

/// Plays the outage once. Everything lives in a directory that is removed afterwards.
pub async fn main(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let dir = tempdir()?;
    let clock = Clock::system();
    let cluster = FakeCluster::start(&dir.0, clock.clone()).await?;
    let (smtp, mails) = SmtpSink::start().await?;
    let (sink, hooks) = HookSink::start().await?;
    let config = Config {
        data_dir: dir.0.join("data"),
        listen: args.listen,
        // Nothing that it shows is real.
        allow_unauthenticated: true,
        defaults: Defaults { interval: std::time::Duration::from_secs(5), timeout: std::time::Duration::from_secs(3) },
        clusters: vec![cluster.config()],
        vantage: VantageConfig::nobody(),
        ..receivers(&smtp.address().to_string(), &sink.url())?
    };
    let (reload, _asked) = tokio::sync::mpsc::channel(1);
    let shared = Shared::new(clock.clone(), reload)?;
    let engine = Engine::start(&config, &shared).await?;
    let stage = Stage {
        live: shared.live.clone(),
        cluster: &cluster,
        mails,
        hooks,
        page: format!("http://{}", engine.listening),
    };
    let page = stage.page.clone();
    let mut out = anstream::stdout();
    let mut asked = AskedToEnd::new()?;
    let ending = tokio::select! {
        ending = narrate(stage, &mut out) => Some(ending?),
        () = asked.wait() => None,
    };
    if ending == Some(Ending::Told) {
        if args.stay {
            output::say(&format!("The pages stay up to look around: {page}   (Ctrl-C ends the demo)"));
            asked.wait().await;
        } else {
            output::say("To look around on its pages afterwards: dogwatch demo --stay");
        }
    }
    engine.stop().await;
    Ok(match ending {
        Some(Ending::Late(what)) => output::fail(&what),
        Some(Ending::Told) | None => ExitCode::SUCCESS,
    })
}

/// Ctrl-C, or SIGTERM: either ends the demo in order, so that nothing of it stays behind.
struct AskedToEnd {
    interrupt: Signal,
    terminate: Signal,
}

impl AskedToEnd {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Mail and webhook into the demo's own sinks.
fn receivers(smarthost: &str, hook: &str) -> anyhow::Result<Config> {
    let text = format!(
        "receivers: [{{name: oncall, webhook_configs: [{{url: '{hook}'}}], email_configs: [{{to: oncall@example.org, \
         from: dogwatch@example.org, smarthost: '{smarthost}', require_tls: false}}]}}]"
    );
    let config = config::understand(Path::new("demo"), &text);
    let config = config.map_err(|errors| anyhow::anyhow!(output::lines(&errors)))?;
    Ok(Config { route: Some(RouteConfig::to("oncall")), ..config })
}

/// A directory that goes when the demo ends.
struct TempDir(std::path::PathBuf);

impl Drop for TempDir {
    fn drop(&mut self) {
        // What can't be removed is left to the system's own cleaning of its temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempdir() -> anyhow::Result<TempDir> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = std::env::temp_dir().join(format!("dogwatch-demo-{}-{:08x}", std::process::id(), fastrand::u32(..)));
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(TempDir(dir))
}
