//! Who may ask for what, and by which TLS: what a `web_config` says, in the format of Prometheus' exporter-toolkit
//! (docs/web-configuration.md there), and `auth` of the configuration, made ready and tried before they count.
//!
//! Never shows a password or a hash. Asks nobody but an issuer at which people log in (`oidc`), and only when one does; all else
//! is pure; files with certificates are read again when
//! they have changed, and what is then wrong with them leaves the ones before in use.

mod auth;
mod begun;
mod by_role;
mod caller;
pub mod config;
mod cors;
pub mod csrf;
mod guesses;
mod keyed;
mod oidc;
mod proxy;
mod sessions;
mod suites;
mod tally;
mod tls;
mod tokens;
mod users;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, HeaderValue};

use self::config::WebConfig;
pub use self::{
    auth::{Auth, AuthConfig},
    begun::{Begun, WITHIN as LOGIN_WITHIN},
    by_role::ByRole,
    caller::{Caller, Need, Proof, Role, Scope},
    cors::CorsConfig,
    oidc::{Oidc, Trouble, config::OidcConfig},
    proxy::Vouched,
    sessions::{Session, Sessions},
    tally::Tally,
    tls::{Tls, named},
    tokens::{TokenConfig, create as create_token},
    users::{Asked, Users},
};

/// Something in a `web_config` that can't be used: its path there, and why.
pub type Wrong = (String, String);

/// From where a request comes, as its connection shows it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// The name in its certificate.
    pub certificate: Option<Arc<str>>,
}

/// What a request shows of who asks, beside a token.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Name and password.
    pub password: Option<(String, String)>,
    /// From where it comes, as far as that is known.
    pub address: Option<IpAddr>,
    /// What a trusted proxy says.
    pub vouched: Option<Vouched>,
    /// As whom a browser is logged in.
    pub session: Option<Session>,
    /// The name in a certificate.
    pub certificate: Option<Arc<str>>,
}

/// How the question ends who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is known.
    As(Caller),
    /// It is not.
    Unknown,
    /// Too many ask at once.
    Busy,
    /// Too many wrong passwords came from there: so long they wait.
    TooMany(Duration),
}

/// What stands before every answer. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Who may log in; nobody: no password is asked for.
    pub users: Users,
    /// Who has which role, tokens, and proxies in front.
    pub auth: Arc<Auth>,
    /// Origins of pages that may read APIs.
    pub origins: Arc<[String]>,
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
        if wrong.is_empty() {
            Ok(Self { tls, users, auth: Arc::default(), origins: Arc::default(), headers })
        } else {
            Err(wrong)
        }
    }

    /// Whether nobody gets in who has not proved who they are.
    pub fn is_guarded(&self) -> bool {
        self.asks() || self.is_guarded_by_tls()
    }

    /// Whether a login is asked for, beside what TLS asks.
    pub fn asks(&self) -> bool {
        self.users.are_asked() || self.auth.asks()
    }

    fn is_guarded_by_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(Tls::asks_for_proof)
    }

    /// Who asks. A proxy that is trusted comes first: with what it says it passes on what a browser sent to it. A certificate
    /// is a name where nothing else is asked for; elsewhere it only opens the door.
    pub async fn identify(&self, shown: Shown) -> Known {
        if let Some(vouched) = shown.vouched {
            return Known::As(self.auth.vouched(vouched));
        }
        if let Some((name, password)) = shown.password.filter(|_| self.users.are_asked()) {
            let from = shown.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            return match self.users.ask(&name, &password, from).await {
                Asked::Welcome => Known::As(self.auth.person(&name, Proof::Password)),
                Asked::Unknown => Known::Unknown,
                Asked::Busy => Known::Busy,
                Asked::TooMany(wait) => Known::TooMany(wait),
            };
        }
        if let Some(caller) = shown.session.and_then(|session| self.auth.of_session(&session)) {
            return Known::As(caller);
        }
        let is_name = self.is_guarded_by_tls() && !self.users.are_asked() && !self.auth.knows_people();
        match shown.certificate.filter(|_| is_name) {
            Some(name) => Known::As(self.auth.person(&name, Proof::Certificate)),
            None if self.asks() => Known::Unknown,
            None => Known::As(Caller::anybody()),
        }
    }
}

/// Bytes that nobody can guess.
fn random(bytes: &mut [u8]) -> Result<(), String> {
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(bytes).map_err(|_| "this machine gives no random numbers".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[tokio::test]
    async fn who_asks_is_known_by_what_is_asked_for() {
        let hash = bcrypt::hash("right", 4).unwrap();
        let users = Users::new(&[("ada".to_owned(), Secret::new(hash))].into()).unwrap();
        let auth: AuthConfig = serde_json::from_str(
            r#"{"proxy_header": "X-User", "trusted_proxies": ["::1"], "users": {"operate": ["ada"]}}"#,
        )
        .unwrap();
        let auth = Arc::new(Auth::new(&auth).unwrap());
        let open = Door::default();
        let by_password = Door { users, ..Door::default() };
        let by_proxy = Door { auth, ..Door::default() };
        let password =
            |name: &str, password: &str| Shown { password: Some((name.into(), password.into())), ..Shown::default() };
        let vouched = |name: &str| Shown {
            vouched: Some(Vouched { name: name.into(), groups: Vec::new() }),
            ..password("ada", "wrong")
        };
        let certificate = Shown { certificate: Some("ada".into()), ..Shown::default() };
        let session = Shown {
            session: Some(Session {
                issuer: "https://login.example.org".into(),
                identity: oidc::Identity { subject: "7".into(), name: "ada".into(), groups: vec!["sre".into()] },
                until: jiff::Timestamp::MAX,
            }),
            ..Shown::default()
        };
        let oidc =
            r#"{"oidc": {"issuer": "https://login.example.org", "client_id": "x", "roles": {"admin": ["sre"]}}}"#;
        let by_oidc =
            Door { auth: Arc::new(Auth::new(&serde_json::from_str(oidc).unwrap()).unwrap()), ..Door::default() };
        assert!(matches!(by_oidc.identify(session.clone()).await, Known::As(ada) if ada.may(Need::Admin)));
        assert_eq!(by_oidc.identify(Shown::default()).await, Known::Unknown);
        let person = |name, proof, role| Known::As(Caller::person(name, proof, role));
        assert_eq!(open.identify(Shown::default()).await, Known::As(Caller::anybody()));
        assert_eq!(open.identify(certificate.clone()).await, Known::As(Caller::anybody()), "it proves nothing here");
        assert_eq!(by_password.identify(Shown::default()).await, Known::Unknown);
        assert_eq!(by_password.identify(certificate.clone()).await, Known::Unknown);
        assert_eq!(by_password.identify(password("ada", "wrong")).await, Known::Unknown);
        let known = by_password.identify(password("ada", "right")).await;
        assert_eq!(known, person("ada", Proof::Password, Role::Admin));
        assert_eq!(by_proxy.identify(vouched("ada")).await, person("ada", Proof::Proxy, Role::Operate));
        assert_eq!(by_proxy.identify(vouched("bob")).await, person("bob", Proof::Proxy, Role::Read));
        for nothing in [Shown::default(), password("ada", "right"), certificate, session] {
            assert_eq!(by_proxy.identify(nothing).await, Known::Unknown);
        }
        assert!(!open.is_guarded() && by_password.is_guarded() && by_proxy.is_guarded() && by_oidc.is_guarded());
    }
}
