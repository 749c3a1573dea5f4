//! The form that makes a silence or changes one: what was typed, what is wrong with it beside each field, and what it would
//! keep quiet now. Pure; nothing that was typed is lost.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    tz::TimeZone,
};
use serde::Serialize;

use super::{Frame, path, render};
use crate::{
    dispatch::{matchers, matchers::Matchers, silence::conditions},
    model::{
        AlertContext, Incident, LiveAlert, Pairs, Silence, SilenceMatcher, duration::prometheus as duration, text,
    },
};

/// What a new silence lasts, unless somebody says otherwise.
const LASTS: &str = "2h";

/// Alerts and incidents listed in a preview; the rest is counted.
const PREVIEW_MAX: usize = 20;

/// The form: as it was filled in, and what is wrong with it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SilenceForm {
    /// The silence that it changes; empty: it makes one.
    pub id: String,
    /// One condition a line: `cluster="prod"`.
    pub matchers: String,
    /// How long, or until when: `2h`, `2026-11-24 22:00`.
    pub duration: String,
    /// From when on; empty: now.
    pub starts: String,
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
    /// What is wrong, by field; all empty: nothing, or it was not sent yet.
    pub wrong: Wrong,
    preview: Option<Preview>,
}

/// Says what is wrong with a form, field by field; empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// With the conditions.
    pub matchers: String,
    /// With how long it lasts.
    pub duration: String,
    /// With its beginning.
    pub starts: String,
    /// With who makes it.
    pub by: String,
    /// With why.
    pub comment: String,
    /// With all of it.
    pub whole: String,
}

/// What the conditions match now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Preview {
    summary: String,
    incidents: Vec<Matched>,
    more_incidents: usize,
    alerts: Vec<Matched>,
    more_alerts: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Matched {
    name: String,
    /// An incident's page.
    href: Option<String>,
    /// An alert's labels.
    labels: Vec<String>,
    /// What becomes of it.
    words: &'static str,
}

impl SilenceForm {
    /// An empty form.
    pub fn empty() -> Self {
        Self { duration: LASTS.into(), ..Self::default() }
    }

    /// As it was filled in; `text` gives the value of a field.
    pub fn filled_in<'a>(text: impl Fn(&str) -> &'a str) -> Self {
        let text = |name: &str| text(name).trim().to_owned();
        Self {
            id: text("id"),
            matchers: text("matchers"),
            duration: text("duration"),
            starts: text("starts"),
            by: text("by"),
            comment: text("comment"),
            ..Self::default()
        }
    }

    /// For what an incident tells now, not for what it may become.
    pub fn of(incident: &Incident, context: &AlertContext) -> Self {
        let labels = match (&incident.group, incident.firing().next()) {
            (Some(group), _) if !group.labels.is_empty() => group.labels.clone(),
            (_, Some(root)) => {
                let of_whom = ["alertname", "cluster", "instance", "node", "subject"];
                let all = root.finding.shown_labels(context);
                all.into_iter().filter(|(name, _)| of_whom.contains(&&**name)).collect()
            }
            (_, None) => BTreeMap::new(),
        };
        Self::of_labels(&labels)
    }

    /// For all alerts with these labels: of one alert, that alert alone.
    pub fn of_labels(labels: &Pairs) -> Self {
        let equal = |(name, value): (&String, &String)| {
            let (name, value) = (name.clone(), value.clone());
            matchers::written(&SilenceMatcher { name, value, is_regex: false, is_equal: true })
        };
        let lines: Vec<String> = labels.iter().map(equal).collect();
        Self { matchers: lines.join("\n"), ..Self::empty() }
    }

    /// As a silence stands, to be changed; what has ended is made again.
    pub fn of_silence(silence: &Silence, now: Timestamp) -> Self {
        let lines: Vec<String> = silence.matchers.iter().map(matchers::written).collect();
        let lasts = now < silence.ends_at;
        Self {
            id: silence.id.clone(),
            matchers: lines.join("\n"),
            duration: if lasts { typed(silence.ends_at) } else { LASTS.into() },
            starts: if lasts { typed(silence.starts_at) } else { String::new() },
            by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            ..Self::default()
        }
    }

    /// The silence that is asked for.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&self, now: Timestamp) -> Result<Silence, Box<Wrong>> {
        let mut wrong = Wrong::default();
        let matchers = self.conditions().map_err(|why| wrong.matchers = why);
        let starts_at = match &*self.starts {
            "" => Ok(now),
            text => moment(text, now).ok_or_else(|| {
                wrong.starts = format!("{text:?} is not a time; write 2026-11-24 22:00, or 22:00 (UTC)");
            }),
        };
        let from = starts_at.unwrap_or(now);
        let ends_at = until(&self.duration, from, now).map_err(|why| wrong.duration = why);
        if self.by.is_empty() {
            wrong.by = "say who silences it".into();
        }
        if self.comment.is_empty() {
            wrong.comment = "say why: who looks later wants to know".into();
        }
        match (matchers, starts_at, ends_at) {
            (Ok(matchers), Ok(starts_at), Ok(ends_at)) if wrong == Wrong::default() => Ok(Silence {
                id: self.id.clone(),
                matchers: matchers.to_silence(),
                starts_at,
                ends_at,
                updated_at: now,
                created_by: self.by.clone(),
                comment: self.comment.clone(),
            }),
            _ => Err(Box::new(wrong)),
        }
    }

    /// The conditions, every line read: what is wrong with each.
    fn conditions(&self) -> Result<Matchers, String> {
        let lines: Vec<String> =
            self.matchers.lines().map(str::trim).filter(|l| !l.is_empty()).map(Into::into).collect();
        let wrong: Vec<String> =
            lines.iter().filter_map(|line| matchers::parse_all(std::slice::from_ref(line)).err()).collect();
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        conditions(&matchers::parse_all(&lines)?.to_silence())
    }

    /// The same, with what is wrong with what was filled in so far.
    pub fn checked(self, now: Timestamp) -> Self {
        let wrong = self.read(now).err().map(|wrong| *wrong).unwrap_or_default();
        let (by, comment) = (String::new(), String::new());
        Self { wrong: Wrong { by, comment, ..wrong }, ..self }
    }

    /// The same, with what it would silence of what fires now.
    pub fn with_preview(self, alerts: &[LiveAlert], incidents: &[Arc<Incident>], now: Timestamp) -> Self {
        let preview = self.conditions().ok().map(|matchers| preview(&matchers, alerts, incidents, now));
        Self { preview, ..self }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        render("silence.html", &frame.still(), self)
    }
}

