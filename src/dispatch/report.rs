//! The report of a month by mail: when it is due, and its way into the outbox, where it waits like any other message. Pure, save
//! for that last step; the report itself is made by the program.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{Dispatch, apply::Batch, outbox};
use crate::{
    model::{
        Document, Incident, Notification, NotificationKind, Severity, Topic,
        cron::{self, Cron},
    },
    notify::receiver_of,
    store::Durability,
};

/// `report:` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportConfig {
    /// Receivers that get it, by their `email_configs`.
    pub receivers: Vec<String>,
    /// When in the month after: five fields of cron; the first time of each month counts.
    #[serde(default = "first_morning")]
    pub schedule: String,
    /// IANA time zone of the schedule, of the month and of the times shown; default: that of the whole configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

fn first_morning() -> String {
    "0 8 1 * *".into()
}

/// A report that is to be sent.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of which month, by its first day.
    pub month: Date,
    /// To whom.
    pub receivers: Vec<String>,
    /// What is sent.
    pub document: Document,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// This month is taken for told: it was over before anybody asked for reports.
    Remember(Date),
    /// The report of this month is due.
    Send(Date),
}

impl ReportConfig {
    /// Returns what is wrong with it: `(key, why)`. `mails`: the receivers, and whether each has an `email_configs`.
    pub fn problem(&self, mails: &[(&str, bool)]) -> Option<(&'static str, String)> {
        if let Err(why) = Cron::parse(&self.schedule) {
            return Some(("schedule", why));
        }
        if let Err(why) = self.zone() {
            return Some(("timezone", why));
        }
        if self.receivers.is_empty() {
            return Some(("receivers", "who gets it? Name a receiver with email_configs".into()));
        }
        let wrong = self.receivers.iter().find_map(|name| match mails.iter().find(|(known, _)| known == name) {
            None => {
                let known: Vec<&str> = mails.iter().map(|(name, _)| *name).collect();
                Some(format!("there is no receiver {name:?}; there are: {}", known.join(", ")))
            }
            Some((_, false)) => Some(format!("the receiver {name:?} has no email_configs: the report goes by mail")),
            Some((_, true)) => None,
        })?;
        Some(("receivers", wrong))
    }

    /// Returns the same, in this time zone where it has none of its own.
    pub fn or_in(self, timezone: Option<&str>) -> Self {
        Self { timezone: self.timezone.or_else(|| timezone.map(str::to_owned)), ..self }
    }

    /// The time zone.
    ///
    /// # Errors
    /// When there is none of this name; in words.
    pub fn zone(&self) -> Result<TimeZone, String> {
        cron::zone(self.timezone.as_deref())
    }

    /// What is due, where the last month that was told is known: `None` where none ever was.
    pub fn due(&self, told: Option<Date>, now: Timestamp) -> Due {
        let (Ok(cron), Ok(zone)) = (Cron::parse(&self.schedule), self.zone()) else { return Due::Nothing };
        let this = now.to_zoned(zone.clone()).date().first_of_month();
        let Ok(month) = this.yesterday().map(Date::first_of_month) else { return Due::Nothing };
        let Ok(begin) = this.to_zoned(zone.clone()) else { return Due::Nothing };
        let before = begin.timestamp() - std::time::Duration::from_millis(1);
        let is_due = cron.after(before, &zone).is_some_and(|at| at <= now);
        match told {
            None if is_due => Due::Remember(month),
            // The one before it is not asked for any more.
            None => month.yesterday().map_or(Due::Nothing, |day| Due::Remember(day.first_of_month())),
            Some(told) if told < month && is_due => Due::Send(month),
            Some(_) => Due::Nothing,
        }
    }
}

impl Dispatch {
    /// Puts a report into the outbox, for each mail address that it goes to. The same month twice is the same messages.
    pub(super) async fn send_report(&mut self, report: Report, now: Timestamp) -> Durability {
        // The leader of two watchdogs has the same report to send.
        if !self.leads() {
            return Durability::Durable;
        }
        let settings = self.settings.clone();
        // No incident has such a number: they count up from 1.
        let id = -(i64::from(report.month.year()) * 100 + i64::from(report.month.month()));
        let subject = report.document.subject.clone();
        let notification = Notification {
            told: NotificationKind::Opened,
            sequence: 0,
            at: now,
            incident: Incident::new(id, "".into(), Topic::Watchdog, now, subject, Severity::Info),
            external_url: self.context.external_url.clone(),
            external_labels: settings.external_labels.clone(),
            origin: self.origin.clone(),
            group_labels: None,
            route_labels: Default::default(),
            heard: None,
            document: Some(Box::new(report.document)),
        };
        let names = settings.integrations.iter().map(|i| &*i.name);
        let mails = names.filter(|name| {
            report.receivers.iter().any(|r| *r == receiver_of(name))
                && name[receiver_of(name).len()..].starts_with("/email[")
        });
        let messages = mails.map(|name| outbox::entry(&notification, name, settings.give_up_after)).collect();
        self.commit(Batch { messages, ..Batch::default() }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> ReportConfig {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn each_month_is_sent_once_from_its_time_on() {
        let mail = config("{receivers: [ops], schedule: '0 8 2 * *', timezone: Europe/Paris}");
        let check = |told: Option<&str>, now: &str, expected: Due| {
            assert_eq!(mail.due(told.map(day), now.parse().unwrap()), expected, "{told:?} {now}");
        };
        let (october, november) = (day("2026-10-01"), day("2026-11-01"));
        check(Some("2026-10-01"), "2026-12-02T06:59:59Z", Due::Nothing);
        check(Some("2026-10-01"), "2026-12-02T07:00:00Z", Due::Send(november));
        check(Some("2026-11-01"), "2026-12-02T07:00:01Z", Due::Nothing);
        // Away for a while, and for months: only the last is told.
        check(Some("2026-10-01"), "2026-12-20T00:00:00Z", Due::Send(november));
        check(Some("2026-01-01"), "2026-12-20T00:00:00Z", Due::Send(november));
        // The first of all is that of the month in which it was asked for.
        check(None, "2026-12-20T00:00:00Z", Due::Remember(november));
        check(None, "2026-12-01T00:00:00Z", Due::Remember(october));
        // In Paris December has begun.
        check(Some("2026-10-01"), "2026-11-30T23:30:00Z", Due::Nothing);
        assert_eq!(config("{receivers: [ops]}").schedule, "0 8 1 * *");
        let utc = config("{receivers: [ops], schedule: '0 0 1 * *'}");
        assert_eq!(utc.due(Some(october), "2026-12-01T00:00:00Z".parse().unwrap()), Due::Send(november), "at once");
    }

    #[test]
    fn what_can_not_work_is_said() {
        let check = |yaml: &str, expected: (&'static str, &str)| {
            let said = config(yaml).problem(&[("ops", true), ("chat", false)]);
            assert_eq!(said.as_ref().map(|(key, why)| (*key, why.as_str())), Some(expected), "{yaml}");
        };
        check("{receivers: []}", ("receivers", "who gets it? Name a receiver with email_configs"));
        check("{receivers: [nobody]}", ("receivers", "there is no receiver \"nobody\"; there are: ops, chat"));
        check(
            "{receivers: [ops, chat]}",
            ("receivers", "the receiver \"chat\" has no email_configs: the report goes by mail"),
        );
        check("{receivers: [ops], timezone: Mars}", ("timezone", "unknown time zone Mars; write it like Europe/Paris"));
        assert_eq!(config("{receivers: [ops]}").problem(&[("ops", true)]), None);
        assert!(config("{receivers: [ops], schedule: x}").problem(&[("ops", true)]).is_some());
    }
}
