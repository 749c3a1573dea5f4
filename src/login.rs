//! Who may ask, and by which TLS: what a `web_config` says, in the format of Prometheus' exporter-toolkit
//! (docs/web-configuration.md there), made ready and tried before it counts.
//!
//! Never shows a password or a hash. What is checked off the network is pure; files with certificates are read again when
//! they have changed, and what is then wrong with them leaves the ones before in use.

pub mod config;
mod suites;
mod tls;
mod users;

use http::{HeaderName, HeaderValue};

use self::config::WebConfig;
pub use self::{
    tls::Tls,
    users::{Asked, Users},
};

/// Something in a `web_config` that can't be used: its path there, and why.
pub type Wrong = (String, String);

/// What stands before every answer. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Who may log in; nobody: no password is asked for.
    pub users: Users,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Door {
    /// Made of a `web_config`. Reads the certificates' files.
    ///
    /// # Errors
    /// All that is wrong, each with its path.
    pub fn new(config: &WebConfig) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let users = Users::new(&config.basic_auth_users).map_err(|found| wrong.extend(found)).unwrap_or_default();
        let headers = config.http_server_config.read().map_err(|found| wrong.extend(found)).unwrap_or_default();
        let mut tls = None;
        if let Some(config) = config.tls() {
            match Tls::new(config) {
                Ok(made) => tls = Some(made),
                Err((at, why)) => wrong.push((format!("tls_server_config{at}"), why)),
            }
        }
        if wrong.is_empty() { Ok(Self { tls, users, headers }) } else { Err(wrong) }
    }

    /// Whether nobody gets in who has not proved who they are.
    pub fn is_guarded(&self) -> bool {
        self.users.are_asked() || self.tls.as_ref().is_some_and(Tls::asks_for_proof)
    }
}