fn preview(matchers: &Matchers, alerts: &[LiveAlert], incidents: &[Arc<Incident>], now: Timestamp) -> Preview {
    let firing: Vec<&LiveAlert> = alerts.iter().filter(|a| !a.alert.is_over(now)).collect();
    let matches = |a: &&LiveAlert| matchers.matches(&a.alert.labels);
    let matched: Vec<&LiveAlert> = firing.iter().copied().filter(matches).collect();
    let mut kept = Vec::new();
    for incident in incidents.iter().filter(|i| i.resolved_at.is_none()) {
        // What follows from something else is never told by itself.
        let (quiet, loud): (Vec<&LiveAlert>, Vec<&LiveAlert>) = firing
            .iter()
            .copied()
            .filter(|a| a.incident == Some(incident.id) && a.explained_by.is_none())
            .partition(matches);
        if !quiet.is_empty() {
            kept.push(Matched {
                name: incident.headline.clone(),
                href: Some(path(&["incidents", &incident.id.to_string()])),
                labels: Vec::new(),
                words: if loud.is_empty() { "wholly" } else { "in part: other alerts of it are still told" },
            });
        }
    }
    let summary = match (matched.len(), firing.len()) {
        (_, 0) => "Nothing fires now: it would silence what comes.".to_owned(),
        (0, all) => {
            format!("It matches none of the {} now.", text::plural(all, "alert that fires", "alerts that fire"))
        }
        (n, all) => format!(
            "It matches {} of {} now; {}.",
            text::number(n as u64),
            text::plural(all, "alert that fires", "alerts that fire"),
            if kept.is_empty() {
                "no incident is told of by them".to_owned()
            } else {
                format!("it quiets {}", text::plural(kept.len(), "incident", "incidents"))
            }
        ),
    };
    let row = |a: &&LiveAlert| Matched {
        name: a.alert.name().to_owned(),
        href: None,
        labels: super::alerts::labels(&a.alert),
        words: if a.silenced_by.is_empty() { "" } else { "silenced already" },
    };
    Preview {
        summary,
        more_incidents: kept.len().saturating_sub(PREVIEW_MAX),
        incidents: kept.into_iter().take(PREVIEW_MAX).collect(),
        more_alerts: matched.len().saturating_sub(PREVIEW_MAX),
        alerts: matched.iter().take(PREVIEW_MAX).map(row).collect(),
    }
}

/// A time as people type it, in UTC.
fn typed(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads a time: RFC 3339, or as pages show it (in UTC, with or without saying so), or a time of day: the next such.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let text = text.strip_suffix("UTC").unwrap_or(text).trim();
    let utc = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    if let (Ok(time), false) = (text.parse::<Time>(), text.contains('-') || !text.contains(':')) {
        let today = now.to_zoned(TimeZone::UTC).date();
        let next = if utc(today.to_datetime(time))? > now { today } else { today.tomorrow().ok()? };
        return utc(next.to_datetime(time));
    }
    utc(text.parse().ok()?)
}

