//! Mails the report of each month once: it is made when it is due, handed to dispatch, and its month is written down after the
//! outbox has it. A crash in between repeats the mail, with the same `Message-ID`; it never loses one.

use std::{sync::Arc, time::Duration};

use jiff::civil::Date;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    availability::{months, parse_month},
    clock::Clock,
    config::Config,
    dispatch::{
        Submissions,
        report::{Due, Report, ReportConfig},
    },
    model::Document,
    report::{self, Asked},
    store::{Durability, Store},
    words::{Voice, month_title},
};

/// Whether one is due is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Under which key the last month that was told is kept.
const TOLD: &str = "report/told";

/// What is needed of the rest.
pub struct Deps {
    /// What is reported, and what was told.
    pub store: Store,
    /// The way into the outbox.
    pub submissions: Submissions,
    /// Time.
    pub clock: Clock,
}

/// Mails reports by the newest configuration until told to stop.
pub async fn run(mut configs: watch::Receiver<Arc<Config>>, deps: Deps, stop: CancellationToken) {
    loop {
        let config = configs.borrow_and_update().clone();
        if let Some(mail) = &config.report {
            let mail = mail.clone().or_in(config.timezone.as_deref());
            let Some(done) = stop.run_until_cancelled(look(&config, &mail, &deps)).await else { return };
            if let Err(why) = done {
                tracing::error!("the report of the month can't be made, and is tried again: {why}");
            }
        }
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = configs.changed() => changed,
            () = tokio::time::sleep(LOOK_EVERY) => Ok(()),
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn look(config: &Config, mail: &ReportConfig, deps: &Deps) -> Result<(), String> {
    let store = deps.store.clone();
    let told = tokio::task::spawn_blocking(move || store.value(TOLD)).await.map_err(|e| e.to_string())?;
    let told = told.map_err(|e| e.to_string())?.and_then(|text| parse_month(&text).ok());
    let month = match mail.due(told, deps.clock.wall()) {
        Due::Nothing => return Ok(()),
        Due::Remember(month) => {
            remember(deps, month).await;
            return Ok(());
        }
        Due::Send(month) => month,
    };
    let document = made(config, mail, month, deps).await?;
    let report = Report { month, receivers: mail.receivers.clone(), document };
    match deps.submissions.report(report).await {
        Ok(Durability::Durable) => {
            tracing::info!(month = %month.strftime("%Y-%m"), "the report of the month is on its way");
            remember(deps, month).await;
            Ok(())
        }
        // What is in memory alone may be lost: it is made again, and is the same message.
        Ok(Durability::Buffered) => Err("the watchdog can't write to its disk".into()),
        Err(closed) => Err(closed.to_string()),
    }
}

async fn remember(deps: &Deps, month: Date) {
    deps.store.commit_value(TOLD, &month.strftime("%Y-%m").to_string()).await;
}

async fn made(config: &Config, mail: &ReportConfig, month: Date, deps: &Deps) -> Result<Document, String> {
    let voice = Voice::new(config.language.unwrap_or_default(), mail.zone()?);
    let zone = voice.zone.clone();
    let (day, span) = months(month, 1, &zone).pop().ok_or("the month is too far away")?;
    let asked = Asked {
        title: month_title(&voice, day),
        language: voice.language,
        span,
        zone,
        slos: config.slos.clone(),
        restore_drills: config.restore_drills.iter().map(|drill| drill.name.clone()).collect(),
        now: deps.clock.wall(),
    };
    let report = report::gather(&deps.store, &asked).await.map_err(|e| e.to_string())?;
    Ok(Document {
        subject: voice.say("report-subject", &[("what", asked.title.as_str().into())]),
        text: report::markdown(&report),
        html: report::html(&report, None).map_err(|e| e.to_string())?,
    })
}
