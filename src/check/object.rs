//! Objects of a watched cluster, as its API server has them: what stands at a JSONPath, which conditions they are in.
//!
//! Asked with the cluster's own credentials; only ever reads. Which resource a kind is, the API server is asked every few minutes
//! (`kinds`), and at once where it is not known or not there any more. A refusal names the rule that is missing.

mod ask;
mod judge;
mod kinds;
mod preset;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json_path::JsonPath;

pub use self::kinds::Kinds;
use self::{
    ask::Api,
    judge::{Query, Rule, Which},
    preset::Preset,
};
use super::{
    condition::Condition,
    found::Found,
    prober::{Asking, Prober, Problems},
};
use crate::model::{Failure, Reason};

/// `object:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectConfig {
    /// Of which cluster; without it, of the check's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// `v1`, `apps/v1`, `ceph.rook.io/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// `Deployment`, `CephCluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Without it, in all namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Without it, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Those with these labels, as kubectl writes it: `app=shop,tier!=db`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Objects and conditions that are known of a product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// A JSONPath into each object …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// … and what has to stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<serde_json::Value>,
    /// A condition of `status.conditions` that each has to be in: `Ready=True`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What else each of them (`json …`) and all together (`count`, `time`) must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
}

impl ObjectConfig {
    /// What has to hold for each object, beside what a preset says.
    fn rules(&self) -> Vec<Rule> {
        let mut all = Vec::new();
        if let (Some(path), Some(value)) = (&self.path, &self.equals)
            && let Ok(path) = JsonPath::parse(path)
        {
            all.push(Rule::Equals(path, value.clone()));
        }
        if let Some((kind, status)) = self.condition.as_ref().and_then(|text| text.split_once('=')) {
            all.push(Rule::InCondition(kind.trim().to_owned(), status.trim().to_owned()));
        }
        all.extend(self.expect.iter().filter(|c| c.about() == "json").cloned().map(Rule::Is));
        all
    }

    /// What is asked for.
    fn queries(&self) -> Vec<Query> {
        if let Some(preset) = self.preset {
            let mut all = preset.queries();
            for query in &mut all {
                query.namespace.clone_from(&self.namespace);
                query.selector.clone_from(&self.selector);
            }
            return all;
        }
        let (Some(version), Some(kind)) = (&self.api_version, &self.kind) else { return Vec::new() };
        vec![Query {
            which: Which::Version(version.clone()),
            kind: kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            selector: self.selector.clone(),
            rules: self.rules(),
            ..Query::default()
        }]
    }

    /// Nothing may be there, where how many is asked for by itself or a preset knows better.
    fn may_be_none(&self) -> bool {
        self.preset.is_some() || self.expect.iter().any(|c| c.about() == "count")
    }
}

impl Prober for ObjectConfig {
    fn layer(&self) -> u8 {
        4
    }

    fn at(&self) -> String {
        if let Some(preset) = self.preset {
            return preset.name().to_owned();
        }
        let kind = self.kind.clone().unwrap_or_default();
        let all = self.selector.as_deref().unwrap_or("*");
        match (&self.namespace, self.name.as_deref().unwrap_or(all)) {
            (Some(namespace), name) => format!("{kind}/{namespace}/{name}"),
            (None, name) => format!("{kind}/{name}"),
        }
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn conditions(&self) -> Vec<&Condition> {
        // Those about each object are judged with it.
        self.expect.iter().filter(|c| c.about() != "json").collect()
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["json", "count"], "an object")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        let is_given = self.api_version.is_some() || self.kind.is_some() || self.name.is_some();
        match (self.preset, is_given) {
            (Some(_), true) => say("", "give preset, or api_version and kind, not both"),
            (Some(_), false) if self.path.is_some() || self.condition.is_some() || self.equals.is_some() => {
                say("", "a preset has its own conditions: leave path, equals and condition out");
            }
            (None, _) if self.api_version.is_none() => say(".api_version", "is missing, like apps/v1"),
            (None, _) if self.kind.is_none() => say(".kind", "is missing, like Deployment"),
            _ => {}
        }
        let is_part = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:".contains(&b))
                && !text.contains("..")
        };
        let version = self.api_version.as_deref().unwrap_or("v1");
        if version.split('/').count() > 2 || !version.split('/').all(is_part) {
            say(".api_version", "write it like v1 or apps/v1");
        }
        for (key, text) in [(".kind", &self.kind), (".namespace", &self.namespace), (".name", &self.name)] {
            if text.as_ref().is_some_and(|text| !is_part(text)) {
                say(key, "this can't be one: it has letters, digits, '.', '-' and '_'");
            }
        }
        if self.name.is_some() && self.selector.is_some() {
            say(".selector", "give name or selector, not both");
        }
        if self.path.is_some() != self.equals.is_some() {
            say("", "path and equals belong together; for other comparisons write expect: ['json $.status.x > 3']");
        }
        if let Some(Err(e)) = self.path.as_ref().map(|path| JsonPath::parse(path)) {
            say(".path", &format!("this is no JSONPath (RFC 9535), like $.status.phase: {}", e.message()));
        }
        if self.equals.as_ref().is_some_and(|value| value.is_array() || value.is_object()) {
            say(".equals", "must be a text, a number, true, false or null");
        }
        let is_condition =
            |text: &String| text.split_once('=').is_some_and(|(a, b)| !a.trim().is_empty() && !b.trim().is_empty());
        if self.condition.as_ref().is_some_and(|text| !is_condition(text)) {
            say(".condition", "write it like Ready=True");
        }
        all
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// Asks for all objects, and judges each.
async fn probe(c: &ObjectConfig, found: &mut Found) -> Result<(), Failure> {
    let Some(cluster) = found.cluster.clone() else {
        return Err(Failure::new(Reason::Local, "the cluster's kubeconfig can't be used (yet)"));
    };
    let mut api = Api::new(cluster);
    let (mut count, mut wrong) = (0usize, Vec::new());
    let mut missing = None;
    let queries = c.queries();
    for query in &queries {
        let objects = match api.objects(query, found).await {
            Ok(objects) => objects,
            // Of a product not everything need be installed.
            Err(failure) if c.preset.is_some() && failure.reason == Reason::Foreign => {
                missing = Some(failure);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        found.line.note(format_args!("{} of kind {}", objects.len(), query.kind));
        count += objects.len();
        wrong.extend(judge::all(query, &objects, jiff::Timestamp::now()));
    }
    if let Some(failure) = missing.filter(|_| api.kinds_found() == 0) {
        return Err(Failure { reason: Reason::Answer, ..failure });
    }
    found.answered = true;
    #[allow(clippy::cast_precision_loss)] // Numbers of objects, far below 2^53.
    let (count, failing) = (count as f64, wrong.len() as f64);
    found.measure("probe_object_count", count);
    found.measure("probe_object_failing", failing);
    found.seen.number("count", count);
    wrong.iter().for_each(|words| found.line.note(words));
    match &wrong[..] {
        [] if count == 0.0 && !c.may_be_none() => Err(Failure::new(Reason::Answer, format!("there is no {}", c.at()))),
        [] => Ok(()),
        [one] => Err(Failure::new(Reason::Answer, one.clone())),
        [one, ..] => {
            Err(Failure::new(Reason::Answer, format!("{} objects are not well; the first: {one}", wrong.len())))
        }
    }
}
