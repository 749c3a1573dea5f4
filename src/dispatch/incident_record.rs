//! The record of one incident: its alerts, headline, severity and timeline, and what of it was told. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{fleet_words, precedence};
use crate::model::{
    Acknowledged, Finding, FindingKey, FleetMember, FleetRole, Incident, IncidentAlert, NotificationKind, Severity,
    Topic, text,
};

/// Alerts kept in one incident: beyond it ended ones go first, then the least telling.
pub const ALERTS_MAX: usize = 500;

/// Certificates are no emergency until they are: reminded no more often than this unless critical.
pub const SLOW_REMINDER: Duration = Duration::from_secs(24 * 3600);

/// Who looks after an incident without saying their name.
const SOMEBODY: &str = "somebody";

/// Says when things are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between messages about new facts that are not worse.
    pub group_interval: Duration,
    /// Between reminders.
    pub repeat_interval: Duration,
}

/// Adds a finding, or lets an ended alert fire again; `held`: it is told to nobody yet. An alert whose end was told is
/// opened anew, and so is one that is held no longer.
pub(super) fn put(
    incident: &mut Incident,
    finding: &Finding,
    caused_by: Option<FindingKey>,
    now: Timestamp,
    held: bool,
) {
    let mut finding = Finding { caused_by, since: began(finding, now), ..finding.clone() };
    let line = finding.headline.clone();
    let told = incident.told_at;
    let known = incident.alerts.iter_mut().find(|a| a.finding.key == finding.key);
    let (at, said) = match known {
        Some(alert) => {
            let fires = alert.ended_at.is_none();
            let end_was_told = alert.ended_at.is_some_and(|end| told.is_some_and(|told| end <= told));
            let said = fires && alert.finding.headline == line;
            let at = if fires { now } else { finding.since };
            if fires && !alert.held {
                finding.since = alert.finding.since;
            }
            if end_was_told || (alert.held && (!held || !fires)) {
                (alert.opened_at, alert.begin_told) = (now, None);
            }
            (alert.ended_at, alert.end_told, alert.part_of, alert.held) = (None, None, None, held);
            alert.finding = finding.clone();
            (at, said)
        }
        None => {
            incident.alerts.push(IncidentAlert { held, ..IncidentAlert::new(finding.clone(), now) });
            (finding.since, false)
        }
    };
    // Once it was told, the beginning stays as it was told.
    if incident.first_told_at.is_none() {
        incident.started_at = incident.started_at.min(finding.since);
    }
    if !said {
        note(incident, at.min(now), line);
    }
}

/// Returns since when a finding counts. What its certificate's dates say is no beginning: that is when we saw it.
pub(super) fn began(finding: &Finding, now: Timestamp) -> Timestamp {
    if finding.topic == Topic::Certificates { now } else { finding.since.min(now) }
}

/// Returns whether one more alert may fire in the incident; one that fires already always may.
pub(super) fn has_room(incident: &Incident, key: &FindingKey) -> bool {
    incident.firing().count() < ALERTS_MAX || incident.firing().any(|a| a.finding.key == *key)
}

/// Returns an incident as an older version kept it, which did not write down whose end was told by which message, nor
/// which one a receiver heard last: then each that was told of it has heard all, and its last message told every end
/// until then.
pub(super) fn of_older(mut incident: Incident) -> Incident {
    let (Some(told), Some(last)) = (incident.told_at, incident.messages.checked_sub(1)) else { return incident };
    if !incident.heard.is_empty() {
        return incident;
    }
    incident.heard = incident.told.iter().map(|receiver| (receiver.clone(), last)).collect();
    for alert in incident.alerts.iter_mut().filter(|a| a.ended_at.is_some_and(|end| end <= told)) {
        alert.end_told.get_or_insert(last);
    }
    incident
}

