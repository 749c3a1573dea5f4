//! In whose words people are told.

use super::Config;
use crate::{model::cron, notify::config::ReceiverConfig, words::Voice};

impl Config {
    /// In which language and time zone people are told where nothing else is said.
    ///
    /// # Errors
    /// For a time zone that there is not.
    pub fn voice(&self) -> Result<Voice, String> {
        Ok(Voice::new(self.language.unwrap_or_default(), cron::zone(self.timezone.as_deref())?))
    }

    /// Receivers, each with the language and the time zone of the whole where it has none of its own.
    pub(super) fn told_receivers(&self) -> Vec<ReceiverConfig> {
        let told_in = |r: &ReceiverConfig| r.clone().or_told_in(self.language, self.timezone.as_deref());
        self.receivers.iter().map(told_in).collect()
    }
}
