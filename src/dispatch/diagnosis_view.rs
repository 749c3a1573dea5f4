//! A diagnosis as incidents need it. Pure.

use std::collections::BTreeMap;

use crate::model::{Diagnosis, Finding, FindingKey, Severity};

/// Holds what counts of a diagnosis: everything above `Info`, by key, and what causes what.
pub(super) struct DiagnosisView<'a> {
    /// The cluster.
    pub(super) cluster: &'a str,
    /// By key.
    pub(super) findings: BTreeMap<&'a FindingKey, &'a Finding>,
    in_order: Vec<&'a Finding>,
}

impl<'a> DiagnosisView<'a> {
    /// Reads a diagnosis.
    pub(super) fn new(diagnosis: &'a Diagnosis) -> Self {
        let in_order: Vec<&Finding> = diagnosis.findings.iter().filter(|f| f.severity > Severity::Info).collect();
        let findings = in_order.iter().map(|f| (&f.key, *f)).collect();
        Self { cluster: &diagnosis.cluster, findings, in_order }
    }

    /// Returns the cause, where it is in the picture itself: a finding whose cause nobody sees stands for itself.
    pub(super) fn cause(&self, finding: &'a Finding) -> Option<&'a FindingKey> {
        finding.caused_by.as_ref().filter(|key| **key != finding.key && self.findings.contains_key(key))
    }

    /// Returns what nothing in the picture explains, in the diagnosis' order.
    pub(super) fn roots(&self) -> impl Iterator<Item = &'a Finding> {
        self.in_order.iter().copied().filter(|f| self.cause(f).is_none())
    }

    /// Returns the end of the chain of causes; `None` for a chain that bites its own tail.
    pub(super) fn root_of(&self, finding: &'a Finding) -> Option<&'a Finding> {
        let mut at = finding;
        for _ in 0..self.findings.len() {
            match self.cause(at) {
                Some(cause) => at = self.findings.get(cause)?,
                None => return Some(at),
            }
        }
        None
    }
}