/// Order, limit, headline and severity follow from the alerts. Headline and severity are those of roots: what a root
/// explains says nothing new, however loud a rule says it; nor does what is held.
pub(super) fn update_summary(incident: &mut Incident) {
    incident.alerts.sort_by_cached_key(precedence::order);
    incident.alerts.truncate(ALERTS_MAX);
    let root = match incident.alerts.first() {
        Some(first) if first.ended_at.is_none() && is_root(first) => Some(first),
        _ => precedence::worst(&incident.alerts),
    };
    if let Some(root) = root {
        incident.headline = root.finding.headline.clone();
    }
    let elsewhere = incident.members().iter().flat_map(|m| &m.roots);
    let all = incident.alerts.iter().chain(elsewhere);
    let roots = all.filter(|a| is_root(a)).map(|a| a.finding.severity).max();
    // Before it is told, nobody has seen it: what was a root for a moment leaves no mark.
    let told = incident.first_told_at.map(|_| incident.severity);
    incident.severity = roots.max(told).unwrap_or(incident.severity);
    if incident.resolved_at.is_some() {
        // The message about the end tells of the worst, so that comes first.
        let worst = precedence::worst(&incident.alerts).map(|a| a.finding.key.clone());
        incident.alerts.sort_by_key(|a| Some(&a.finding.key) != worst.as_ref());
    }
    fleet_words::put_headline(incident);
}

/// It stands for itself, and is told.
pub(super) fn is_root(alert: &IncidentAlert) -> bool {
    alert.finding.caused_by.is_none() && !alert.held
}

/// Returns whether the last message, written at `told`, told of an alert as one that fires.
pub(super) fn was_told(told: Option<Timestamp>, alert: &IncidentAlert) -> bool {
    let opened_before = told.is_some_and(|told| alert.opened_at <= told);
    opened_before && !alert.held && alert.ended_at.is_none_or(|end| Some(end) > told)
}

/// Returns whether a root came or went since the last message, or an outage's headline reads differently.
pub(super) fn has_new_facts(incident: &Incident, headline_changed: bool) -> bool {
    let Some(told) = incident.told_at else { return true };
    let roots = incident.alerts.iter().filter(|a| a.finding.caused_by.is_none() && !a.held);
    let came_or_went = roots.map(|a| a.opened_at > told || a.ended_at.is_some_and(|end| end > told));
    let elsewhere = |m: &FleetMember| m.joined_at > told || (!m.alone && m.well_at.is_some_and(|at| at > told));
    came_or_went.into_iter().any(|new| new)
        || (headline_changed && incident.topic == Topic::Outage)
        || incident.members().iter().any(elsewhere)
}

/// Returns when the next reminder is due after the last message.
pub(super) fn reminder_after(incident: &Incident, pace: &Pace) -> Duration {
    let slow = incident.topic == Topic::Certificates && incident.severity < Severity::Critical;
    if slow { pace.repeat_interval.max(SLOW_REMINDER) } else { pace.repeat_interval }
}

/// Counts a message, writes it into the timeline, and ends what is over.
pub(super) fn tell(incident: &mut Incident, told: NotificationKind, now: Timestamp, why: &str) {
    if told == NotificationKind::Resolved {
        end(incident, now);
    }
    let line = match told {
        _ if !why.is_empty() => why.to_owned(),
        NotificationKind::Opened => "Told that it began".to_owned(),
        NotificationKind::Worse => "Told that it got worse".to_owned(),
        NotificationKind::Update => "Told what changed".to_owned(),
        NotificationKind::Reminder => "Reminded that it lasts".to_owned(),
        NotificationKind::Resolved => {
            let lasted = incident.resolved_at.unwrap_or(now).duration_since(incident.started_at);
            format!("Resolved after {}", text::duration(Duration::try_from(lasted).unwrap_or_default()))
        }
    };
    note(incident, now, line);
    if let Some(FleetRole::PartOf { said_so, .. }) = incident.fleet.as_deref_mut().map(|f| &mut f.role) {
        *said_so = true;
    }
    let number = incident.messages;
    let members = incident.fleet.iter_mut().flat_map(|f| f.members_mut());
    for alert in incident.alerts.iter_mut().chain(members.flat_map(|m| &mut m.roots)) {
        match alert.ended_at {
            Some(_) => _ = alert.end_told.get_or_insert(number),
            None if !alert.held => _ = alert.begin_told.get_or_insert(number),
            None => {}
        }
    }
    incident.messages += 1;
    incident.told_at = Some(now);
    incident.first_told_at.get_or_insert(now);
}

