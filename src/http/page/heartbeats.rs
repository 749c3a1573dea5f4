//! Jobs that report in: a section of the first page, and a page where they are paused and resumed.

use jiff::Timestamp;
use serde::Serialize;

use super::{Frame, Moment, Now, path, render, restore};
use crate::{
    heartbeat::{self, Kind, Standing, View, restore::RestoreView},
    model::text,
};

/// The most heartbeats listed: what needs a person comes first.
const ROWS_MAX: usize = 100;

/// Bytes of what a job said that are shown.
const SAID_MAX_BYTES: usize = 200;

/// Jobs that report in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Heartbeats {
    summary: String,
    /// The stylesheet's class of the summary.
    tone: &'static str,
    rows: Vec<Row>,
    more: String,
    #[serde(skip)]
    count: usize,
    #[serde(skip)]
    reported: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    name: String,
    cluster: String,
    /// The stylesheet's class, as of a target's state.
    class: &'static str,
    state: &'static str,
    since: Moment,
    /// Before the time since when: `for 3 h` of what is wrong or runs, `3 h ago` of a success.
    lasts: bool,
    words: String,
    lasted: String,
    /// What it last reported, and what is usual; empty: no size is read.
    size: String,
    is_paused: bool,
    /// Where it is paused or resumed; empty: the configuration says so.
    pause_href: String,
}

impl Heartbeats {
    /// As they stand.
    pub fn new(views: &[View], now: &Now) -> Self {
        let mut sorted: Vec<&View> = views.iter().collect();
        sorted.sort_by_key(|v| (!v.state.is_bad(), v.state == Standing::Paused));
        let bad = views.iter().filter(|v| v.state.is_bad()).count();
        let new = views.iter().filter(|v| v.state == Standing::New).count();
        let paused = views.iter().filter(|v| v.state == Standing::Paused).count();
        let summary = summary((bad, new, paused), views.len());
        let more = match views.len().saturating_sub(ROWS_MAX) {
            0 => String::new(),
            n => format!("and {} more, listed in /api/dogwatch/v1/heartbeats", text::number(n as u64)),
        };
        let rows = sorted.into_iter().take(ROWS_MAX).map(|v| row(v, now)).collect();
        Self {
            summary,
            tone: if bad > 0 { "bad" } else { "plain" },
            rows,
            more,
            count: views.len(),
            reported: new < views.len(),
        }
    }

    /// The line above everything where there is no cluster.
    pub fn line(&self) -> String {
        format!("{}: {}.", text::plural(self.count, "heartbeat", "heartbeats"), self.summary)
    }

    /// Whether any has ever reported.
    pub fn any_reported(&self) -> bool {
        self.reported
    }

    /// Whether any is not in time.
    pub fn is_bad(&self) -> bool {
        self.tone == "bad"
    }
}

/// What has never reported is not "in time".
fn summary((bad, new, paused): (usize, usize, usize), all: usize) -> String {
    let waited_for = all - paused;
    match (paused, waited_for) {
        (0, _) => {}
        (1, 0) => return "paused".into(),
        (_, 0) => return format!("all {} paused", text::number(paused as u64)),
        _ => return format!("{}, {} paused", summary((bad, new, 0), waited_for), text::number(paused as u64)),
    }
    let [n_bad, n_new, n_all, n_ok] = [bad, new, all, all - bad - new].map(|n| text::number(n as u64));
    let yet = if new == 1 { "has not reported yet" } else { "have not reported yet" };
    match (bad, new) {
        (0, 0) if all == 1 => "in time".to_owned(),
        (0, 0) => format!("all {n_all} in time"),
        (0, 1) if all == 1 => yet.to_owned(),
        (0, new) if new == all => format!("none of {n_all} has reported yet"),
        (0, _) => format!("{n_ok} in time, {n_new} {yet}"),
        (_, 0) => format!("{n_bad} of {n_all} not in time"),
        (_, _) => format!("{n_bad} of {n_all} not in time, {n_new} {yet}"),
    }
}

/// The page of all heartbeats.
#[derive(Clone, Debug, Serialize)]
pub struct HeartbeatsPage {
    heartbeats: Heartbeats,
    drills: Vec<restore::Drill>,
}

impl HeartbeatsPage {
    /// As they stand.
    pub fn new(views: &[View], drills: &[RestoreView], now: &Now) -> Self {
        let drills = drills.iter().map(|view| restore::Drill::new(view, now)).collect();
        Self { heartbeats: Heartbeats::new(views, now), drills }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: &Frame) -> Result<String, minijinja::Error> {
        render("heartbeats.html", frame, self)
    }
}