/// Reads when a silence ends: so long after its beginning (of one that is in force, from now), or at a time.
fn until(text: &str, starts: Timestamp, now: Timestamp) -> Result<Timestamp, String> {
    let ends = match duration(text) {
        Ok(lasts) => starts.max(now).checked_add(lasts).map_err(|_| "it would end too far in the future".to_owned())?,
        Err(_) => moment(text, now).ok_or_else(|| {
            format!("{text:?} is not a duration, and no time either; write 2h, 3d12h or 2026-11-24 22:00 (UTC)")
        })?,
    };
    if ends <= now {
        return Err(format!(
            "it would be over already, since {}; write 2h, or a time to come",
            text::between(ends, now)
        ));
    }
    if ends <= starts {
        return Err("it would end before it begins".into());
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T20:00:00Z".parse().unwrap()
    }

    fn form() -> SilenceForm {
        SilenceForm { matchers: "a=\"b\"".into(), by: "ada".into(), comment: "disk".into(), ..SilenceForm::empty() }
    }

    #[test]
    fn times_are_read_as_people_type_them() {
        let check = |text: &str, starts: &str, expected: &str| {
            let form = SilenceForm { duration: text.into(), starts: starts.into(), ..form() };
            let read = match form.read(now()) {
                Ok(silence) => format!("{} {}", silence.starts_at, silence.ends_at),
                Err(wrong) => format!("{}{}", wrong.starts, wrong.duration),
            };
            assert!(read.contains(expected), "{text:?} from {starts:?}: {read}");
        };
        check("2h", "", "2026-11-24T20:00:00Z 2026-11-24T22:00:00Z");
        check("1d12h", "2026-11-25 08:00", "2026-11-25T08:00:00Z 2026-11-26T20:00:00Z");
        check("2h", "2026-11-24 19:00:00", "2026-11-24T19:00:00Z 2026-11-24T22:00:00Z");
        check("2026-11-24 22:30", "", "T22:30:00Z");
        check("2026-11-24 22:30:15 UTC", "", "T22:30:15Z");
        check("2026-11-24T23:30:00+01:00", "", "T22:30:00Z");
        check("22:30", "", " 2026-11-24T22:30:00Z");
        check("08:00", "", " 2026-11-25T08:00:00Z");
        check("2026-12-01", "", " 2026-12-01T00:00:00Z");
        check("2h", "23:00", "2026-11-24T23:00:00Z 2026-11-25T01:00:00Z");
        for wrong in ["soon", "", "2", "25:00", "2026-13-01", "22", "2026-11-24 24:61"] {
            check(wrong, "", "is not a duration, and no time either; write 2h");
        }
        check("2026-11-24 19:00", "", "over already, since 1 h");
        check("0s", "", "over already");
        check("2026-11-24 21:00", "2026-11-24 22:00", "before it begins");
        check("99999y", "", "too far in the future");
        check("2h", "tomorrow", "is not a time; write");
    }

    #[test]
    fn all_that_is_wrong_is_said_where_it_is() {
        let empty = SilenceForm { matchers: "a=b\nfoo\n=x".into(), duration: "soon".into(), ..SilenceForm::default() };
        let wrong = empty.read(now()).unwrap_err();
        for (said, expected) in [
            (&wrong.matchers, "foo: an operator is missing"),
            (&wrong.matchers, "=x: a label's name is missing"),
            (&wrong.duration, "is not a duration"),
            (&wrong.by, "say who"),
            (&wrong.comment, "say why"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
        let checked = empty.checked(now()).wrong;
        assert!(checked.by.is_empty() && !checked.matchers.is_empty(), "what is yet to be filled in is not wrong yet");
    }

    #[test]
    fn a_silence_comes_back_from_its_form_as_it_was() {
        let odd = |name: &str, value: &str, is_regex, is_equal| SilenceMatcher {
            name: name.into(),
            value: value.into(),
            is_regex,
            is_equal,
        };
        let silence = Silence {
            id: "1".into(),
            matchers: vec![
                odd("a b", "x\ty \u{7f} ü", false, true),
                odd("c", "line\nline \"quoted\" \\ back", false, false),
                odd("d", r"a\.b\d+", true, false),
            ],
            starts_at: "2026-11-24T19:00:00Z".parse().unwrap(),
            ends_at: "2026-11-24T21:00:05Z".parse().unwrap(),
            updated_at: now(),
            created_by: "ada".into(),
            comment: "disk".into(),
        };
        assert_eq!(SilenceForm::of_silence(&silence, now()).read(now()).unwrap(), silence);
        let later = silence.ends_at + std::time::Duration::from_secs(60);
        let again = SilenceForm::of_silence(&silence, later).read(later).unwrap();
        assert_eq!((again.starts_at, &again.matchers), (later, &silence.matchers), "what has ended begins anew");
    }
}
