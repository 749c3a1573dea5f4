//! `route:`, `inhibit_rules:` and `time_intervals:` of the configuration, in Alertmanager's own schema. A key that we don't
//! act on is not accepted.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::{duration, null_as_default};

/// One node of the route tree; what it does not say it takes from its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfig {
    /// Who is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// Conditions: `severity="critical"`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub matchers: Vec<String>,
    /// Conditions in the old form: equal.
    #[serde(
        rename = "match",
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_default::deserialize"
    )]
    pub equal: BTreeMap<String, String>,
    /// Conditions in the old form: expressions.
    #[serde(
        rename = "match_re",
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_default::expressions"
    )]
    pub regex: BTreeMap<String, String>,
    /// Later siblings are tried too.
    #[serde(rename = "continue", skip_serializing_if = "is_false")]
    pub goes_on: bool,
    /// Alerts that share these labels are told together; `['...']`: all labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<Vec<String>>,
    /// A new group waits so long for more of its alerts.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub group_wait: Option<Duration>,
    /// The least time between two messages that bring new facts but nothing worse.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub group_interval: Option<Duration>,
    /// Reminder of what lasts.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub repeat_interval: Option<Duration>,
    /// Nothing is told in these.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub mute_time_intervals: Vec<String>,
    /// Nothing is told outside of these.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub active_time_intervals: Vec<String>,
    /// For templates (`.RouteLabels`): templates themselves, which children inherit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub labels: BTreeMap<String, String>,
    /// Who is told when the receiver does not react (ours, not in Alertmanager).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Vec<EscalationConfig>>,
    /// More particular routes, the first that matches wins.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub routes: Vec<RouteConfig>,
}

fn is_false(b: &bool) -> bool {
    !b
}

impl RouteConfig {
    /// Returns everything to one receiver.
    pub fn to(receiver: &str) -> Self {
        Self { receiver: Some(receiver.into()), ..Self::default() }
    }
}

/// One step of `escalation:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationConfig {
    /// Counted from the first message.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub after: Duration,
    /// What must not have happened by then.
    #[serde(default, rename = "if")]
    pub unless: EscalateIf,
    /// Who is told then.
    pub receiver: String,
}

/// Says when an escalation goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalateIf {
    /// Nobody has acknowledged the incident.
    #[default]
    NotAcknowledged,
    /// The receiver has not accepted the message.
    NotAccepted,
}

/// One entry of `inhibit_rules:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InhibitConfig {
    /// What it is called, for those who read the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What explains.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub source_matchers: Vec<String>,
    /// The same in the old form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub source_match: BTreeMap<String, String>,
    /// The same in the old form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default::expressions")]
    pub source_match_re: BTreeMap<String, String>,
    /// What is explained by it, and not told.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub target_matchers: Vec<String>,
    /// The same in the old form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub target_match: BTreeMap<String, String>,
    /// The same in the old form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default::expressions")]
    pub target_match_re: BTreeMap<String, String>,
    /// Labels in which both must agree.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default::deserialize")]
    pub equal: Vec<String>,
}

/// One entry of `time_intervals:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedIntervals {
    /// What routes call it.
    pub name: String,
    /// Any of these.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub time_intervals: Vec<IntervalConfig>,
}

/// When: all that is given must hold, each by one of its ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntervalConfig {
    /// Times of day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Vec<TimesConfig>>,
    /// `monday:friday`, `sunday`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<String>>,
    /// `1:5`, `-3:-1` (the last three).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "texts")]
    pub days_of_month: Option<Vec<String>>,
    /// `january:march`, `1:3`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "texts")]
    pub months: Option<Vec<String>>,
    /// `2026:2028`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "texts")]
    pub years: Option<Vec<String>>,
    /// IANA time zone, default UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// `times:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimesConfig {
    /// `09:00`
    pub start_time: String,
    /// `17:00`, `24:00`; not included.
    pub end_time: String,
}

/// Texts, of which YAML may take some for numbers (`days_of_month: [1]`).
fn texts<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Text(String),
        Number(i64),
    }
    let all = Option::<Vec<Text>>::deserialize(d)?;
    let text = |t| match t {
        Text::Text(text) => text,
        Text::Number(n) => n.to_string(),
    };
    Ok(all.map(|all| all.into_iter().map(text).collect()))
}
