//! Webhooks that must be asked and can't be.

use std::{collections::BTreeMap, time::Duration};

use super::Objects;
use crate::{
    health::say,
    model::{AlertName, DeadWebhook, Finding, Said, SaidPart, Severity, text},
};

/// One that is replaced has nothing ready behind it for a moment.
const MOMENT: Duration = Duration::from_secs(15);
/// One whose only pod is moved to another node is away for as long. Less than a warning waits to be told (60 s): else it would be
/// told, and told as worse in the next moment.
const MOVED_WITHIN: Duration = Duration::from_secs(50);
/// So many webhooks of one service are told of.
const NAMED: usize = 5;

pub(super) fn findings(o: &Objects<'_>) -> Vec<Finding> {
    let mut by_service: BTreeMap<&str, Vec<&DeadWebhook>> = BTreeMap::new();
    for hook in o.situation.webhooks.iter().filter(|hook| o.lasts(hook.since, MOMENT)) {
        by_service.entry(&hook.service).or_default().push(hook);
    }
    by_service.into_iter().filter_map(|(service, hooks)| finding(o, service, &hooks)).collect()
}

fn finding(o: &Objects<'_>, service: &str, hooks: &[&DeadWebhook]) -> Option<Finding> {
    let first = hooks.iter().find(|hook| hook.is_broad).or(hooks.first())?;
    let headline = Said::new("webhook-failing").with("asked", asked(first)).with("webhook", &first.name);
    let headline = headline.with("service", service);
    let severity =
        if first.is_broad && o.lasts(first.since, MOVED_WITHIN) { Severity::Critical } else { Severity::Warning };
    let mut finding = o.finding((AlertName::WebhookFailing, service), severity, headline, first.since);
    finding.caused_by = o.lost_before(first.since);
    finding.labels.insert("service".into(), service.to_owned());
    finding.labels.insert("webhook".into(), first.name.clone());
    let line = |hook: &&&DeadWebhook| {
        let DeadWebhook { kind, configuration, name, asked, .. } = hook;
        format!("{kind} {configuration}: {name} must be asked about {asked} (failurePolicy Fail)")
    };
    finding.evidence = hooks.iter().take(NAMED).map(|hook| line(&hook)).collect();
    finding.evidence.push(format!("no endpoint of {service} has been ready since {}", text::moment(first.since)));
    finding.consequences.push(match first.is_broad {
        true => "no pod is created, so that nothing that ends or is moved comes back".into(),
        false => "controllers and people can't change what it is asked about".into(),
    });
    let (namespace, _) = service.split_once('/').unwrap_or(("", service));
    let resource = first.kind.to_lowercase();
    let step = Said::new("step-webhook").with("namespace", namespace).with("resource", resource);
    say::first_step(&mut finding, step.with("name", &first.configuration));
    Some(finding)
}

/// What it is asked about: `create, update of pods`.
fn asked(hook: &DeadWebhook) -> SaidPart {
    let Some((operations, resources)) = hook.asked.split_once(" of ") else { return (&hook.asked).into() };
    let part = |words: &str, all: &'static str, id: &'static str| match words == all {
        true => Said::new(id).into(),
        false => SaidPart::from(words),
    };
    let asked = Said::new("webhook-asked").with("operations", part(operations, "every change", "every-change"));
    asked.with("resources", part(resources, "everything", "every-resource")).into()
}
