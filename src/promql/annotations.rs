//! Annotations: what Prometheus says beside a result, in its words (util/annotations/annotations.go).

use std::collections::BTreeSet;

/// Annotations of one kind that are told; a query over thousands of metrics would tell of each.
const MAX: usize = 10;

/// Warnings question the result, infos the query. Each is told once.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

impl Annotations {
    /// The result may be wrong.
    pub fn warn(&mut self, message: String) {
        self.warnings.insert(format!("PromQL warning: {message}"));
    }

    /// The query may not be meant so.
    pub fn info(&mut self, message: String) {
        self.infos.insert(format!("PromQL info: {message}"));
    }

    /// Warnings and infos, the first of each.
    pub fn told(self) -> (Vec<String>, Vec<String>) {
        let told = |all: BTreeSet<String>, kind: &str| {
            let more = all.len().saturating_sub(MAX);
            let mut told: Vec<String> = all.into_iter().take(MAX).collect();
            if more > 0 {
                told.push(format!("{more} more {kind} annotations omitted"));
            }
            told
        };
        (told(self.warnings, "warning"), told(self.infos, "info"))
    }
}
