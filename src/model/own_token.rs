//! A bearer token of ours that ends, as a fact; never the token.

use std::time::Duration;

use jiff::Timestamp;

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFact {
    /// Who it says that we are: `system:serviceaccount:dogwatch:dogwatch`.
    pub subject: String,
    /// When it was given.
    pub issued: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// We renew it ourselves.
    pub is_renewed: bool,
    /// Why that failed when it was last tried, or why the new one could not be kept.
    pub problem: Option<String>,
}

impl TokenFact {
    /// Returns how long it lives in all.
    pub fn lifetime(&self) -> Duration {
        Duration::try_from(self.ends.duration_since(self.issued)).unwrap_or_default()
    }

    /// Returns when it is renewed: when half of its life is over, so that the other half is left for what goes wrong.
    pub fn renewed_at(&self) -> Timestamp {
        self.ends.checked_sub(self.lifetime() / 2).unwrap_or(self.issued)
    }

    /// Returns the namespace and the name of its ServiceAccount, where it is one's.
    pub fn account(&self) -> Option<(&str, &str)> {
        let account = self.subject.strip_prefix("system:serviceaccount:")?;
        // As names of objects are: they become part of a path.
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        account.split_once(':').filter(|(namespace, name)| is_name(namespace) && is_name(name))
    }
}
