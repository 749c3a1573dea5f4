//! `dogwatch run`.

use std::{io::IsTerminal, process::ExitCode};

use super::{LogStyle, RunArgs, output};
use crate::{
    app,
    config::Places,
    telemetry::log::{self, LogFormat},
};

/// Watches until it is told to stop.
pub async fn main(args: RunArgs) -> anyhow::Result<ExitCode> {
    let format = match args.log_format {
        Some(LogStyle::Text) => LogFormat::Text,
        Some(LogStyle::Json) => LogFormat::Json,
        None if std::io::stderr().is_terminal() => LogFormat::Text,
        None => LogFormat::Json,
    };
    log::init(format, &args.log)?;
    let config = match output::configuration(&args.config).await {
        Ok(config) => over(config, &args),
        Err(errors) => return Ok(output::fail(&errors)),
    };
    if config.receivers.is_empty() {
        tracing::warn!("no receiver is configured: outages are shown on the page and in /metrics, but told to nobody");
    }
    if let Some(warning) = app::links::warning(&config) {
        tracing::warn!("{warning}");
    }
    let again = args.clone();
    let reload: app::Reload = std::sync::Arc::new(move || {
        let args = again.clone();
        Box::pin(async move {
            let config = over(output::configuration(&args.config).await?, &args);
            Ok(app::Loaded { config, places: output::config_file(&args.config).as_deref().and_then(Places::read) })
        })
    });
    app::run(config, reload).await?;
    Ok(ExitCode::SUCCESS)
}

/// What the command line says counts before the file.
fn over(mut config: crate::config::Config, args: &RunArgs) -> crate::config::Config {
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
        config.by_command_line.push("data_dir");
    }
    if let Some(listen) = args.listen {
        config.listen = listen;
        config.by_command_line.push("listen");
    }
    config
}