/// It is over since its last alert ended.
pub(super) fn end(incident: &mut Incident, now: Timestamp) {
    let elsewhere = incident.members().iter().filter_map(|m| m.well_at);
    let last = incident.alerts.iter().filter_map(|a| a.ended_at).chain(elsewhere).max().unwrap_or(now);
    incident.resolved_at = Some(last.max(incident.started_at));
    update_summary(incident);
}

/// Adds a line where it belongs in time; a long story keeps its beginning and its end.
pub(super) fn note(incident: &mut Incident, at: Timestamp, what: String) {
    let place = incident.timeline.iter().rposition(|(before, _)| *before <= at).map_or(0, |i| i + 1);
    incident.timeline.insert(place, (at, what));
    if incident.timeline.len() > Incident::TIMELINE_MAX {
        incident.timeline.remove(Incident::TIMELINE_MAX / 2);
    }
}

/// Writes down who looks after an incident; returns whether that is new. Who gives no name takes it from nobody.
pub(super) fn acknowledge(incident: &mut Incident, by: &str, now: Timestamp) -> bool {
    let before = incident.acknowledged.as_ref().map(|a| &*a.by);
    let by = match (before, by.trim()) {
        (Some(_), "") => return false,
        (None, "") => SOMEBODY,
        (_, by) => by,
    };
    if before == Some(by) {
        return false;
    }
    note(incident, now, format!("{by} looks after it"));
    incident.acknowledged = Some(Acknowledged { at: now, by: by.to_owned() });
    true
}

/// Takes an acknowledgement back, in the name of whoever says so, where there is one; returns whether there was one.
pub(super) fn withdraw(incident: &mut Incident, by: &str, now: Timestamp) -> bool {
    let Some(Acknowledged { by: whose, .. }) = incident.acknowledged.take() else { return false };
    let ended = format!("{whose} no longer looks after it");
    note(
        incident,
        now,
        match by.trim() {
            "" => ended,
            by if by == whose => ended,
            by => format!("{ended}, says {by}"),
        },
    );
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_after_it_is_who_gave_a_name_last() {
        let check = |names: &[Option<&str>], expected: Option<&str>, said: &[&str]| {
            let mut incident = crate::notify::example::opened().incident;
            (incident.timeline, incident.acknowledged) = (Vec::new(), None);
            let now = incident.started_at;
            for name in names {
                match name {
                    Some(name) => acknowledge(&mut incident, name, now),
                    None => withdraw(&mut incident, "ada", now),
                };
            }
            assert_eq!(incident.acknowledged.as_ref().map(|a| &*a.by), expected, "{names:?}");
            let lines: Vec<&str> = incident.timeline.iter().map(|(_, line)| &**line).collect();
            assert_eq!(lines, said, "{names:?}");
        };
        check(&[Some("ada"), Some(" ")], Some("ada"), &["ada looks after it"]);
        check(&[Some("")], Some("somebody"), &["somebody looks after it"]);
        check(&[Some(""), Some(" ada ")], Some("ada"), &["somebody looks after it", "ada looks after it"]);
        check(&[Some("ada"), Some("ada")], Some("ada"), &["ada looks after it"]);
        check(&[Some("ada"), Some("bob")], Some("bob"), &["ada looks after it", "bob looks after it"]);
        check(&[Some("ada"), None, None], None, &["ada looks after it", "ada no longer looks after it"]);
        check(&[Some("bob"), None], None, &["bob looks after it", "bob no longer looks after it, says ada"]);
        check(&[None], None, &[]);
    }
}