fn row(v: &View, now: &Now) -> Row {
    let moment = |at: Timestamp| Moment::new(at, now).text;
    let due = format!("the next success is due by {}", moment(v.due_by));
    let (class, state, words) = match v.state {
        Standing::New => {
            ("unknown", "new", format!("has not reported yet; its first success is due by {}", moment(v.due_by)))
        }
        Standing::Ok => ("up", "ok", due),
        Standing::Running => ("up", "running", due),
        Standing::Late => ("down", "late", missing(v, &moment)),
        Standing::Failed => ("down", "failed", failure(v)),
        Standing::TooLong => {
            let began = v.running_since.map(|at| format!("it began at {}", moment(at)));
            ("down", "too long", format!("{} and has not ended", began.unwrap_or_else(|| "it has begun".into())))
        }
        Standing::Paused => ("unknown", "paused", paused(v)),
    };
    let missed = v.missed.map(|b| {
        let (from, to) = (moment(b.from), moment(b.to));
        format!("; the watchdog did not listen from {from} to {to}, a report may be lost")
    });
    let lasted = v.duration_seconds.and_then(|s| std::time::Duration::try_from_secs_f64(s).ok()).map(text::duration);
    Row {
        name: v.name.clone(),
        cluster: v.cluster.clone().unwrap_or_default(),
        class,
        state,
        since: Moment::new(v.since, now),
        lasts: v.state != Standing::Ok,
        words: words + missed.as_deref().unwrap_or_default(),
        lasted: lasted.unwrap_or_default(),
        size: size(v),
        is_paused: v.paused.is_some(),
        pause_href: match &v.paused {
            None => path(&["heartbeats", &v.name, "pause"]),
            Some(p) if p.by.is_empty() => String::new(),
            Some(_) => path(&["heartbeats", &v.name, "resume"]),
        },
    }
}

fn size(v: &View) -> String {
    let words = |bytes: f64| heartbeat::size_words(bytes);
    match (v.size_bytes, v.usual_size_bytes) {
        (None, _) => String::new(),
        (Some(size), None) => words(size),
        (Some(size), Some(usual)) => format!("{}, usually {}", words(size), words(usual)),
    }
}

fn paused(v: &View) -> String {
    match v.paused.as_ref().map(|p| p.by.as_str()) {
        Some("") | None => "nobody waits for it: it is paused in the configuration".into(),
        Some(by) => format!("nobody waits for it: {by} paused it"),
    }
}

fn missing(v: &View, moment: &impl Fn(Timestamp) -> String) -> String {
    match v.last_success {
        Some(at) => format!("last success {}, expected {}", moment(at), v.expected),
        None => format!("it has never reported a success, expected {}", v.expected),
    }
}

/// What a failure said: its exit status and its last words.
fn failure(v: &View) -> String {
    let Some(ping) = v.pings.iter().find(|p| p.kind == Kind::Fail) else { return "it said that it failed".into() };
    if !ping.refused.is_empty() {
        return format!("it reported in, but {}", text::clip(&ping.refused, SAID_MAX_BYTES));
    }
    let status = match ping.exit_status {
        Some(status) => format!("exit status {status}"),
        None => "it said that it failed".into(),
    };
    match ping.body.lines().map(str::trim).rfind(|l| !l.is_empty()) {
        Some(said) => format!("{status}: {}", &said[..said.floor_char_boundary(SAID_MAX_BYTES)]),
        None => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_never_reported_is_not_in_time() {
        let check = |bad, new, all, expected: &str| assert_eq!(summary((bad, new, 0), all), expected);
        check(0, 0, 1, "in time");
        check(0, 0, 2, "all 2 in time");
        check(0, 1, 1, "has not reported yet");
        check(0, 2, 2, "none of 2 has reported yet");
        check(0, 1, 3, "2 in time, 1 has not reported yet");
        check(1, 0, 3, "1 of 3 not in time");
        check(1, 2, 3, "1 of 3 not in time, 2 have not reported yet");
        assert_eq!(summary((0, 0, 1), 1), "paused");
        assert_eq!(summary((0, 0, 2), 2), "all 2 paused");
        assert_eq!(summary((1, 0, 2), 5), "1 of 3 not in time, 2 paused");
    }
}
