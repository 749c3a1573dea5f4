//! What somebody did, as the audit log keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of the audit log. Holds no secret: neither tokens nor passwords, nor names that were tried with wrong ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who; empty: nobody was asked, or nobody was known.
    pub who: String,
    /// How that was proved: `password`, `token`, `proxy`, `certificate`, `cluster`, `oidc`, `none`.
    pub proof: String,
    /// From which address; before proxies that are trusted.
    pub address: String,
    /// What: `silence`, `end silence`, `acknowledge`, `withdraw`, `note`, `reload`, `post alerts`, `login`, `logout`,
    /// `refused login`, `pause heartbeat`, `resume heartbeat`, `open restore drill`.
    pub action: String,
    /// With what: the id of an incident or a silence, an issuer's name of who logged in; empty where there is none.
    pub subject: String,
    /// More, in words.
    pub detail: String,
}

impl AuditEntry {
    /// Bytes of a detail; the rest is cut.
    pub const DETAIL_MAX: usize = 500;
}
