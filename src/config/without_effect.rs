//! What is read for the sake of files of Alertmanager's, and does nothing here.

use super::Config;

impl Config {
    /// What is accepted in a file of Alertmanager's, and has no effect here: in words, with its key.
    pub fn without_effect(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.tracing.is_some() {
            all.push(
                "tracing: has no effect: dogwatch sends no traces of itself; its /metrics and log tell".to_owned(),
            );
        }
        if self.event_recorder.is_some() {
            all.push(
                "event_recorder: has no effect: what is told to whom is in the incidents (`dogwatch incidents`)"
                    .to_owned(),
            );
        }
        all
    }
}
