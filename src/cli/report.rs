//! `dogwatch report`: a month in front of somebody who was not there, from the file, whether a watchdog runs or not.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{HistoryArgs, output};
use crate::{
    availability::{Span, months, parse_month},
    clock::Clock,
    model::duration,
    report::{self, Asked},
    store::Store,
    telemetry::Metrics,
    words::{Language, Voice, month_title},
};

pub const HELP: &str = "\
Examples:
  dogwatch report --month 2026-10                           as Markdown
  dogwatch report --month 2026-10 --time-zone Europe/Paris --format html >october.html
  dogwatch report --last 7d --format csv                    seven days until now
  dogwatch report --data-dir /var/lib/dogwatch --month 2026-10

How time is counted, and by which rules: docs/availability.md. Objectives are `slos:` of the configuration.";

#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// Which month, like 2026-10; default: the last that is over
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// So long until now instead: 24h, 7d, 30d
    #[arg(long, value_name = "DURATION", conflicts_with = "month")]
    last: Option<String>,
    /// In which time zone months begin and times are shown: an IANA name; default: the configuration's, else UTC
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// In which language: en, fr; default: the configuration's
    #[arg(long, value_name = "CODE", value_parser = Language::of)]
    language: Option<Language>,
    /// As what
    #[arg(short, long, value_name = "FORMAT", default_value = "md")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Markdown
    #[value(alias = "markdown")]
    Md,
    /// A page that needs no other file
    Html,
    /// All of it, every target too
    Json,
    /// One table, every target too
    Csv,
}

/// Reads and prints.
pub async fn main(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let config = output::configuration_or_default(&args.history).await.map_err(anyhow::Error::msg)?;
    let zone = match args.time_zone.as_ref().or(config.timezone.as_ref()) {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name)
            .map_err(|_| anyhow!("{name:?} is no time zone: write its IANA name, like Europe/Paris"))?,
    };
    let voice = Voice::new(args.language.or(config.language).unwrap_or_default(), zone);
    let now = Clock::system().wall();
    let (title, span) = asked(&args, &voice, now).map_err(anyhow::Error::msg)?;
    let (zone, language) = (voice.zone, voice.language);
    let data_dir = config.data_dir;
    let open = move || Store::read_only(data_dir, Arc::new(Metrics::new()), Clock::system());
    let store = tokio::task::spawn_blocking(open).await?.context("is this dogwatch's data directory? (--data-dir)")?;
    let restore_drills = config.restore_drills.iter().map(|drill| drill.name.clone()).collect();
    let asked = Asked { title, span, zone, language, slos: config.slos, restore_drills, now };
    let report = report::gather(&store, &asked).await?;
    let text = match args.format {
        Format::Md => report::markdown(&report),
        Format::Html => report::html(&report, None)?,
        Format::Json => serde_json::to_string_pretty(&report)?,
        Format::Csv => report::csv(&report),
    };
    output::say(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// What it is called, and which time.
fn asked(args: &ReportArgs, voice: &Voice, now: Timestamp) -> Result<(String, Span), String> {
    if let Some(last) = &args.last {
        let length = duration::prometheus(last)?;
        let from = now.checked_sub(length).map_err(|_| format!("--last {last} is longer than time goes back"))?;
        return Ok((voice.say("report-last", &[("time", last.as_str().into())]), Span::between(from, now)));
    }
    let first = match &args.month {
        Some(month) => parse_month(month)?,
        None => before(now.to_zoned(voice.zone.clone()).date()),
    };
    let (day, span) = months(first, 1, &voice.zone).pop().ok_or_else(|| format!("{first} is too far away"))?;
    Ok((month_title(voice, day), span))
}

/// The month before a day's.
fn before(day: Date) -> Date {
    let first = day.first_of_month();
    first.yesterday().map_or(first, Date::first_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_that_is_over_is_meant_where_none_is_named() {
        let now: Timestamp = "2026-01-31T23:30:00Z".parse().unwrap();
        let args = |month: Option<&str>, last: Option<&str>| ReportArgs {
            history: HistoryArgs { config: None, data_dir: None },
            month: month.map(Into::into),
            last: last.map(Into::into),
            time_zone: None,
            language: None,
            format: Format::Md,
        };
        let berlin = Voice { zone: TimeZone::get("Europe/Berlin").unwrap(), ..Voice::default() };
        let title = |args: &ReportArgs, voice: &Voice| asked(args, voice, now).map(|(title, _)| title);
        assert_eq!(title(&args(None, None), &Voice::default()).as_deref(), Ok("December 2025"));
        // There it is February already.
        assert_eq!(title(&args(None, None), &berlin).as_deref(), Ok("January 2026"));
        assert_eq!(title(&args(Some("2026-10"), None), &berlin).as_deref(), Ok("October 2026"));
        let (_, span) = asked(&args(None, Some("7d")), &berlin, now).unwrap();
        assert_eq!((span.seconds(), span.to), (604_800, now.as_second()));
        assert!(asked(&args(Some("10/2026"), None), &berlin, now).is_err());
        assert!(asked(&args(None, Some("month")), &berlin, now).is_err());
    }
}
