//! `auth.oidc` of the configuration.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{
    login::{ByRole, Role, Wrong},
    model::{Secret, duration},
    notify::config::HttpConfig,
};

/// A session ends within this: who left a group is out by then.
const SESSION_MAX: Duration = Duration::from_secs(31 * 86_400);

/// What stands under `auth.oidc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Its URL, as it calls itself in `/.well-known/openid-configuration`.
    pub issuer: String,
    /// What it knows dogwatch by.
    pub client_id: String,
    /// By which dogwatch proves that it is that; without one, PKCE alone does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// File with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for, beside `openid`; of these, what the issuer says that it knows.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// In this claim are the groups: a list, or one name.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Groups by role.
    #[serde(default)]
    pub roles: ByRole,
    /// Of those in none of these groups.
    #[serde(default = "default_role")]
    pub default_role: Role,
    /// How long somebody stays logged in.
    #[serde(default = "session", with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub session: Duration,
    /// How the issuer is asked: its CA, a proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
}

fn scopes() -> Vec<String> {
    ["profile", "email", "groups"].map(str::to_owned).into()
}

fn groups_claim() -> String {
    "groups".into()
}

fn default_role() -> Role {
    Role::None
}

fn session() -> Duration {
    Duration::from_secs(12 * 3_600)
}

impl OidcConfig {
    /// Files are relative to the one that names them.
    pub fn resolve_paths(&mut self, base: &Path) {
        if let Some(file) = &mut self.client_secret_file {
            *file = base.join(&*file);
        }
        self.http_config.resolve_paths(base);
    }

    /// All that can be seen to be wrong without asking anybody, each with its path below `auth.oidc`.
    pub(super) fn problems(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let mut say = |at: &str, why: &str| wrong.push((at.to_owned(), why.to_owned()));
        if !Url::parse(&self.issuer).is_ok_and(|url| is_issuer(&url)) {
            say("issuer", "must be the issuer's https URL, without `?` and `#`: https://login.example.org/realms/ops");
        }
        if self.client_id.is_empty() {
            say("client_id", "is empty: register dogwatch with the issuer, which gives it an id");
        }
        if self.roles.is_empty() && self.default_role == Role::None {
            say("roles", "nobody would have a role: write roles: {operate: [a group]}, or a default_role");
        }
        if !(Duration::from_secs(60)..=SESSION_MAX).contains(&self.session) {
            say("session", "must be from 1m to 31d: so long somebody who left a group stays in");
        }
        wrong
    }
}

/// Over plain HTTP anybody on the way could log in; on this machine nobody is on the way.
fn is_issuer(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    plain && url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_not_work_is_told_with_its_key() {
        let fine = json!({"issuer": "https://login.example.org/realms/ops", "client_id": "dogwatch", "roles": {"operate": ["sre"]}});
        let found = |key: &str, value: serde_json::Value| {
            let mut config = fine.clone();
            config[key] = value;
            serde_json::from_value::<OidcConfig>(config).unwrap().problems()
        };
        for issuer in ["https://login.example.org", "http://127.0.0.1:5556/dex", "http://localhost:1", "http://[::1]:1"]
        {
            assert_eq!(found("issuer", json!(issuer)), [], "{issuer}");
        }
        for issuer in
            ["", "login.example.org", "http://login.example.org", "https://a/?b", "https://a/#b", "https://u@a"]
        {
            assert_eq!(found("issuer", json!(issuer))[0].0, "issuer", "{issuer}");
        }
        assert_eq!(found("client_id", json!(""))[0].0, "client_id");
        assert_eq!(found("roles", json!({}))[0].0, "roles");
        for session in ["1s", "32d"] {
            assert_eq!(found("session", json!(session))[0].0, "session");
        }
        let config: OidcConfig = serde_json::from_value(fine).unwrap();
        assert_eq!((config.default_role, config.session.as_secs()), (Role::None, 43_200));
        assert_eq!((config.scopes.join(" "), &*config.groups_claim), ("profile email groups".into(), "groups"));
    }
}
