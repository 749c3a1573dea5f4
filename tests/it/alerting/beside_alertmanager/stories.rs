//! What happens in each story, and where dogwatch is meant to differ.

use serde_json::Value;

use super::Got;

/// What happens next.
pub enum Step {
    /// Alerts are posted in one request. They begin with the first post, until they have ended.
    Fire(&'static [&'static str]),
    /// The same, and they are over.
    End(&'static [&'static str]),
    /// All alerts with a label (`name=value`) are silenced.
    Silence(&'static str),
    /// No longer.
    Unsilence(&'static str),
    /// A receiver got so many messages since the beginning.
    Told(&'static str, usize),
    /// All that was due has been sent: it is waited for longer than `group_wait` and `group_interval`.
    Quiet,
}

/// Makes both alike where they are meant to differ.
type Level = fn(theirs: &mut Got, ours: &mut Got);

/// A configuration, and what happens to it.
pub struct Story {
    pub name: &'static str,
    /// More keys of the root route, which waits for 3 s, and tells news after 2 s.
    pub root: &'static str,
    /// Its routes.
    pub routes: &'static str,
    /// Names, each with more keys of its webhook.
    pub receivers: &'static [(&'static str, &'static str)],
    /// The rest of the file.
    pub more: &'static str,
    pub steps: &'static [Step],
    pub differs: Option<Differs>,
}

/// Where dogwatch is meant to differ, or both differ by chance.
pub struct Differs {
    pub why: &'static str,
    /// The two may be alike as well.
    pub by_chance: bool,
    pub level: Level,
}

/// Equal messages one after the other are one.
fn once(theirs: &mut Got, ours: &mut Got) {
    theirs.values_mut().chain(ours.values_mut()).for_each(Vec::dedup);
}

/// Only how many alerts are shown, and how many not.
fn count(theirs: &mut Got, ours: &mut Got) {
    for message in theirs.values_mut().chain(ours.values_mut()).flatten() {
        message["alerts"] = message["alerts"].as_array().map_or(0, Vec::len).into();
    }
}

/// Without the alert `A` in what follows the first message.
fn then_without_a(theirs: &mut Got, ours: &mut Got) {
    theirs.values_mut().chain(ours.values_mut()).flat_map(|messages| messages.iter_mut().skip(1)).for_each(take_a);
}

/// Without the alert `A` in the first message.
fn first_without_a(theirs: &mut Got, ours: &mut Got) {
    theirs.values_mut().chain(ours.values_mut()).filter_map(|messages| messages.first_mut()).for_each(take_a);
}

/// And without what follows from which alerts there are.
fn take_a(message: &mut Value) {
    message["alerts"].as_array_mut().unwrap().retain(|alert| alert["labels"]["alertname"] != "A");
    message["commonLabels"] = Value::Null;
}

use Step::{End, Fire, Quiet, Silence, Told, Unsilence};

/// One receiver, by the label `job`.
const PLAIN: Story = Story {
    name: "",
    root: "group_by: [job]",
    routes: "  - {receiver: a}",
    receivers: &[("a", "")],
    more: "",
    steps: &[],
    differs: None,
};

pub const STORIES: &[Story] = &[
    Story {
        name: "more join the group, some end, all end",
        steps: &[
            Fire(&["A job=x @summary=same @only=here", "B job=x @summary=same", "D job=y severity=info"]),
            Told("a", 2),
            Fire(&["C job=x severity=critical @summary=same"]),
            Told("a", 3),
            End(&["A job=x @summary=same @only=here"]),
            Told("a", 4),
            End(&["B job=x @summary=same", "C job=x severity=critical @summary=same"]),
            Told("a", 5),
            End(&["D job=y severity=info"]),
            Told("a", 6),
        ],
        ..PLAIN
    },
    Story {
        name: "it is over, and begins again",
        steps: &[
            Fire(&["A job=x severity=warning"]),
            Told("a", 1),
            End(&["A job=x severity=warning"]),
            Told("a", 2),
            Fire(&["A job=x severity=warning"]),
            Told("a", 3),
            Fire(&["B job=x"]),
            Told("a", 4),
            End(&["A job=x severity=warning", "B job=x"]),
            Told("a", 5),
        ],
        ..PLAIN
    },
    Story {
        name: "it comes and goes between two messages",
        root: "group_by: [job]\n  group_interval: 6s",
        steps: &[
            Fire(&["A job=x"]),
            Told("a", 1),
            End(&["A job=x"]),
            Fire(&["A job=x"]),
            Quiet,
            End(&["A job=x"]),
            Told("a", 2),
        ],
        ..PLAIN
    },
    Story {
        name: "it is over before it was told",
        root: "group_by: [job]\n  group_wait: 8s",
        steps: &[Fire(&["A job=x"]), End(&["A job=x"]), Quiet, Fire(&["B job=x"]), Told("a", 1)],
        ..PLAIN
    },
    Story {
        name: "some are over before they are told",
        differs: Some(Differs {
            why: "what came and went before anybody was told is in no message",
            by_chance: false,
            level: first_without_a,
        }),
        root: "group_by: [job]\n  group_wait: 8s",
        steps: &[Fire(&["A job=x", "B job=x"]), End(&["A job=x"]), Told("a", 1), End(&["B job=x"]), Told("a", 2)],
        ..PLAIN
    },
    Story {
        name: "routes within routes, with continue and equal matchers",
        differs: Some(Differs {
            why: "of two routes with the same matchers, receiver and groups one tells; of Alertmanager's sometimes both",
            by_chance: true,
            level: once,
        }),
        root: "group_by: [job]",
        routes: "  - {receiver: a, matchers: ['team=\"db\"', 'severity=~\"critical|warning\"'], continue: true}
  - {receiver: b, matchers: ['team=\"db\"'], group_by: [alertname, zone], continue: true}
  - {receiver: b, matchers: ['team=\"db\"'], group_by: [alertname, zone], continue: true}
  - receiver: c
    match: {team: db}
    routes:
    - {matchers: [zone!=1], match_re: {severity: crit.*}, group_by: ['...'], continue: true}
    - {receiver: d, matchers: ['{zone=~\"1|2\", alertname!~\"X.*\"}']}
  - {receiver: a}",
        receivers: &[("a", ""), ("b", ""), ("c", ""), ("d", "")],
        steps: &[
            Fire(&["A team=db severity=critical zone=1", "B team=db severity=critical zone=2"]),
            Fire(&["X team=db severity=info zone=1", "Y job=x"]),
            Told("a", 2),
            Told("b", 3),
            Told("c", 2),
            Told("d", 1),
            End(&["A team=db severity=critical zone=1", "B team=db severity=critical zone=2"]),
            End(&["X team=db severity=info zone=1", "Y job=x"]),
            Told("a", 4),
            Told("b", 6),
            Told("c", 4),
            Told("d", 2),
        ],
        ..PLAIN
    },
    Story {
        name: "each alert its own group",
        root: "group_by: ['...']",
        steps: &[
            Fire(&["A job=x zone=1", "A job=x zone=2", "A job=x"]),
            Told("a", 3),
            End(&["A job=x zone=1"]),
            Told("a", 4),
        ],
        ..PLAIN
    },
    Story {
        name: "all in one group, with nothing to group by",
        root: "group_by: []",
        steps: &[
            Fire(&["A job=x zone=1", "B job=x zone=2"]),
            Told("a", 1),
            End(&["A job=x zone=1", "B job=x zone=2"]),
            Told("a", 2),
        ],
        ..PLAIN
    },
    Story {
        name: "names and values of all kinds",
        root: "group_by: [job, 'näme', quote]",
        routes: "  - {receiver: a, matchers: ['z!=\"b\\\\ \\\"c\"', 'job=~\".+\"', '\"näme\"!=\"x\"', 'job!=\"é\"']}",
        steps: &[
            Fire(&["A job=x näme=ü\u{1f600} quote=\"\\\t\n'\u{1}\u{7f}\u{200b}\u{a0}", "B job=<a>&b empty="]),
            Told("a", 2),
            End(&["A job=x näme=ü\u{1f600} quote=\"\\\t\n'\u{1}\u{7f}\u{200b}\u{a0}", "B job=<a>&b empty="]),
            Told("a", 4),
        ],
        ..PLAIN
    },
    Story {
        name: "one explains another, until it is over",
        more: "inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [zone, gone]}]",
        root: "group_by: [alertname]",
        steps: &[
            Fire(&["Root severity=critical zone=1", "Small severity=warning zone=1", "Other severity=warning zone=2"]),
            Told("a", 2),
            Quiet,
            End(&["Root severity=critical zone=1"]),
            Told("a", 4),
            End(&["Small severity=warning zone=1", "Other severity=warning zone=2"]),
            Told("a", 6),
        ],
        ..PLAIN
    },
    Story {
        name: "silenced from the beginning, then heard",
        steps: &[
            Silence("alertname=A"),
            Fire(&["A job=x", "B job=x"]),
            Told("a", 1),
            Fire(&["A job=y"]),
            Quiet,
            Unsilence("alertname=A"),
            Told("a", 3),
            End(&["A job=x", "B job=x", "A job=y"]),
            Told("a", 5),
        ],
        ..PLAIN
    },
    Story {
        name: "silenced after it was told",
        differs: Some(Differs {
            why: "whoever was told of a beginning is told how it goes on and of the end, silenced or not",
            by_chance: false,
            level: then_without_a,
        }),
        steps: &[
            Fire(&["A job=x", "B job=x"]),
            Told("a", 1),
            Silence("alertname=A"),
            Fire(&["C job=x"]),
            Told("a", 2),
            End(&["A job=x", "B job=x", "C job=x"]),
            Told("a", 3),
        ],
        ..PLAIN
    },
    Story {
        name: "time intervals",
        routes: "  - {receiver: a, mute_time_intervals: [always], continue: true}
  - {receiver: b, active_time_intervals: [always], continue: true}
  - {receiver: c, active_time_intervals: [never], continue: true}
  - {receiver: d, mute_time_intervals: [never]}",
        receivers: &[("a", ""), ("b", ""), ("c", ""), ("d", "")],
        more: "time_intervals: [{name: always, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}, {name: never, time_intervals: [{years: ['1990']}]}]",
        steps: &[Fire(&["A job=x"]), Told("b", 1), Told("d", 1), End(&["A job=x"]), Told("b", 2), Told("d", 2)],
        ..PLAIN
    },
    Story {
        name: "send_resolved is false",
        receivers: &[("a", "send_resolved: false")],
        steps: &[
            Fire(&["A job=x", "B job=x"]),
            Told("a", 1),
            End(&["A job=x"]),
            Quiet,
            Fire(&["C job=x"]),
            Told("a", 2),
            End(&["B job=x", "C job=x"]),
            Quiet,
            Fire(&["A job=x"]),
            Told("a", 3),
        ],
        ..PLAIN
    },
    Story {
        name: "no more than two alerts in a message",
        differs: Some(Differs {
            why: "the gravest and newest alerts come first, Alertmanager's in the order of their labels",
            by_chance: false,
            level: count,
        }),
        receivers: &[("a", "max_alerts: 2")],
        steps: &[
            Fire(&["A job=x", "B job=x", "C job=x"]),
            Told("a", 1),
            End(&["A job=x", "B job=x", "C job=x"]),
            Told("a", 2),
        ],
        ..PLAIN
    },
    Story {
        name: "it is said again",
        differs: Some(Differs {
            why: "reminders come when they are due, Alertmanager's with the next group_interval",
            by_chance: true,
            level: once,
        }),
        root: "group_by: [job]\n  repeat_interval: 3s",
        steps: &[Fire(&["A job=x"]), Told("a", 3), End(&["A job=x"]), Quiet],
        ..PLAIN
    },
];
