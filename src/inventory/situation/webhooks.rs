//! Webhooks that refuse what they can't be asked about, while nothing is ready behind their service.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Moment, News, endpoints::Endpoints, pair};
use crate::model::{DeadWebhook, Situation};

/// So many are told of.
const TOLD_MAX: usize = 20;
/// So many webhooks of one configuration are looked at; the API sets no bound.
const HOOKS_MAX: usize = 100;
/// So many resources are named.
const RESOURCES_NAMED: usize = 4;

/// One webhook that fails closed.
#[derive(Debug)]
struct Hook {
    name: String,
    service: String,
    asked: String,
    is_broad: bool,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Webhooks {
    /// By kind and configuration.
    configurations: BTreeMap<(&'static str, String), Vec<Hook>>,
    /// Since when nothing is ready behind a service.
    dead: BTreeMap<String, Timestamp>,
}

impl Webhooks {
    pub(super) fn take(&mut self, news: &News<'_>) {
        if !news.is("validatingwebhookconfigurations") && !news.is("mutatingwebhookconfigurations") {
            return;
        }
        let key = (news.object.kind, news.object.name.clone());
        if news.is_gone {
            self.configurations.remove(&key);
            return;
        }
        let hooks =
            news.object.map(&["webhooks"]).take(HOOKS_MAX).filter_map(|(name, hook)| read(name, hook)).collect();
        self.configurations.insert(key, hooks);
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, endpoints: &Endpoints, into: &mut Situation) {
        if !moment.knows(&["endpointslices", "services"]) {
            return;
        }
        let hooks = || self.configurations.iter().flat_map(|(at, hooks)| hooks.iter().map(move |hook| (at, hook)));
        let is_dead = |service: &str| endpoints.ready(service) == 0;
        let mut dead: BTreeMap<String, Timestamp> = BTreeMap::new();
        for (_, hook) in hooks().filter(|(_, hook)| is_dead(&hook.service)) {
            let since = self.dead.get(&hook.service).copied().unwrap_or(moment.now);
            dead.insert(hook.service.clone(), since);
        }
        for ((kind, configuration), hook) in hooks() {
            let Some(since) = dead.get(&hook.service).filter(|_| into.webhooks.len() < TOLD_MAX) else { continue };
            into.webhooks.push(DeadWebhook {
                configuration: configuration.clone(),
                kind,
                name: hook.name.clone(),
                service: hook.service.clone(),
                asked: hook.asked.clone(),
                is_broad: hook.is_broad,
                since: *since,
            });
        }
        self.dead = dead;
    }
}

/// `None`: it fails open, or is no service in the cluster.
fn read(name: &str, hook: &Value) -> Option<Hook> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let service = &hook["clientConfig"]["service"];
    let (namespace, of) = (text(&service["namespace"]), text(&service["name"]));
    // Fail is the default of admissionregistration.k8s.io/v1.
    if hook["failurePolicy"] == "Ignore" || of.is_empty() {
        return None;
    }
    let rules: Vec<&Value> = hook["rules"].as_array().into_iter().flatten().collect();
    let listed = |field: &str| -> Vec<String> {
        let all = rules.iter().flat_map(|rule| rule[field].as_array().into_iter().flatten());
        let mut all: Vec<String> = all.filter_map(Value::as_str).map(str::to_lowercase).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let is_everywhere = hook["namespaceSelector"]["matchLabels"].as_object().is_none_or(serde_json::Map::is_empty);
    let (mut resources, mut operations) = (listed("resources"), listed("operations"));
    let is_broad = is_everywhere && resources.iter().any(|r| ["*", "*/*", "pods", "pods/*"].contains(&r.as_str()));
    if operations.iter().any(|o| o == "*") || operations.is_empty() {
        operations = vec!["every change".to_owned()];
    }
    if resources.iter().any(|r| r.starts_with('*')) || resources.is_empty() {
        resources = vec!["everything".to_owned()];
    } else if resources.len() > RESOURCES_NAMED {
        let more = resources.len() - RESOURCES_NAMED;
        resources.truncate(RESOURCES_NAMED);
        resources.push(format!("{more} more"));
    }
    let asked = format!("{} of {}", operations.join(", "), resources.join(", "));
    Some(Hook { name: name.to_owned(), service: pair(&namespace, &of), asked, is_broad })
}
