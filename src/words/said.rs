//! What was said in English, said again in another language.

use std::{borrow::Cow, collections::HashMap};

use jiff::Timestamp;

use super::{Language, Voice};
use crate::model::{Finding, FindingKey, Incident, IncidentChange, Notification, Said, Severity, Topic};

/// Sentences by their English text.
struct Known<'a> {
    voice: &'a Voice,
    by_text: HashMap<String, &'a Said>,
}

impl<'a> Known<'a> {
    fn of(voice: &'a Voice, incident: &'a Incident) -> Self {
        let english = Voice::default();
        let of_members = incident.members().iter().flat_map(|m| &m.roots);
        let of_alerts = incident.alerts.iter().chain(of_members).flat_map(|a| &a.finding.said);
        let said = of_alerts.chain(incident.fleet.iter().flat_map(|f| &f.said));
        Self { voice, by_text: said.map(|s| (english.said(s), s)).collect() }
    }

    /// In place; what is not known stays.
    fn translate(&self, line: &mut String) {
        if let Some(said) = self.by_text.get(line.as_str()) {
            *line = self.voice.said(said);
        }
    }

    fn finding(&self, finding: &mut Finding) {
        let lists = [&mut finding.evidence, &mut finding.still_works, &mut finding.consequences];
        lists.into_iter().flatten().for_each(|line| self.translate(line));
        self.translate(&mut finding.headline);
        self.translate(&mut finding.first_step);
    }

    fn incident(&self, incident: &Incident) -> Incident {
        let mut out = incident.clone();
        self.translate(&mut out.headline);
        out.alerts.iter_mut().for_each(|a| self.finding(&mut a.finding));
        out
    }
}

/// Returns a finding with its headline and what to do first, said in English and known by message, so that other languages
/// say both; evidence, labels and the rest are filled in by who has them.
pub fn finding(
    key: FindingKey,
    (severity, topic): (Severity, Topic),
    headline: Said,
    first_step: Said,
    since: Timestamp,
) -> Finding {
    let english = Voice::default();
    Finding {
        first_step: english.said(&first_step),
        ..Finding::new(key, severity, topic, english.said(&headline), since)
    }
    .with_said([headline, first_step])
}

/// Adds a sentence to one of a finding's lists, which `list` picks, so that other languages say it too.
pub fn add(finding: &mut Finding, list: fn(&mut Finding) -> &mut Vec<String>, sentence: Said) {
    list(finding).push(Voice::default().said(&sentence));
    finding.said.push(sentence);
}

/// Returns what a finding's headline was said with.
pub fn said_with(finding: &Finding) -> Option<&Said> {
    let english = Voice::default();
    finding.said.iter().find(|said| english.said(said) == finding.headline)
}

impl Voice {
    fn is_english(&self) -> bool {
        self.language == Language::ENGLISH
    }

    /// Returns an incident whose sentences are in this language, as far as it is known what they were said with. What
    /// identifies it and its alerts (names, labels, subjects) stays.
    pub fn incident<'a>(&self, incident: &'a Incident) -> Cow<'a, Incident> {
        if self.is_english() {
            return Cow::Borrowed(incident);
        }
        Cow::Owned(Known::of(self, incident).incident(incident))
    }

    /// Says what changed, and how long before the incident began.
    pub fn change(&self, change: &IncidentChange, began: Timestamp) -> String {
        let what = ("what", change.what.as_str().into());
        if let Some(since) = change.since {
            let span = [("from", self.moment(since).into()), ("to", self.moment(change.at).into())];
            return self.say("change-unseen", &[&[what], &span[..]].concat());
        }
        let apart = self.between(change.at.min(began), change.at.max(began));
        let id = if change.at <= began { "change-before" } else { "change-after" };
        self.say(id, &[what, ("apart", apart.into()), ("at", self.time(change.at).into())])
    }

    /// Returns a message whose incident is told so.
    pub fn notification<'a>(&self, n: &'a Notification) -> Cow<'a, Notification> {
        if self.is_english() {
            return Cow::Borrowed(n);
        }
        Cow::Owned(Notification { incident: self.incident(&n.incident).into_owned(), ..n.clone() })
    }
}
