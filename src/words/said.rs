//! What was said in English, said again in another language.

use std::{borrow::Cow, collections::HashMap};

use jiff::Timestamp;

use super::{Language, Voice};
use crate::model::{Finding, Incident, IncidentAlert, IncidentChange, Notification, Said};

/// Sentences by their English text.
struct Known<'a> {
    voice: &'a Voice,
    by_text: HashMap<String, &'a Said>,
}

impl<'a> Known<'a> {
    fn of(voice: &'a Voice, alerts: &'a [IncidentAlert]) -> Self {
        let english = Voice::default();
        let said = alerts.iter().flat_map(|a| &a.finding.said);
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
        Cow::Owned(Known::of(self, &incident.alerts).incident(incident))
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
