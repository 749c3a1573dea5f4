//! Claims that wait for a volume.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Moment, News, regarding};
use crate::model::{Situation, WaitingClaims, text};

/// So many classes are told of.
const TOLD_MAX: usize = 20;
/// So many words about claims are remembered.
const WORDS_MAX: usize = 1_000;
/// Bytes of what a provisioner says.
const SAID_MAX: usize = 200;

/// A claim without a volume.
#[derive(Debug)]
struct Claim {
    class: String,
    since: Timestamp,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Claims {
    waiting: BTreeMap<String, Claim>,
    /// Classes that make a volume only once a pod wants it.
    on_demand: BTreeSet<String>,
    /// What was said last of a claim that could not be served.
    words: BTreeMap<String, String>,
}

impl Claims {
    pub(super) fn take(&mut self, news: &News<'_>) {
        let object = news.object;
        match object.resource {
            "storageclasses" => {
                let is_on_demand = object.text(&["volumeBindingMode"]) == "WaitForFirstConsumer";
                match is_on_demand && !news.is_gone {
                    true => drop(self.on_demand.insert(object.name.clone())),
                    false => drop(self.on_demand.remove(&object.name)),
                }
            }
            "persistentvolumeclaims" => {
                let key = news.key();
                let waits = !news.is_gone && object.text(&["status", "phase"]) == "Pending";
                if !waits {
                    self.waiting.remove(&key);
                    self.words.remove(&key);
                    return;
                }
                let class = object.text(&["spec", "storageClassName"]).to_owned();
                let since = object.made_at().unwrap_or(news.at).min(news.at);
                self.waiting.insert(key, Claim { class, since });
            }
            "events" if object.text(&["reason"]) == "ProvisioningFailed" => {
                let key = regarding(object);
                if self.words.len() < WORDS_MAX || self.words.contains_key(&key) {
                    self.words.insert(key, text::clip(object.text(&["note"]), SAID_MAX).to_owned());
                }
            }
            _ => {}
        }
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, into: &mut Situation) {
        if !moment.knows(&["persistentvolumeclaims", "storageclasses"]) {
            return;
        }
        // Words of claims that nobody has are forgotten.
        self.words.retain(|key, _| self.waiting.contains_key(key));
        let mut classes: BTreeMap<&str, WaitingClaims> = BTreeMap::new();
        for (key, claim) in &self.waiting {
            let word = self.words.get(key);
            // One that waits for its first pod waits rightly, unless its provisioner has failed at it.
            if self.on_demand.contains(&claim.class) && word.is_none() {
                continue;
            }
            let told = classes.entry(&claim.class).or_insert_with(|| WaitingClaims {
                class: claim.class.clone(),
                claims: crate::model::Several::default(),
                said: String::new(),
            });
            told.claims.add(key, claim.since);
            if let Some(word) = word {
                told.said.clone_from(word);
            }
        }
        into.claims = classes.into_values().take(TOLD_MAX).collect();
    }
}
